"""The user's own `.npz` and `.npy` files, which are not trusted: the header is read first, then only x and y."""

import math
import os
import zipfile
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np

from vae_jax.data.columns import Columns
from vae_jax.data.dataset import checked
from vae_jax.data.whole import Whole, whole
from vae_jax.errors import InputError, first_line

SUFFIXES = (".npz", ".npy")
SHARE = 0.5  # the share of the machine's memory that an array may take
# The readers of a header, and how many bytes say how long it is.
HEADERS = {(1, 0): (np.lib.format.read_array_header_1_0, 2), (2, 0): (np.lib.format.read_array_header_2_0, 4)}
LONGEST = 10_000  # bytes of a header
RATIO, BOMB = 250, 100_000_000  # a file may unpack to RATIO times its size, or to BOMB bytes if that is more


def read_file(path: Path, columns: Columns) -> Whole:
    """An `.npz` with `x` and optionally `y`, or an `.npy` that is x.

    Nothing is allocated before the header says how much it takes, nothing else in the file is read, and pickles are
    refused.

    Args:
      path: the file.
      columns: the names of the arrays of labels and of ids in an `.npz`, if they are others than y.

    Raises:
      InputError: no such file, not a NumPy file, no `x` in it, an array larger than half of the machine's memory, or
        arrays that cannot be trained on (see `checked`).
    """
    if not path.is_file():
        raise InputError(f"no file {path}; expected an .npz holding x (and y), or an .npy holding x.")
    try:
        arrays = _arrays(path, columns)
    except InputError:
        raise
    except Exception as error:  # whatever a broken file makes zipfile and NumPy raise, down to SyntaxError
        reason = first_line(error)
        raise InputError(f"{path} is not a NumPy file of plain numbers ({reason}); write it with np.savez.") from error
    found = whole(str(path), checked(arrays["x"], arrays.get("y"), str(path), as_given=True))
    if "ids" not in arrays:
        return found
    if arrays["ids"].shape != (len(found.ids),):
        raise InputError(f"{path}: {columns.id} has shape {arrays['ids'].shape}; expected an id for each example.")
    return found._replace(ids=arrays["ids"])


def _arrays(path: Path, columns: Columns) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        return {"x": _read(partial(path.open, "rb"), path.stat().st_size, str(path))}
    with zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if "x" not in members:
            names = ", ".join(sorted(members)[:10]) or "nothing"
            raise InputError(
                f"{path} holds {names}; expected an array named x (y is optional). Use np.savez(path, x=x)."
            )
        wanted, arrays = {"x": "x", "y": columns.label or "y", "ids": columns.id}, {}
        if missing := next((name for name in (columns.label, columns.id) if name and name not in members), None):
            raise InputError(f"{path} holds {', '.join(sorted(members)[:10])}; there is no {missing}.")
        for role, name in ((role, name) for role, name in wanted.items() if name in members):
            info = members[name]
            if info.file_size > max(RATIO * info.compress_size, BOMB):
                raise InputError(
                    f"{path}: {name} unpacks to more than {RATIO} times its size, {info.file_size / 1e9:,.1f} GB. If "
                    "that is meant, write it with np.savez, which does not compress."
                )
            arrays[role] = _read(partial(archive.open, info), info.file_size, f"{path}: {name}")
        return arrays


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, Fortran order and dtype of an array in the `.npy` format; the file is then at its first number.

    Raises:
      ValueError: no header of 10,000 bytes at most, which NumPy writes for any plain array.
    """
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"version {version}")
    reader, width = HEADERS[version]
    length = file.read(width)
    if int.from_bytes(length, "little") > LONGEST:
        raise ValueError(f"its header claims {int.from_bytes(length, 'little'):,} bytes")
    return reader(BytesIO(length + file.read(int.from_bytes(length, "little"))))


def _read(opened: Callable[[], IO[bytes]], size: int, origin: str) -> np.ndarray:
    """An array in the `.npy` format from a file of `size` bytes."""
    with opened() as file:
        shape, _, dtype = read_header(file)
        need, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    if need != there:
        raise ValueError(f"{shape} of {dtype} takes {need:,} bytes, and {there:,} are there")
    most = int(SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    if need > most:
        raise InputError(
            f"{origin} takes {need / 1e9:,.1f} GB; expected at most {most / 1e9:,.1f}, half of this machine's memory. "
            "Leave examples out, or use uint8."
        )
    with opened() as file:
        return np.lib.format.read_array(file, allow_pickle=False)
