"""The members of a population: which hyperparameters and seed each run has. A single run is a population of one."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from vae_jax.errors import InputError
from vae_jax.keys import keys_of
from vae_jax.training.recipe import Hyper, Recipe, hyperparameters


@dataclass(frozen=True)
class Members:
    """A list of runs.

    Attributes:
      seeds: `[n]`.
      hypers: name -> float32 `[n]`, all leaves of `hyperparameters`.
    """

    seeds: np.ndarray
    hypers: dict[str, np.ndarray]

    @property
    def count(self) -> int:
        """Number of runs."""
        return len(self.seeds)

    @property
    def keys(self) -> Array:
        """The key of each run, `[n]`: `Keys(seed).train`."""
        return self.keys_for("train")

    def keys_for(self, use: str) -> Array:
        """The keys of one of the uses of `Keys`, `[n]`."""
        return keys_of(self.seeds, use)

    def hyper(self, index: int) -> Hyper:
        """The hyperparameters of one run."""
        return {name: jnp.asarray(values[index]) for name, values in self.hypers.items()}

    def named(self, index: int) -> dict[str, float | int]:
        """One run as plain numbers, `seed` last; float32 values in their shortest decimal form."""
        numbers: dict[str, float | int] = {name: float(str(values[index])) for name, values in self.hypers.items()}
        return {**numbers, "seed": int(self.seeds[index])}

    def take(self, index: Sequence[int] | np.ndarray) -> "Members":
        """The runs at `index`."""
        index = np.asarray(index, int)
        return Members(self.seeds[index], {name: values[index] for name, values in self.hypers.items()})


def grid(recipe: Recipe, *, seeds: int | Sequence[int] = 1, **values: float | Sequence[float]) -> Members:
    """Every combination of the values, each with every seed.

    Args:
      recipe: declares the hyperparameters; those not given keep their defaults.
      seeds: how many, counted from 0; or a list of them.
      values: hyperparameter -> value or values, as in `beta=[0.5, 1, 2], learning_rate=1e-3`.

    Raises:
      InputError: a name that the recipe does not have, a number out of range, no values at all, or a value given twice.

    >>> from vae_jax.models import VAE, DenseDecoder, DenseEncoder
    >>> recipe = Recipe(model=VAE(DenseEncoder(2), DenseDecoder((8, 8, 1))))
    >>> members = grid(recipe, beta=[0.5, 1.0, 2.0], seeds=2)
    >>> members.seeds.tolist(), members.hypers["beta"].tolist()
    ([0, 1, 0, 1, 0, 1], [0.5, 0.5, 1.0, 1.0, 2.0, 2.0])
    """
    lists: dict[str, list[float]] = {n: np.atleast_1d(np.asarray(value)).tolist() for n, value in values.items()}
    for name, choices in lists.items():
        for value in choices:
            hyperparameters(recipe, **{name: value})
    return product(recipe, lists, range(seeds) if isinstance(seeds, int) else seeds)


def product(recipe: Recipe, lists: Mapping[str, Sequence[float]], seeds: Sequence[int]) -> Members:
    """Every combination of values that are within their ranges, each with every seed; as `grid`.

    Args:
      recipe: declares the hyperparameters; those not given keep their defaults.
      lists: hyperparameter -> values.
      seeds: the seeds that each combination is run with.

    Raises:
      InputError: no values at all, or a value given twice.
    """
    for name, choices in lists.items():
        expect_apart(name, [float(str(np.float32(choice))) for choice in choices])  # float32, as the program sees them
    expect_apart("seeds", list(seeds))
    runs = [dict(zip(lists, combination, strict=True)) for combination in itertools.product(*lists.values())]
    return stacked(recipe, [{**run, "seed": seed} for run in runs for seed in seeds])


def members_of(recipe: Recipe, runs: Iterable[Mapping[str, float]]) -> Members:
    """Runs one by one, each a mapping of hyperparameters and optionally `seed`; defaults as in `grid`.

    Raises:
      InputError: a name that the recipe does not have, or a number out of range.
    """
    runs = list(runs)
    for run in runs:
        hyperparameters(recipe, **{name: value for name, value in run.items() if name != "seed"})
    return stacked(recipe, runs)


def stacked(recipe: Recipe, runs: Sequence[Mapping[str, float]]) -> Members:
    """As `members_of`, for runs whose numbers are already checked."""
    hypers = {
        name: np.array([run.get(name, entry.default) for run in runs], np.float32)
        for name, entry in recipe.declared.items()
    }
    return Members(np.array([run.get("seed", 0) for run in runs], np.int64), hypers)


def expect_apart(name: str, values: Sequence[Any]) -> None:
    """Refuse a list of values that is empty or has duplicates.

    Raises:
      InputError: no values, or a value given twice.
    """
    if not values:
        raise InputError(f"{name}: expected at least one value; got none.")
    twice = next((value for i, value in enumerate(values) if value in values[:i]), None)
    if twice is not None:
        raise InputError(f"{name}: {twice} is given twice; expected each value once.")
