"""The weights in a safetensors file, with a description of what they are."""

import json
from pathlib import Path

import jax
import numpy as np

from vae_jax.errors import InputError
from vae_jax.export.format import FORMATS
from vae_jax.trained.model import Trained
from vae_jax.writing import plain


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
        from safetensors.numpy import save_file
    except ImportError:
        raise InputError("--to safetensors needs its package; pip install 'vae-jax[export]'.") from None
    arrays = named_arrays(model)
    about = {
        "format": "vae_jax",
        "epoch": model.epoch,
        "config": dict(model.experiment.config),
        "row": plain(dict(model.row)),
        "shape": list(model.shape),
        "data": plain(model.description.as_json()),
        "arrays": {name: list(array.shape) for name, array in arrays.items()},
    }
    save_file(arrays, folder / "model.safetensors", metadata={"format": "vae_jax", "model": json.dumps(about)})
    (folder / "model.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n")
    return [folder / "model.safetensors", folder / "model.json"]


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
