"""The weights in a safetensors file, with a description of what they are."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vae_jax.errors import InputError
from vae_jax.export.format import FORMATS
from vae_jax.trained.model import Trained
from vae_jax.writing import plain, replace_file


@FORMATS.register("safetensors")
def safetensors(model: Trained, folder: Path, run: Path) -> list[Path]:
    """model.safetensors, a flat table of arrays, and model.json, what they are; for archives.

    Args:
      model: a trained model.
      folder: where to write them.
      run: not used.

    Returns:
      The files written.

    Raises:
      InputError: the `safetensors` package is not installed.
    """
    try:
        from safetensors.numpy import save
    except ImportError:
        raise InputError("--to safetensors needs its package; pip install 'vae-jax[export]'.") from None
    arrays = named_arrays(model)
    about = {
        "format": "vae_jax",
        "epoch": model.epoch,
        "config": without_paths(model.experiment.config),
        "row": plain(dict(model.row)),
        "shape": list(model.shape),
        "data": {**plain(model.description.as_json()), "name": Path(model.description.name).name},
        "arrays": {name: list(array.shape) for name, array in arrays.items()},
    }
    metadata = {"format": "vae_jax", "model": json.dumps(about)}
    replace_file(folder / "model.safetensors", save(arrays, metadata=metadata))
    replace_file(folder / "model.json", json.dumps(about, indent=2, ensure_ascii=False) + "\n")
    return [folder / "model.safetensors", folder / "model.json"]


def without_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration for others to read: of paths on this machine only the last part."""
    names = {name: Path(str(config[name])).name for name in ("data", "manual_dir", "out") if config.get(name)}
    hub = str(config.get("data", "")).startswith("hf:")
    return {**config, **names, **({"data": config["data"]} if hub else {})}


def named_arrays(model: Trained) -> dict[str, np.ndarray]:
    """The parameters by their path, as in `encoder/Dense_0/kernel`; the units of standardised features as `units/…`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(model.params)
    arrays = {}
    for path, leaf in leaves:
        names = [str(getattr(part, "key", getattr(part, "name", part))) for part in path]
        arrays["/".join(name for name in names if name != "params")] = np.asarray(leaf, order="C")
    units = model.description.units
    if units is not None:
        arrays |= {f"units/{name}": np.asarray(value) for name, value in units._asdict().items()}
    return arrays
