"""The page of one model as a single file, which holds its weights and needs neither a server nor the internet."""

import base64
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vae_jax.data.preprocess import dynamic, static
from vae_jax.errors import InputError
from vae_jax.explore.session import PLANE, Explored
from vae_jax.export.graph import Graph, graphs_of
from vae_jax.trained.model import Trained
from vae_jax.writing import plain, replace_file

MOST = 2_000_000  # parameters: a page of 11 MB
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src blob: data:"


def write_page(model: Trained, path: Path, *, named: str = "") -> Path:
    """Write the page of a model.

    Args:
      model: of images, as from `vae_jax.load`.
      path: ends in `.html`.
      named: added to its name, such as which model of a sweep it is.

    Raises:
      InputError: another suffix; a model that is not of images, has parts that the page's few operations do not cover,
        or has too many parameters.
    """
    if path.suffix != ".html":
        raise InputError(f"--export {path}: expected a name that ends in .html.")
    if not model.images:
        raise InputError("--export: the page draws images, and these are rows of features or counts.")
    explored, preprocess = Explored(model), model.recipe.preprocess
    if preprocess is dynamic:
        raise InputError("--export: the page draws no binary images (--preprocess dynamic); open it with a server.")
    graphs = graphs_of(model, "--export", "open it with a server, without --export")
    count = sum(leaf.size for leaf in jax.tree.leaves(model.params))
    if count > MOST:
        raise InputError(f"--export: the model has {count:,} parameters; expected at most {MOST:,}.")
    about = explored.about()
    about |= {"name": f"{about['name']}{named}", "plane": PLANE, "binary": preprocess is static}
    about["prior"] &= model.model.standard_prior  # the page draws N(0, I)
    images = np.stack([explored.pixels(index) for index in range(about["tests"])])
    kept = {
        "about": about,
        "images": _text(images),
        "starts": [part[: about["tests"]].tolist() for part in (explored.codes.mean, explored.codes.deviation)],
        "graphs": {name: _graph(graph) for name, graph in zip(("encoder", "decoder"), graphs, strict=True)},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, _page(json.dumps(plain(kept))))
    return path


def _page(kept: str) -> str:
    folder = files("vae_jax.explore") / "page"
    names = ("index.html", "style.css", "local.js", "explore.js")
    parts = {name: (folder / name).read_text(encoding="utf-8") for name in names}
    scripts = [parts["local.js"], parts["explore.js"]]
    script = "\n".join(re.sub(r"^import .*$|^export ", "", text, flags=re.M) for text in scripts)
    script = script.replace("globalThis.vaeJaxBackend ?? remote", "backendOf(KEPT)")
    style, policy = (
        f"<style>\n{parts['style.css']}</style>",
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
    )
    page = parts["index.html"].replace('<link rel="stylesheet" href="style.css">', f"{policy}\n{style}")
    safe = kept.replace("<", "\\u003c")  # so that the name of a data set cannot end the script
    whole = f'<script>const KEPT = {safe};</script>\n<script type="module">\n{script}</script>'
    return page.replace('<script type="module" src="explore.js"></script>', whole)


def _graph(graph: Graph) -> dict[str, Any]:
    nodes = [[node.kind, node.inputs, node.outputs, node.attributes] for node in graph.nodes]
    weights = {name: _array(array) for name, array in graph.weights.items()}
    return {"nodes": nodes, "weights": weights}


def _array(array: np.ndarray) -> list[Any]:
    kind = np.float32 if array.dtype.kind == "f" else np.int32
    return [np.dtype(kind).name, list(array.shape), _text(array.astype(kind))]


def _text(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
