"""The site: `python -m sphinx -W --keep-going -b html docs docs/_build/html`."""

import inspect
import re
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, get_origin

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import vae_jax

project, author, release = "vae_jax", "the vae_jax authors", vae_jax.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
html_theme, html_title, html_static_path, html_css_files = "furo", "vae_jax", ["_static"], ["site.css"]
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
add_module_names = False
exclude_patterns = ["_build", "benchmark"]
default_role = "literal"
nb_execution_mode = "off"  # the notebooks are kept with what they drew
nb_ipywidgets_js = {}  # no request leaves the site: of widgets their still is shown
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring, napoleon_numpy_docstring, napoleon_attr_annotations = True, False, False
copybutton_exclude = ".linenos, .gp"

# The public packages, and what each is, for the reference; a test holds that none is missing.
PUBLIC = {
    "vae_jax": "Everything to begin with",
    "vae_jax.losses": "Losses: jax alone",
    "vae_jax.distributions": "Distributions: jax alone",
    "vae_jax.models": "Models, likelihoods, priors",
    "vae_jax.models.networks": "Networks",
    "vae_jax.data": "Data sets",
    "vae_jax.training": "Training",
    "vae_jax.sweep": "Sweeps",
    "vae_jax.trained": "Trained models",
    "vae_jax.evaluation": "Evaluation",
    "vae_jax.evaluation.metrics": "Scores of disentanglement",
    "vae_jax.plots": "Pictures",
    "vae_jax.runs": "Runs in folders",
    "vae_jax.export": "Export",
}


ARRAY_LIKE = re.compile(r"[\w.~]*Array \| [\w.~]*ndarray \|[^=,)]*complex")

written: set[str] = set()  # the objects that have an entry


def write_reference() -> None:
    """A page for each public package, with an entry for every name of its `__all__`."""
    folder = HERE / "reference"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, title in PUBLIC.items():
        lines = [f"`{name}`", "=" * (len(name) + 2), "", f"{title}.", "", f".. currentmodule:: {name}", ""]
        module = import_module(name)
        lines += [*(inspect.getdoc(module) or "").splitlines()[:1], ""]
        for public in module.__all__:
            lines += entry(getattr(module, public), public, name)
        (folder / f"{name}.rst").write_text("\n".join(lines) + "\n")
    pages = "\n".join(f"{name} <reference/{name}>" for name in PUBLIC)
    (HERE / "reference.md").write_text(f"# Reference\n\n```{{toctree}}\n:maxdepth: 1\n\n{pages}\n```\n")


def entry(thing: Any, public: str, module: str) -> list[str]:
    """What autodoc is asked to write of a name; where it stands already, a link there."""
    if inspect.ismodule(thing):
        return [f"`{thing.__name__}`: a page of its own.", ""]
    if get_origin(thing) is not None or not hasattr(thing, "__qualname__"):
        return [f".. py:data:: {module}.{public}", "", f"   {words(thing)}", ""]
    whole = f"{thing.__module__}.{thing.__qualname__}"
    if whole in written:
        return [f"`{public}`: :py:obj:`{whole}`", ""]
    written.add(whole)
    if not inspect.isclass(thing):
        return [f".. autofunction:: {whole}", ""]
    fields = set(getattr(thing, "_fields", ())) | set(getattr(thing, "__dataclass_fields__", ()))
    hidden = ",".join(sorted({*fields, "parent", "name", "scope"}))
    return [f".. autoclass:: {whole}", "   :members:", f"   :exclude-members: {hidden}", ""]


def words(thing: Any) -> str:
    """A table by its names; another object by its type."""
    if hasattr(thing, "kind") and hasattr(thing, "find"):
        return f"Table of each {thing.kind}: " + ", ".join(f"`{name}`" for name in thing) + "."
    if isinstance(thing, dict):
        return "By name: " + ", ".join(f"`{name}`" for name in thing) + "."
    return f"A {type(thing).__name__}."


def untyped(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """A colon after a few words makes no type of a property; napoleon, which comes next, would take it for one."""
    del app, name, thing, options
    if what in ("property", "attribute") and lines and ": " in lines[0]:
        lines[0] = lines[0].replace(": ", " – ", 1)


def plain(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are prose and formulas: bars are no substitutions, stars no emphasis."""
    del app, what, name, thing, options
    paragraphs = re.split(r"\n(?:[ ]*\n)+", "\n".join(lines))
    lines[:] = "\n\n".join(formula(part) if is_formula(part) else prose(part) for part in paragraphs).split("\n")


def prose(text: str) -> str:
    """A paragraph, with what is code as it is."""
    if text.startswith(">>>"):
        return text
    if text.startswith("    "):
        return f".. code-block:: python\n\n{text}"
    parts = re.split(r"(:\w+:`[^`]*`|`+[^`]*`+)", text)
    return "".join(part if part.endswith("`") else scripts(escaped(part)) for part in parts)


def is_formula(paragraph: str) -> bool:
    """A line or two of mathematics: no sentence, no field, no code."""
    starts = (" ", ":", "..", "-", ">>>", "*")
    return bool(re.search("[=−Σ‖∫√½≈²]", paragraph)) and not paragraph.startswith(starts) and paragraph[-1] not in ".:`"


def formula(paragraph: str) -> str:
    """A formula on a line of its own, with its subscripts and superscripts."""
    return f".. container:: formula\n\n   {scripts(escaped(' '.join(paragraph.split())))}"


def scripts(text: str) -> str:
    """z_j and e^(−x) with the j below and the −x above."""
    below, above = r"(?<=[\w)])_(?:\{([^}]*)\}|([a-z]{1,2})(?![a-z_]))", r"\^(?:\(([^)]*)\)|(−?\w+))"
    text = re.sub(below, lambda m: rf"\ :sub:`{m[1] or m[2]}`\ ", text)
    return re.sub(above, lambda m: rf"\ :sup:`{m[1] or m[2]}`\ ", text)


def escaped(text: str) -> str:
    """Prose without what reStructuredText would read into it."""
    return re.sub(r"(?<!\\)(\||\*|_(?=\W|$))", r"\\\1", text)


def short(app: Any, what: str, name: str, thing: Any, options: Any, signature: str, returns: str) -> tuple[str, str]:
    """Names of types in the place of what they stand for."""
    del app, what, name, thing, options
    return tuple(
        text and re.sub(r"~(?:\w+\.)*", "", ARRAY_LIKE.sub("ArrayLike", text)) for text in (signature, returns)
    )


def copy_notebooks() -> None:
    """The notebooks as they are kept, and the pictures that README and pages show."""
    left_out = shutil.ignore_patterns(".ipynb_checkpoints")
    shutil.copytree(HERE.parent / "notebooks", HERE / "notebooks", dirs_exist_ok=True, ignore=left_out)


def setup(app: Any) -> None:
    copy_notebooks()
    write_reference()
    app.connect("autodoc-process-docstring", untyped, priority=100)
    app.connect("autodoc-process-docstring", plain)
    app.connect("autodoc-process-signature", short)
