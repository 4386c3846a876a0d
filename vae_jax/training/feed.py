"""How examples reach the training steps: from data held on the devices, or as batches read during training."""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.data.dataset import Examples
from vae_jax.data.streaming import read_ahead
from vae_jax.errors import InputError
from vae_jax.training import pure
from vae_jax.training.divergence import none_kept
from vae_jax.training.layout import Layout
from vae_jax.training.memory import device_memory
from vae_jax.training.recipe import Recipe

PART = 100  # steps between two updates of progress
PART_SHARE = 0.02  # of a device's memory that a streamed part may take


class Stretch(NamedTuple):
    """Consecutive steps.

    Attributes:
      first: the number of the first, counted from the start of the epoch.
      steps: how many.
      inputs: the arguments of `advance` that hold the examples, for each call of the layout.
    """

    first: int
    steps: int
    inputs: list[tuple[Any, ...]]


class Resident:
    """Data that each device holds in full; only the order changes between epochs.

    Attributes:
      advance: the program that runs several steps; see `_advance`.

    Args:
      recipe: static.
      layout: how the members are laid out over the devices.
      data: the training set, leaves `[n, …]`.
      together: epochs in one call.

    Raises:
      InputError: the data do not fill one batch.
    """

    def __init__(self, recipe: Recipe, layout: Layout, data: Examples, together: int):
        self._in_epoch, self._together = pure.steps_per_epoch(recipe, data), together
        self._data = layout.share(data)
        self._order, self.advance = _resident_programs(recipe, layout, together)

    def parts(self, index: int, keys: list[Any]) -> Iterator[Stretch]:
        """The steps of `together` epochs from epoch `index` on, in parts of equal size."""
        steps = self._together * self._in_epoch
        part = part_of_epoch(self._in_epoch) if self._together == 1 else steps
        rows = [self._order(key, index, self._data) for key in keys]
        for first in range(0, steps, part):
            now = rows if part == steps else [row[..., first : first + part, :] for row in rows]
            yield Stretch(first, part, [(row, self._data) for row in now])


class Streamed:
    """Data that stay on the host; the devices hold one part of an epoch while the next is on its way.

    The order and the numbers are those of `Resident`.

    Attributes:
      advance: the program that runs several steps; see `_advance`.

    Args:
      recipe: static.
      layout: how the member is laid out over the devices.
      data: the training set, leaves `[n, …]`, in memory or memory-mapped.

    Raises:
      InputError: the data do not fill one batch; or there are several members, each of which would need its own
        batches.
    """

    def __init__(self, recipe: Recipe, layout: Layout, data: Examples):
        if layout.count > 1:
            raise InputError("data are streamed for one model at a time; train each by itself, or on larger devices.")
        self._layout, self._data, self._in_epoch = layout, data, pure.steps_per_epoch(recipe, data)
        self._order, self.advance = _streamed_programs(recipe, layout, data.x.shape[0])
        batch_bytes = recipe.batch_size * math.prod(data.x.shape[1:]) * data.x.dtype.itemsize
        self._most = max(int(PART_SHARE * device_memory(layout.devices) / batch_bytes), 3)

    def parts(self, index: int, keys: list[Any]) -> Iterator[Stretch]:
        """The steps of epoch `index`, in the parts of `Resident` if those fit, else in smaller ones.

        No part is a single step unless the epoch is: XLA rounds a loop of one step differently.
        """
        (key,) = keys
        rows = self._layout.fetch([self._order(key, index)])[0]
        part = part_of_epoch(self._in_epoch)
        count = self._in_epoch // part if part <= self._most else -(-self._in_epoch // self._most)
        order = np.array_split(rows, count)
        starts = np.cumsum([0, *map(len, order)])
        batches = map(self._layout.place_batches, read_ahead(self._data, order))
        for start, now, placed in zip(starts, order, _one_ahead(batches), strict=False):
            yield Stretch(int(start), len(now), [(placed,)])


def part_of_epoch(in_epoch: int, most: int = PART) -> int:
    """Steps between two updates of progress: the largest divisor up to `most`, so that one program serves all parts.

    The whole epoch, if that divisor is at most a quarter of `most`.
    """
    best = max(count for count in range(1, min(most, in_epoch) + 1) if in_epoch % count == 0)
    return best if best > most // 4 else in_epoch


def _one_ahead(iterator: Iterator[Any]) -> Iterator[Any]:
    """The same items, with each one requested before the previous one is yielded."""
    waiting = next(iterator, None)
    while waiting is not None:
        now, waiting = waiting, next(iterator, None)
        yield now


# Programs take raw key data: JAX's reuse checker counts a typed key that a loop folds at each step as consumed.


@lru_cache(maxsize=64)
def _resident_programs(recipe: Recipe, layout: Layout, together: int) -> tuple[Callable, Callable]:
    """Programs for the order of `together` epochs and for several steps, compiled once for all values."""

    def order(key, index, data):
        key = jax.random.wrap_key_data(key)
        if together == 1:
            return pure.order(recipe, key, index, data)
        rows = jax.vmap(lambda i: pure.order(recipe, key, index + i, data))(jnp.arange(together))
        return rows.reshape(-1, rows.shape[-1])

    def steps(state, key, hyper, rows, data):
        return pure.steps(recipe, state, key, hyper, data, rows)

    advance = layout.lift(_advance(recipe, steps), 4, 2, donate=(0,))
    return layout.lift(order, 1, 2, rows=True), advance


@lru_cache(maxsize=64)
def _streamed_programs(recipe: Recipe, layout: Layout, count: int) -> tuple[Callable, Callable]:
    """As `_resident_programs`, for `count` examples that are streamed."""
    shape = Examples(jax.ShapeDtypeStruct((count,), jnp.uint8))

    def order(key, index):
        return pure.order(recipe, jax.random.wrap_key_data(key), index, shape)

    def steps(state, key, hyper, batches):
        return pure.steps_of(recipe, state, key, hyper, batches, data_size=count)

    return layout.lift(order, 1, 1), layout.lift(_advance(recipe, steps), 4, 1, donate=(0,))


def _advance(recipe: Recipe, steps: Callable) -> Callable:
    """Several steps. A state that they would leave NaN or infinite is kept as it was from then on, step count too."""

    def advance(state, key, hyper, *rest):
        *examples, begun = rest
        new, metrics = steps(state, jax.random.wrap_key_data(key), hyper, *examples)
        wrong = pure.first_nonfinite(new)
        lost = none_kept(metrics["skipped"]) if recipe.skip_nonfinite else ~jnp.isfinite(metrics["loss"]).all()
        whole = (wrong < 0) & ~lost
        return pure.choose(whole & (state.step == begun), new, state), (metrics, wrong)

    return advance
