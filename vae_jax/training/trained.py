"""A trained model, ready to use: what it was trained with, its parameters and its results."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax.data.table import Dataset
from vae_jax.distributions.base import mean_of
from vae_jax.errors import InputError
from vae_jax.keys import use
from vae_jax.models.vae import VAE, Params
from vae_jax.training.driver import train_one
from vae_jax.training.experiment import Experiment
from vae_jax.training.recipe import Recipe


def train(experiment: Experiment, *, progress: bool = True) -> "Trained":
    """Train an experiment to the end; nothing is written.

    Raises:
      DivergedError: the loss is not a finite number; names the step.
    """
    recipe, data = experiment.recipe, experiment.data
    params = train_one(recipe, experiment.members, data.train, epochs=experiment.epochs, progress=progress)
    return Trained(experiment, params, experiment.members.named(0), experiment.epochs)


@dataclass(frozen=True)
class Trained:
    """A trained model; `vae_jax.load` reads one from a folder.

    Attributes:
      experiment: data, recipe, hyperparameters, keys and epochs of its training.
      params: its parameters.
      row: its hyperparameters, seed and results, as in `results.csv` or `summary.json`.
      epoch: how many epochs it was trained for.
    """

    experiment: Experiment
    params: Params
    row: Mapping[str, Any] = field(default_factory=dict)
    epoch: int = 0

    @property
    def model(self) -> VAE:
        """Encoder, decoder, likelihood and prior."""
        return self.recipe.model

    @property
    def recipe(self) -> Recipe:
        """The choices and sizes that were compiled in."""
        return self.experiment.recipe

    @property
    def data(self) -> Dataset:
        """The data set that it was trained on."""
        return self.experiment.data

    def encode(self, x: ArrayLike, y: ArrayLike | None = None) -> Any:
        """q(z|x[, y]) of examples, a distribution whose leaves are `[n, latent]`.

        Args:
          x: `[n, *shape]` as stored: uint8 0..255, or float as the data were, in their units.
          y: `[n]` labels, for a conditional model.

        Raises:
          InputError: examples of another shape than the model's, or without the axis `[n]`.
        """
        x = jnp.asarray(x if self.data.units is None else self.data.units.of_model(x))
        self._expect("x", x.shape, self.data.train.x.shape[1:])
        return self._encode(x, None if y is None else jnp.asarray(y))

    def decode(self, z: ArrayLike, y: ArrayLike | None = None) -> Array:
        """The means of p(x|z[, y]), `[n, *shape]`: pixels in [0, 1], features in the units of the data.

        Args:
          z: `[n, latent]`.
          y: `[n]` labels, for a conditional model.

        Raises:
          InputError: codes of another size than the model's, or without the axis `[n]`.
        """
        z = jnp.asarray(z, jnp.float32)
        self._expect("z", z.shape, (self.latent,))
        return self._in_units(self._decode(z, None if y is None else jnp.asarray(y)))

    def sample(self, n: int, *, seed: int = 0, y: ArrayLike | None = None) -> Array:
        """The means of p(x|z) for n draws of z from the prior, `[n, *shape]`, as from `decode`.

        Args:
          n: how many.
          seed: the seed of the draws.
          y: `[n]` labels, for a conditional model.
        """
        labels = None if y is None else jnp.asarray(y)
        return self._in_units(self.model.generate(jax.random.key(seed), self.params, n, labels))

    def _in_units(self, x: Array) -> Array:
        return x if self.data.units is None else self.data.units.of_data(x)

    @cached_property
    def _encode(self) -> Callable[[Array, Array | None], Any]:
        def one(key, x, y):
            return self.model.encode(self.params, self.recipe.preprocess(key, x), y)

        def encode(x, y):
            keys = jax.random.split(use(self.experiment.keys.test, "encode"), x.shape[0])
            return jax.vmap(one)(keys, x, y)

        return jax.jit(encode)

    @cached_property
    def _decode(self) -> Callable[[Array, Array | None], Array]:
        return jax.jit(jax.vmap(lambda z, y: mean_of(self.model.decode(self.params, z, y))))

    @cached_property
    def latent(self) -> int:
        """How many latents there are."""
        x = jax.ShapeDtypeStruct((1, *self.data.train.x.shape[1:]), self.data.train.x.dtype)
        y = jax.ShapeDtypeStruct((1,), jnp.int32) if self.recipe.loss.conditional else None
        return jax.eval_shape(lambda x, y: self._encode(x, y).mean, x, y).shape[1]

    def _expect(self, name: str, shape: tuple[int, ...], one: tuple[int, ...]) -> None:
        if shape[1:] != tuple(one) or len(shape) != len(one) + 1:
            expected = ", ".join(["n", *map(str, one)])
            raise InputError(f"{name} has shape {shape}; expected [{expected}] for this model.")
