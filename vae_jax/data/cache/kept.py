"""Arrays that are slow to make, kept in the cache folder with their checksums: the same for all sources."""

import hashlib
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from vae_jax.caching import cache_folder
from vae_jax.data.cache.arrays import atomic_array
from vae_jax.data.meaning import CHUNK
from vae_jax.errors import InputError
from vae_jax.writing import read_sealed, write_sealed

VERSION = 2  # of the form below; raise it when that changes
ABOUT, LOCK = "about.json", ".lock"


def kept_arrays(of: tuple, make: Callable[[Path], Mapping[str, Any]]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays by name, memory-mapped, and what `make` returned; made once, and again whatever is wrong with them.

    Args:
      of: what they are made from and how; other values give other arrays.
      make: writes `NAME.npy` files into an empty folder and returns what to store about them: at least `rows`, name ->
        how many rows to use. What it cannot read it reports as an `InputError`.

    Raises:
      InputError: the cache folder cannot be written, or does not give back what was written.
    """
    folder = cache_folder("images") / hashlib.sha256(repr((VERSION, *of)).encode()).hexdigest()[:32]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / LOCK):
            found = _whole(folder)
            if found is None:
                if (folder / ABOUT).exists():
                    print(f"{folder} is not as it was written: reading the images again.", file=sys.stderr)
                _empty(folder)
                about = make(folder)
                sums = {name: sum_of(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in about["rows"]}
                write_sealed(folder / ABOUT, {**about, "sums": sums})
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
    """SHA-256 of an array's dtype, shape and values."""
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    for start in range(0, len(array), CHUNK):
        digest.update(np.ascontiguousarray(array[start : start + CHUNK]).data)
    return digest.hexdigest()


def _empty(folder: Path) -> None:
    """Remove everything but the lock: damaged files, and what a process that was killed left half written."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != LOCK:
            entry.unlink()


def _whole(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """The arrays of a folder and what is stored about them, if all of it is intact; else None."""
    try:
        about = read_sealed(folder / ABOUT)
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in about["rows"]}
        if any(sum_of(array) != about["sums"][name] for name, array in arrays.items()):
            return None
        return {name: array[: about["rows"][name]] for name, array in arrays.items()}, about
    except Exception:  # a damaged header alone raises six kinds of error, RecursionError among them
        return None
