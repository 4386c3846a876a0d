"""How many members fit on the devices at a time."""

import math
import os
from collections.abc import Sequence
from typing import Any

import jax

from vae_jax.data.dataset import Examples
from vae_jax.errors import InputError
from vae_jax.training import pure
from vae_jax.training.recipe import Recipe, hyperparameters

SHARE = 0.8  # of a device's memory that training may take


def members_that_fit(recipe: Recipe, data: Examples, *, devices: Sequence[Any], within: str) -> int:
    """How many members fit on the devices at once: at least one on each.

    Args:
      recipe: static.
      data: the training set, which each device holds in full.
      devices: those that train.
      within: how the members of one device run; see `Layout`.
    """
    each = bytes_per_member(recipe, data, within=within)
    data_bytes = sum(_bytes(leaf) for leaf in jax.tree.leaves(data))
    room = SHARE * device_memory(devices) - data_bytes
    return max(int(room // each), 1) * len(devices)


def data_fit(recipe: Recipe, data: Examples, devices: Sequence[Any]) -> bool:
    """Whether each device has room for all the data and one member that trains on them.

    Args:
      recipe: static.
      data: the training set.
      devices: those that train.
    """
    need = bytes_per_member(recipe, data, within="loop") + sum(_bytes(leaf) for leaf in jax.tree.leaves(data))
    return need <= SHARE * device_memory(devices)


def expect_to_fit(recipe: Recipe, data: Examples, devices: Sequence[Any]) -> None:
    """Refuse a model that is too large for a device, before anything is allocated.

    Args:
      recipe: static.
      data: the training set, or the shapes of its leaves.
      devices: those that train.

    Raises:
      InputError: its state alone takes more than a device's memory in training.
    """
    try:
        need = bytes_per_member(recipe, data, within="loop")
    except (OverflowError, TypeError) as error:  # more numbers than an array can have
        raise InputError(
            "a model of these sizes has more parameters than an array can hold; lower `hidden` or `latent`."
        ) from error
    room = device_memory(devices)
    if need > room:
        raise InputError(
            f"a model of these sizes takes {need / 1e9:,.1f} GB in training, and the device has {room / 1e9:,.1f}; "
            "lower `hidden` or `latent`."
        )


def bytes_per_member(recipe: Recipe, data: Examples, *, within: str) -> int:
    """Bytes of device memory that a run takes, without the data.

    Four copies of the state: the most that an update holds, and what it goes back to if it diverges. If members run
    side by side (`within="vmap"`), also the working memory of a step, as reported by the compiler.

    Args:
      recipe: static.
      data: the training set, or the shapes of its leaves.
      within: how the members of one device run; see `Layout`.
    """
    state = pure.state_shapes(recipe, data)
    total = 4 * sum(_bytes(leaf) for leaf in jax.tree.leaves(state))
    if within == "vmap":
        key, hyper = jax.eval_shape(lambda: (jax.random.key(0), hyperparameters(recipe)))
        batch = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((recipe.batch_size, *leaf.shape[1:]), leaf.dtype), data)
        step = jax.jit(pure.step, static_argnums=0).lower(recipe, state, key, hyper, batch)
        analysis: Any = step.compile().memory_analysis()
        total += analysis.temp_size_in_bytes if analysis else total
    return total


def device_memory(devices: Sequence[Any]) -> float:
    """Bytes of memory of one device; for a CPU device, its share of the machine's."""
    stats = None if devices[0].platform == "cpu" else devices[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return float(stats["bytes_limit"])
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) / len(devices)


def _bytes(leaf) -> int:
    return math.prod(leaf.shape) * leaf.dtype.itemsize
