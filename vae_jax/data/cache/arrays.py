"""Arrays on disk: memory-mapped while they are written, whole when they appear."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax.writing import atomic

ZEROS = 1 << 20  # bytes written at a time where the system cannot allocate
HEADER = 4096  # bytes from the start that may hold the header, which is written already


@contextmanager
def atomic_array(path: Path, shape: tuple[int, ...], dtype: Any) -> Iterator[np.ndarray]:
    """A new `.npy` file as a memory-mapped array; renamed at the end, so that a reader never sees half a file.

    Its space is allocated first: a page of a sparse file that does not fit on the disk would end the process.

    Args:
      path: the file to write. Only one process may write it at a time.
      shape: the shape of the array.
      dtype: its dtype.

    Yields:
      The array, to be filled in.

    Raises:
      OSError: it does not fit on the disk, or cannot be written; it names the file.
    """
    with atomic(path) as aside:
        array = np.lib.format.open_memmap(aside, mode="w+", dtype=dtype, shape=shape)
        _allocate(aside)
        yield array
        array.flush()


def _allocate(path: Path) -> None:
    """Take the space of a sparse file from the disk."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            return
        for start in range(HEADER, size, ZEROS):
            file.seek(start)
            file.write(bytes(min(ZEROS, size - start)))
