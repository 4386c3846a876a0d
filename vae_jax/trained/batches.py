"""Functions of any number of examples, as a few compiled programs: examples are padded to one of a few sizes."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.core import Tracer

SIZES = (16, 256, 4096)  # examples on the device at a time


def size_for(n: int) -> int:
    """How many examples a call takes that is to process n of them."""
    return next((size for size in SIZES if size >= n), SIZES[-1])


def in_batches(function: Callable[..., Any], n: int, *inputs: Any) -> Any:
    """`function` of inputs with leaves `[n, …]`, in calls of one size; the last is filled with copies of its last row.

    Args:
      function: of leaves `[size, …]`, to leaves `[size, …]`; what an example gives does not depend on the others.
      n: how many examples there are, at least one.
      inputs: trees of arrays.
    """
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(inputs)):
        return function(*jax.tree.map(lambda leaf: leaf[:n], inputs))
    size, parts = size_for(n), []
    for start in range(0, n, size):
        part = jax.tree.map(lambda leaf, start=start: filled(leaf[start : start + size], size), inputs)
        count = min(size, n - start)
        parts.append(jax.tree.map(lambda leaf, count=count: np.asarray(leaf)[:count], function(*part)))
    return jax.tree.map(lambda *leaves: jax.device_put(np.concatenate(leaves)), *parts)


def filled(rows: Any, size: int) -> Any:
    """Rows `[m, …]` with copies of the last up to `[size, …]`; in NumPy, so that no program is compiled for m."""
    rows = np.asarray(rows)
    return rows if len(rows) == size else np.concatenate([rows, np.repeat(rows[-1:], size - len(rows), axis=0)])


def keys_for(key: Array, n: int) -> Any:
    """The data of a key for each of n examples, and for what fills their last call: the same for any other n."""
    size = size_for(n)
    keys = jax.random.key_data(jax.random.split(key, -(-n // size) * size))
    return keys if isinstance(keys, Tracer) else np.asarray(keys)
