"""Batches of a data set that stays on disk, read ahead by Grain while the devices train."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from vae_jax.data.dataset import Examples, rows
from vae_jax.errors import InputError

READERS = 2  # threads
AHEAD = 2  # items read in advance


def read_ahead(data: Examples, order: Sequence[np.ndarray]) -> Iterator[Examples]:
    """The examples at each array of `order`, in that order; threads read the next while one is used.

    Args:
      data: arrays in memory, or memory-mapped, of which only these rows are read.
      order: arrays of row numbers, of any shape `[…]`.

    Yields:
      `Examples` with leaves `[…, *example]`, one for each array of `order`.

    Raises:
      InputError: Grain is not installed.
    """
    try:
        import grain
    except ImportError:
        raise InputError("streaming reads with Grain; pip install grain.") from None
    options = grain.ReadOptions(num_threads=READERS, prefetch_buffer_size=AHEAD)
    source: Any = _Batches(data, order)
    yield from grain.MapDataset.source(source).to_iter_dataset(options)


class _Batches:
    """A random-access source for Grain."""

    def __init__(self, data: Examples, order: Sequence[np.ndarray]):
        self._data, self._order = data, order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> Examples:
        return rows(self._data, self._order[index])
