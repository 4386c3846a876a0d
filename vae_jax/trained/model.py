"""A trained model: what it was trained with, its parameters and its results, ready to use without its data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from vae_jax.data.dataset import Dataset, Examples
from vae_jax.data.description import Description
from vae_jax.data.preprocess import grey
from vae_jax.distributions.base import Support, draw, mean_of
from vae_jax.errors import InputError
from vae_jax.evaluation.codes import Codes, codes_of, encode_all
from vae_jax.evaluation.per_example import Scores, estimator_of, example_scores
from vae_jax.evaluation.rate_distortion import Reconstruction, reconstruct
from vae_jax.keys import use
from vae_jax.models.part import Params
from vae_jax.models.vae import VAE
from vae_jax.trained.batches import in_batches, keys_for
from vae_jax.trained.inputs import codes, examples, expect_shape, key_of, labels, numbers, one_of, whole
from vae_jax.trained.walks import line, moved
from vae_jax.training.driver import train_one
from vae_jax.training.experiment import Experiment
from vae_jax.training.recipe import Recipe


def train(experiment: Experiment, *, progress: bool = True) -> "Trained":
    """Train an experiment to the end; nothing is written.

    Raises:
      DivergedError: the loss or the state is no longer finite; names the step.
      InputError: the data are no longer where they were.
    """
    recipe, data = experiment.recipe, experiment.data
    params = train_one(recipe, experiment.members, data.train, epochs=experiment.epochs, progress=progress)
    return Trained(experiment, params, experiment.members.named(0), experiment.epochs)


@dataclass(frozen=True)
class Trained:
    """A trained model; `vae_jax.load` reads one from a folder.

    Inputs and outputs are in the units of the data: x is uint8 0..255 or the numbers of the file; decoded are pixels in
    [0, 1] or features in their own units. Any number of examples is processed in batches.

    Attributes:
      experiment: recipe, hyperparameters, keys, description of the data and epochs of its training.
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
        """Encoder, posterior, decoder, likelihood and prior."""
        return self.recipe.model

    @property
    def recipe(self) -> Recipe:
        """The choices and sizes that were compiled in."""
        return self.experiment.recipe

    @property
    def description(self) -> Description:
        """What is known of its data without loading them: shape, dtype, classes, units, factors."""
        return self.experiment.description

    @property
    def data(self) -> Dataset:
        """The data set that it was trained on, loaded when this is first used.

        Raises:
          InputError: it is no longer where it was; the message says how to point to it.
        """
        return self.experiment.data

    @property
    def latent(self) -> int:
        """How many latents there are."""
        return self.model.latents.size

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an example, `(height, width, channels)` or `(features,)`."""
        return self.description.shape

    @property
    def conditional(self) -> bool:
        """Whether it takes labels."""
        return self.recipe.loss.conditional

    @property
    def classes(self) -> int:
        """How many labels it takes; 0 if it takes none."""
        return self.description.classes if self.conditional else 0

    @property
    def is_point(self) -> bool:
        """Whether a code is a point and not a density."""
        return not self.recipe.has_density

    @property
    def images(self) -> bool:
        """Whether its examples are images that can be drawn."""
        return self.experiment.images

    def encode(self, x: ArrayLike, y: ArrayLike | None = None) -> Codes:
        """q(z|x[, y]) of examples: `mean`, `deviation` and, for normal posteriors, `log_var` and `sample`.

        Args:
          x: `[n, *shape]`: for 8-bit images, whole numbers 0..255 or floats in [0, 1]; else numbers in the units of
            the data, columns in their order.
          y: `[n]` labels, or names of classes, for a conditional model.

        Raises:
          InputError: examples of another shape than the model's, or without the axis `[n]`; numbers that are not finite
            or that the data cannot hold; labels that do not fit.
        """
        return self._encode(self._stored("x", x), y)

    def _encode(self, stored: Array, y: ArrayLike | None) -> Codes:
        n = len(stored)
        keys = keys_for(use(self.experiment.keys.test, "encode"), n)
        data = Examples(stored, self._labels(y, n))
        return in_batches(self._codes, n, keys, data)

    def _codes(self, keys: Array, data: Examples) -> Codes:
        return codes_of(self.recipe, self.params, jax.random.wrap_key_data(keys), data)

    def score(self, x: ArrayLike, y: ArrayLike | None = None, *, num_samples: int | None = None) -> Scores:
        """How likely each example is, in nats of the data in their own units, with the error of each estimate.

        A score depends on no other example. Standardised rows count the scale of each feature, so that the scores are
        log-densities of the rows as they were given.

        Args:
          x: `[n, *shape]`, as for `encode`.
          y: `[n]` labels, for a conditional model, which is log p(x|y).
          num_samples: importance samples for log p(x); None for the ELBO, its bound. A model whose code is a point has
            neither, and gives log p(x|z) at the code of x.

        Returns:
          `value` and `error`, `[n]` each in float64, and the `estimator` in words; see `evaluation.example_scores`.

        Raises:
          InputError: as `encode`; fewer than one sample, or samples for a model whose code is a point.
        """
        k = None if num_samples is None else whole("num_samples", num_samples, 1)
        try:
            words = estimator_of(self.recipe, k)
        except ValueError as error:
            raise InputError(str(error)) from None
        stored = self._stored("x", x)
        data = Examples(stored, self._labels(y, len(stored)))
        key = self.experiment.keys.test
        scores = partial(example_scores, self.recipe, self.params, key, num_samples=k)
        value, error = (np.asarray(part, np.float64) for part in in_batches(scores, len(stored), data))
        return Scores(value - self.description.log_jacobian, error, words)

    def decode(self, z: ArrayLike, y: ArrayLike | None = None) -> Array:
        """The means of p(x|z[, y]), `[n, *shape]`: pixels in [0, 1], features in the units of the data.

        Args:
          z: `[n, latent]`.
          y: `[n]` labels, for a conditional model.

        Raises:
          InputError: codes of another size than the model's, or without the axis `[n]`; labels that do not fit.
        """
        z = codes("z", z)
        expect_shape("z", z.shape, (self.latent,))
        return self._in_units(in_batches(self._decode, len(z), z, self._labels(y, len(z))))

    def reconstruct(self, x: ArrayLike, y: ArrayLike | None = None) -> Array:
        """The means of p(x|z[, y]) at the means of q(z|x[, y]), `[n, *shape]`, as from `decode`.

        Args:
          x: `[n, *shape]` as stored.
          y: `[n]` labels, for a conditional model.

        Raises:
          InputError: as `encode`.
        """
        return self.decode(self.encode(x, y).mean, y)

    def sample(
        self,
        n: int,
        *,
        seed: int = 0,
        y: ArrayLike | None = None,
        temperature: float = 1.0,
        observed: bool = False,
    ) -> Array:
        """The means of p(x|z) for n draws of z from the prior, `[n, *shape]`, as from `decode`; or draws of x.

        Args:
          n: how many.
          seed: the seed of the draws.
          y: `[n]` labels, for a conditional model.
          temperature: what the distance of each z from the prior's mean is multiplied by: below 1 the samples are more
            alike, and more typical.
          observed: whether to draw x of p(x|z) in place of its mean, which spreads less than the data.

        Raises:
          InputError: n below 1, a seed or a temperature out of range, or labels that do not fit.
        """
        n, given = whole("n", n, 1), float(numbers("temperature", temperature))
        if not given > 0:
            raise InputError(f"temperature is {given:g}; expected a number above 0.")
        y, key = self._labels(y, n), key_of(seed)
        if given == 1.0 and not observed:
            return self._in_units(self._generate(key, n, y))
        return self._in_units(_sampled(self.recipe, key, self.params, n, y, jnp.float32(given), observed))

    def sample_prior(self, seed: int = 0, y: int | None = None) -> Array:
        """One code of p(z), or of p(z|y), `[latent]`.

        Args:
          seed: the seed of the draw.
          y: a label, for a conditional model; only a prior that depends on it needs it.

        Raises:
          InputError: as `sample`.
        """
        needed = y is not None or getattr(self.model.prior, "conditional", False)
        given = self._labels(None if y is None else [y], 1) if needed else None
        return draw(self.model.latent_prior(self.params, None if given is None else given[0]), key_of(seed))

    def traverse(self, x: ArrayLike, latent: int, values: ArrayLike, y: ArrayLike | None = None) -> Array:
        """The code of one example with one latent set to each of several values, decoded: `[values, *shape]`.

        Args:
          x: `[*shape]`, one example as stored.
          latent: which latent, counted from 0.
          values: `[values]`, in standard deviations of N(0, 1).
          y: its label, for a conditional model.

        Raises:
          InputError: as `encode`; no such latent; or values that are not a row of numbers.
        """
        one = self._labels(None if y is None else [y], 1)
        code = self._encode(self._stored("x", one_of(x)), one).mean[0]
        return self.decode_traversal(code, latent, values, one)

    def decode_traversal(self, code: Array, latent: int, values: ArrayLike, y: Array | None = None) -> Array:
        """A code with one latent set to each of several values, decoded: `[values, *shape]`, as from `decode`.

        Args:
          code: `[latent]`.
          latent: which latent, counted from 0.
          values: `[values]`, in standard deviations of N(0, 1).
          y: `[1]`, its label, for a conditional model.

        Raises:
          InputError: as `decode`; no such latent; or values that are not a row of numbers.
        """
        latent, row = whole("latent", latent, 0, self.latent - 1), numbers("values", values)
        if row.ndim != 1 or not len(row):
            raise InputError(f"values has shape {row.shape}; expected a row, [values].")
        z = moved(code, latent, row)
        return self.decode(z, None if y is None else jnp.repeat(y, len(z)))

    def interpolate(self, a: ArrayLike, b: ArrayLike, steps: int = 10, y: ArrayLike | None = None) -> Array:
        """The line from one example's code to another's, decoded: `[steps, *shape]`, both ends included.

        Args:
          a: `[*shape]`, one example as stored.
          b: likewise.
          steps: how many points, at least 2.
          y: the label of both, for a conditional model.

        Raises:
          InputError: as `encode`; or fewer than two steps.
        """
        steps, label = whole("steps", steps, 2), self._labels(None if y is None else [y], 1)
        ends = self._stored("a", one_of(a)), self._stored("b", one_of(b))
        if ends[0].dtype != ends[1].dtype:  # grey levels and pixels in [0, 1]
            ends = grey(key_of(0), ends[0]), grey(key_of(0), ends[1])
        first, last = self._encode(jnp.concatenate(ends), None if label is None else jnp.repeat(label, 2)).mean
        return self.decode(line(first, last, steps), None if label is None else jnp.repeat(label, steps))

    @cached_property
    def test_codes(self) -> Codes:
        """The codes of the test set, computed once."""
        return encode_all(self.recipe, self.params, self.experiment.keys.test, self.data.test)

    def codes(self, data: Examples, key: Array) -> Codes:
        """The codes of examples as they are stored; the key is split over them, for their pixels and draws."""
        return encode_all(self.recipe, self.params, key, data)

    def seen(self, data: Examples, key: Array) -> Reconstruction:
        """Examples as the model sees them, as the loss corrupts them, and decoded."""
        return reconstruct(self.recipe, self.params, key, data, self.experiment.hyper)

    def generate(self, key: Array, n: int, y: Array | None = None) -> Array:
        """The means of p(x|z) for n draws of z from the prior, `[n, *shape]`, as the model sees x.

        Args:
          key: a typed key.
          n: how many.
          y: `[n]` labels, for a conditional model.
        """
        return self._generate(key, n, y)

    def _in_units(self, x: Array) -> Array:
        units = self.description.units
        return x if units is None else units.of_data(x)

    def _stored(self, name: str, x: Any) -> Array:
        """Examples as they are stored, standardised if the data were."""
        support = getattr(self.model.likelihood, "support", Support.REAL)
        return examples(name, x, self.description, unit=support not in (Support.REAL, Support.COUNTS))

    def _labels(self, y: Any, n: int) -> Array | None:
        """Labels as the model takes them."""
        if not self.conditional:
            if y is not None:
                raise InputError("this model takes no labels; leave y out.")
            return None
        if y is None:
            raise InputError(f"this model takes labels; give y, {n} whole numbers below {self.classes}.")
        return labels(y, n, self.classes, self.description.class_names)

    @cached_property
    def _decode(self) -> Callable[[Array, Array | None], Array]:
        return jax.jit(jax.vmap(lambda z, y: self.model.decode_mean(self.params, z, y)))

    def _generate(self, key: Array, n: int, y: Array | None) -> Array:
        return _generated(self.recipe, key, self.params, n, y)


@partial(jax.jit, static_argnums=(0, 3, 6))
def _sampled(
    recipe: Recipe, key: Array, params: Params, n: int, y: Array | None, temperature: Array, observed: bool
) -> Array:
    model = recipe.model

    def one(key, y):
        key_code, key_x = jax.random.split(key)
        prior = model.latent_prior(params, y)
        mean = mean_of(prior)
        z = mean + temperature * (draw(prior, key_code) - mean)
        return draw(model.decode(params, z, y), key_x) if observed else model.decode_mean(params, z, y)

    return jax.vmap(one)(jax.random.split(key, n), y)


@partial(jax.jit, static_argnums=(0, 3))
def _generated(recipe: Recipe, key: Array, params: Params, n: int, y: Array | None) -> Array:
    return recipe.model.generate(key, params, n, y)
