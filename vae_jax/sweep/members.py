"""The members of a population: which hyperparameters and which seed each run has."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from vae_jax.errors import InputError
from vae_jax.keys import Keys
from vae_jax.training import Hyper, Recipe, hyperparameters


class Members(NamedTuple):
    """A list of runs.

    Attributes:
      seeds: `[n]`.
      hypers: name -> float32 `[n]`, all leaves of `training.hyperparameters`.
    """

    seeds: np.ndarray
    hypers: dict[str, np.ndarray]

    @property
    def keys(self) -> Array:
        """The key of each run, `[n]`: `Keys(seed).train`, as in single training."""
        return jnp.stack([Keys(int(seed)).train for seed in self.seeds])

    def hyper(self, index: int) -> Hyper:
        """The hyperparameters of one run."""
        return {name: jnp.asarray(values[index]) for name, values in self.hypers.items()}

    def named(self, index: int) -> dict[str, float | int]:
        """One run as plain numbers, `seed` last; float32 values in their shortest decimal form."""
        found: dict[str, float | int] = {name: float(str(values[index])) for name, values in self.hypers.items()}
        return {**found, "seed": int(self.seeds[index])}

    def take(self, index: Sequence[int] | np.ndarray) -> "Members":
        """Those at `index`."""
        index = np.asarray(index, int)
        return Members(self.seeds[index], {name: values[index] for name, values in self.hypers.items()})


def grid(recipe: Recipe, *, seeds: int | Sequence[int] = 1, **values: float | Sequence[float]) -> Members:
    """Every combination of the values, each with every seed.

    Args:
      recipe: names the hyperparameters; those that are not given have the loss's defaults.
      seeds: how many, from 0; or which.
      values: hyperparameter -> value or values, as in `beta=[0.5, 1, 2], learning_rate=1e-3`.

    Raises:
      InputError: a name that the loss does not have, no values at all, or one twice.

    >>> from vae_jax import VAE
    >>> from vae_jax.networks import DenseDecoder, DenseEncoder
    >>> recipe = Recipe(model=VAE(DenseEncoder(2), DenseDecoder((8, 8, 1))))
    >>> members = grid(recipe, beta=[0.5, 1.0, 2.0], seeds=2)
    >>> members.seeds.tolist(), members.hypers["beta"].tolist()
    ([0, 1, 0, 1, 0, 1], [0.5, 0.5, 1.0, 1.0, 2.0, 2.0])
    """
    seeds = range(seeds) if isinstance(seeds, int) else seeds
    lists: dict[str, list[Any]] = {name: np.atleast_1d(np.asarray(value)).tolist() for name, value in values.items()}
    for name, found in {**lists, "seeds": list(seeds)}.items():
        if not found:
            raise InputError(f"{name}: expected at least one value; got none.")
        twice = next((value for i, value in enumerate(found) if value in found[:i]), None)
        if twice is not None:
            raise InputError(f"{name}: {twice} is given twice; expected each value once.")
    runs = [dict(zip(lists, combination, strict=True)) for combination in itertools.product(*lists.values())]
    return members(recipe, [{**run, "seed": seed} for run in runs for seed in seeds])


def members(recipe: Recipe, runs: Sequence[Mapping[str, float]]) -> Members:
    """Runs one by one, each a mapping of hyperparameters and perhaps `seed`; defaults as in `grid`.

    Raises:
      InputError: a name that the loss does not have.
    """
    found = [hyperparameters(recipe, **{k: v for k, v in run.items() if k != "seed"}) for run in runs]
    stacked = {name: np.array([hyper[name] for hyper in found], np.float32) for name in hyperparameters(recipe)}
    return Members(np.array([run.get("seed", 0) for run in runs], np.int64), stacked)
