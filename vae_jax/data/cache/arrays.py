"""Arrays on disk: memory-mapped while they are written, whole when they appear."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def atomic_array(path: Path, shape: tuple[int, ...], dtype: Any) -> Iterator[np.ndarray]:
    """A new `.npy` file as a memory-mapped array; renamed at the end, so that a reader never sees half a file.

    Args:
      path: the file to write.
      shape: the shape of the array.
      dtype: its dtype.

    Yields:
      The array, to be filled in.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npy", delete=False) as file:
        pass
    try:
        array = np.lib.format.open_memmap(file.name, mode="w+", dtype=dtype, shape=shape)
        yield array
    except BaseException:
        os.unlink(file.name)
        raise
    array.flush()
    os.replace(file.name, path)
