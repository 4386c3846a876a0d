"""Arrays that are slow to make, kept in the cache folder with their checksums."""

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from vae_jax.caching import cache_folder
from vae_jax.data.cache.arrays import atomic_array
from vae_jax.data.meaning import CHUNK
from vae_jax.errors import InputError
from vae_jax.writing import write_json

ABOUT = "about.json"


def kept_arrays(of: tuple, make: Callable[[Path], Mapping[str, Any]]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays by name, memory-mapped, and what `make` returned; made once, and again if a byte has changed.

    Args:
      of: what they are made from and how; other values give other arrays.
      make: writes `NAME.npy` files into a folder and returns what to store about them: at least `rows`, name -> how
        many rows to use.

    Raises:
      InputError: the cache folder cannot be written, or does not give back what was written.
    """
    folder = cache_folder("images") / hashlib.sha256(repr(of).encode()).hexdigest()[:32]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            found = _whole(folder)
            if found is None:
                if (folder / ABOUT).exists():
                    print(f"{folder} is not as it was written: reading the images again.", file=sys.stderr)
                about = make(folder)
                sums = {name: sum_of(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in about["rows"]}
                write_json(folder / ABOUT, {**about, "sha256": sums})
                found = _whole(folder)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror or error}); set XDG_CACHE_HOME to a folder that can."
        ) from error
    if found is None:
        raise InputError(
            f"{folder} did not give back what was written to it: the disk may be failing; "
            "set XDG_CACHE_HOME to a folder on another."
        )
    return found


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array to an `.npy` file, whole or not at all."""
    with atomic_array(path, array.shape, array.dtype) as target:
        target[...] = array


def sum_of(array: np.ndarray) -> str:
    """SHA-256 of an array's values."""
    digest = hashlib.sha256()
    for start in range(0, len(array), CHUNK):
        digest.update(np.ascontiguousarray(array[start : start + CHUNK]).data)
    return digest.hexdigest()


def _whole(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """The arrays of a folder and what is stored about them, if all of it is intact; else None."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        about = json.loads((folder / ABOUT).read_text())
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in about["rows"]}
        if all(sum_of(array) == about["sha256"][name] for name, array in arrays.items()):
            return {name: array[: about["rows"][name]] for name, array in arrays.items()}, about
    return None
