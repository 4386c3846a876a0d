"""What a configuration builds: data, recipe, numbers and keys, everything that a run or an evaluation needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from vae_jax.data.dataset import Dataset, fingerprint
from vae_jax.data.description import Description, describe
from vae_jax.data.preprocess import grey
from vae_jax.distributions.base import Support
from vae_jax.keys import Keys
from vae_jax.models.part import Params
from vae_jax.training.members import Members
from vae_jax.training.recipe import Hyper, Recipe

IMPROPER = "Grey pixels under a Bernoulli: a loss, not a normalised likelihood (continuous-bernoulli is one)."


@dataclass(frozen=True)
class Experiment:
    """The parts of a run.

    Attributes:
      source: the data, or a function that loads them when they are first asked for.
      recipe: static; the model is `recipe.model`.
      hyper: float32 leaves.
      keys: one for each use.
      epochs: how many to train.
      patience: epochs without a better validation ELBO after which training ends and the best epoch is kept; None to
        train to the end.
      minutes: training ends with the epoch in which this time is up; None for no limit.
      config: the choices and numbers it was built from, as plain values; a checkpoint records them.
      described: the description of the data, if it is known without loading them; None derives it from the data.
      fingerprint: SHA-256 of the data, if it is known without loading them.
      initial: parameters of another model to start from; None to draw them.
    """

    source: Dataset | Callable[[], Dataset]
    recipe: Recipe
    hyper: Hyper
    keys: Keys
    epochs: int
    patience: int | None = None
    minutes: float | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    described: Description | None = None
    fingerprint: str | None = None
    initial: Params | None = None

    @cached_property
    def data(self) -> Dataset:
        """Train, validation and test.

        Raises:
          InputError: they are no longer where they were.
        """
        return self.source if isinstance(self.source, Dataset) else self.source()

    @cached_property
    def description(self) -> Description:
        """What the model needs to know of its data."""
        return describe(self.data) if self.described is None else self.described

    @cached_property
    def about(self) -> dict[str, Any]:
        """What a checkpoint belongs to: the configuration, and the SHA-256 of the data."""
        return {"config": dict(self.config), "data": self.fingerprint or fingerprint(self.data)}

    @property
    def members(self) -> Members:
        """This run as a population of one."""
        hypers = {name: np.asarray(value, np.float32)[None] for name, value in self.hyper.items()}
        return Members(np.array([self.keys.seed], np.int64), hypers)

    @property
    def images(self) -> bool:
        """Whether the examples are images of grey levels or colours; rows of features and counts cannot be drawn."""
        return self.description.images and self.recipe.model.support is not Support.COUNTS

    @property
    def proper_likelihood(self) -> bool:
        """Whether log p(x|z) is a log-likelihood of these data: a Bernoulli's is not, for pixels between 0 and 1."""
        if self.recipe.model.support is not Support.BINARY or self.recipe.preprocess is not grey:
            return True
        return not self.description.grey
