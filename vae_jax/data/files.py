"""The user's own `.npz` and `.npy` files."""

import zipfile
from pathlib import Path

import numpy as np

from vae_jax.data.table import Dataset, checked, split
from vae_jax.errors import InputError

SUFFIXES = (".npz", ".npy")


def load_file(path: Path) -> Dataset:
    """An `.npz` with `x` and optionally `y`, or an `.npy` that is x; split into 80 % train, 10 % validation, 10 % test.

    Raises:
      InputError: no such file, not a NumPy file, no `x` in it, or arrays that cannot be trained on (see `checked`).
    """
    if not path.is_file():
        raise InputError(f"no file {path}; expected an .npz holding x (and y), or an .npy holding x.")
    try:
        content = np.load(path, allow_pickle=False)
        arrays = {"x": content} if isinstance(content, np.ndarray) else {name: content[name] for name in content.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a NumPy file of plain numbers ({error}); write it with np.savez.") from error
    if "x" not in arrays:
        names = ", ".join(arrays) or "nothing"
        raise InputError(f"{path} holds {names}; expected an array named x (y is optional). Use np.savez(path, x=x).")
    return split(str(path), checked(arrays["x"], arrays.get("y"), str(path)), validation=0.1, test=0.1)
