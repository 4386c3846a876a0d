"""What a decoder's numbers mean: the table of p(x|z) that `--likelihood` chooses from.

A likelihood is a small Flax module from the decoder's output `[..., channels·outputs]` to a distribution over
`[..., channels]`. To add one, write a class with `@LIKELIHOODS.register`, here or in a new file of this folder.
"""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array

from vae_jax.distributions.base import Support
from vae_jax.distributions.continuous import Normal, squared_error_of
from vae_jax.distributions.counts import NegativeBinomial, Poisson
from vae_jax.distributions.pixels import (
    Bernoulli,
    ContinuousBernoulli,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
)
from vae_jax.models.part import Params, Part
from vae_jax.registry import Registry

Shape = tuple[int, ...]

SPEED = 20.0  # a learned σ or concentration moves this many times as far in a step as a weight of the networks
LIT = 1e-3  # probabilities of a mean image are clipped to LIT and 1 − LIT, as in Burda et al. 2016
SMALLEST = 1e-6  # floor for the variance of the data


class Likelihood(Part):
    """What every likelihood declares.

    Attributes:
      outputs: how many numbers it reads from the decoder per pixel and channel.
      support: the values of x that it is defined on.
      starts_at_data: whether training starts at the moments of the data by default, since for most data a decoder's
        output of 0 would be far from them.
    """

    outputs: ClassVar[int] = 1
    support: ClassVar[Support] = Support.REAL
    starts_at_data: ClassVar[bool] = False

    @nn.nowrap
    def numbers(self, shape: Shape) -> Shape:
        """The shape of the decoder's output that it reads, for examples of shape `shape`."""
        return (*shape[:-1], shape[-1] * self.outputs)

    @nn.nowrap
    def settings(self) -> dict[str, float]:
        """Its attributes that are numbers, as `started` set them; a stored model is rebuilt with them."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {n: v for n, v in values.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}

    @nn.nowrap
    def started(self, mean: np.ndarray, variance: np.ndarray) -> tuple["Likelihood", np.ndarray]:
        """The likelihood to train and the decoder's output that together have these moments.

        Args:
          mean: the mean of each number of x, `[*shape]`.
          variance: its variance, `[*shape]`.

        Returns:
          The likelihood and the output, which has x's shape with `outputs` numbers for each channel.
        """
        del variance
        return self, np.zeros(self.numbers(mean.shape))


LIKELIHOODS: Registry[Likelihood, []] = Registry("likelihood", "vae_jax.models", lambda name, kind: kind())


@LIKELIHOODS.register("bernoulli")
class BernoulliLikelihood(Likelihood):
    """Binary pixels from logits; the loss is the cross-entropy."""

    support: ClassVar[Support] = Support.BINARY

    @nn.compact
    def __call__(self, h: Array) -> Bernoulli:
        return Bernoulli(h)

    @nn.nowrap
    def started(self, mean: np.ndarray, variance: np.ndarray) -> tuple[Likelihood, np.ndarray]:
        return self, _logit(mean)


@LIKELIHOODS.register("gaussian")
class GaussianLikelihood(Likelihood):
    """Real pixels, N(h, scale²): squared error over 2·scale², with one fixed scale for all pixels.

    Attributes:
      scale: σ in units of x.
    """

    scale: float = 1.0

    @nn.compact
    def __call__(self, h: Array) -> Normal:
        return Normal(h, jnp.full_like(h, 2.0 * math.log(self.scale)))

    @nn.nowrap
    def started(self, mean: np.ndarray, variance: np.ndarray) -> tuple[Likelihood, np.ndarray]:
        return self, mean


@LIKELIHOODS.register("gaussian-learned")
class LearnedGaussianLikelihood(Likelihood):
    """Real pixels, N(h, σ²) with one σ for all pixels, learned (σ-VAE: Rybkin et al. 2021).

    Attributes:
      log_var: log σ² before training; by default σ = 1.
    """

    starts_at_data: ClassVar[bool] = True
    log_var: float = 0.0

    @nn.compact
    def __call__(self, h: Array) -> Normal:
        moved = self.param("log_var", nn.initializers.zeros, ())
        return Normal(h, jnp.broadcast_to(self.log_var + SPEED * moved, h.shape))

    @nn.nowrap
    def started(self, mean: np.ndarray, variance: np.ndarray) -> tuple[Likelihood, np.ndarray]:
        return LearnedGaussianLikelihood(math.log(max(variance.mean(), SMALLEST))), mean


@LIKELIHOODS.register("gaussian-optimal")
class OptimalGaussianLikelihood(Likelihood):
    """Real pixels, N(h, σ²) with the σ² that fits best: the mean squared error of the last training batches.

    No gradient trains it; it follows the batches, and is 1 before the first.

    Attributes:
      smallest_log_var: the floor of log σ²; by default σ = 0.01, two and a half of 255 grey levels.
      decay: of the moving average over updates, of which about 1/(1 − decay) count.

    Reference: Rybkin, Daniilidis & Levine, *Simple and effective VAE training with calibrated decoders*, 2021.
    """

    smallest_log_var: float = 2.0 * math.log(0.01)
    decay: float = 0.8

    @nn.compact
    def __call__(self, h: Array) -> Normal:
        start = {"squares": 0.0, "weight": 0.0, "numbers": float(h.size)}
        optimal = {name: self.variable("optimal", name, jnp.float32, first).value for name, first in start.items()}
        return Normal(h, jnp.broadcast_to(self.log_var(optimal), h.shape))

    @nn.nowrap
    def log_var(self, optimal: Mapping[str, Array]) -> Array:
        """log σ², `[]`, of what `learn` has kept."""
        known = optimal["weight"] > 0
        best = jnp.where(known, optimal["squares"] / jnp.where(known, optimal["weight"], 1.0), 1.0)
        return jnp.maximum(jnp.log(jnp.maximum(best, 1e-30)), self.smallest_log_var)

    @nn.nowrap
    def started(self, mean: np.ndarray, variance: np.ndarray) -> tuple[Likelihood, np.ndarray]:
        return self, mean

    @nn.nowrap
    def learn(self, variables: Params, terms: Any, key: Array, hyper: Mapping[str, Array]) -> Params:
        old = variables["optimal"]
        errors = squared_error_of(terms.log_likelihood, self.log_var(old), old["numbers"])
        mixed = {"squares": errors.mean(), "weight": jnp.ones(())}
        moved = {name: self.decay * old[name] + (1.0 - self.decay) * new for name, new in mixed.items()}
        return {**variables, "optimal": {**old, **moved}}


@LIKELIHOODS.register("gaussian-pixel")
class PixelGaussianLikelihood(Likelihood):
    """Real pixels, N(μ, σ²) with μ **and** log σ² from the decoder for every pixel.

    Attributes:
      smallest_log_var: a floor for log σ². Without one the likelihood has no maximum: where pixels are constant (the
        black border of MNIST) σ goes to 0. The default is σ = 0.01, two and a half of 255 grey levels.
    """

    outputs: ClassVar[int] = 2
    starts_at_data: ClassVar[bool] = True
    smallest_log_var: float = 2.0 * math.log(0.01)

    @nn.compact
    def __call__(self, h: Array) -> Normal:
        mean, log_var = jnp.split(h, 2, axis=-1)
        return Normal(mean, self.smallest_log_var + nn.softplus(log_var - self.smallest_log_var))

    @nn.nowrap
    def started(self, mean: np.ndarray, variance: np.ndarray) -> tuple[Likelihood, np.ndarray]:
        above = np.log(np.maximum(variance, SMALLEST)) - self.smallest_log_var
        output = self.smallest_log_var + np.log(np.expm1(np.maximum(above, 0.1)))  # the inverse of softplus
        return self, np.concatenate([mean, output], axis=-1)


@LIKELIHOODS.register("continuous-bernoulli")
class ContinuousBernoulliLikelihood(Likelihood):
    """Grey pixels on [0, 1] from logits, properly normalised (Loaiza-Ganem & Cunningham 2019)."""

    support: ClassVar[Support] = Support.UNIT_INTERVAL

    @nn.compact
    def __call__(self, h: Array) -> ContinuousBernoulli:
        return ContinuousBernoulli(h)

    @nn.nowrap
    def started(self, mean: np.ndarray, variance: np.ndarray) -> tuple[Likelihood, np.ndarray]:
        low, high = np.full(mean.shape, -1 / LIT), np.full(mean.shape, 1 / LIT)  # logits of means LIT and 1 − LIT
        for _ in range(40):  # the mean has no inverse in closed form
            middle = 0.5 * (low + high)
            above = np.asarray(ContinuousBernoulli(jnp.asarray(middle, jnp.float32)).mean) > mean
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return self, 0.5 * (low + high)


@LIKELIHOODS.register("logistic")
class DiscretizedLogisticLikelihood(Likelihood):
    """256 grey levels from a logistic, with location and scale from the decoder for every pixel.

    An output of 0, as at initialisation, means location ½ and scale e^−2. The scale has a floor of e^−7.
    """

    outputs: ClassVar[int] = 2
    support: ClassVar[Support] = Support.GREY_LEVELS

    @nn.compact
    def __call__(self, h: Array) -> DiscretizedLogistic:
        location, log_scale = jnp.split(h, 2, axis=-1)
        return DiscretizedLogistic(location + 0.5, jnp.maximum(log_scale - 2.0, -7.0))

    @nn.nowrap
    def started(self, mean: np.ndarray, variance: np.ndarray) -> tuple[Likelihood, np.ndarray]:
        log_scale = 0.5 * np.log(3.0 * np.maximum(variance, SMALLEST)) - math.log(math.pi)  # variance s²π²/3
        return self, np.concatenate([mean - 0.5, np.maximum(log_scale, -5.0) + 2.0], axis=-1)


@LIKELIHOODS.register("logistic-mixture")
class LogisticMixtureLikelihood(Likelihood):
    """256 grey levels from a mixture of five logistics for every pixel, initially spread over [0, 1]."""

    components: ClassVar[int] = 5
    outputs: ClassVar[int] = 3 * components
    support: ClassVar[Support] = Support.GREY_LEVELS

    @nn.compact
    def __call__(self, h: Array) -> DiscretizedLogisticMixture:
        logits, location, log_scale = jnp.moveaxis(h.reshape(*h.shape[:-1], -1, 3, self.components), -2, 0)
        spread = jnp.broadcast_to((jnp.arange(self.components) + 0.5) / self.components, location.shape)
        return DiscretizedLogisticMixture(logits, location + spread, jnp.maximum(log_scale - 2.0, -7.0))

    @nn.nowrap
    def started(self, mean: np.ndarray, variance: np.ndarray) -> tuple[Likelihood, np.ndarray]:
        mean, deviation = mean[..., None], np.sqrt(np.maximum(variance, SMALLEST))[..., None]
        apart = np.linspace(-1.0, 1.0, self.components)  # half of the variance lies between components, half inside
        spread = (np.arange(self.components) + 0.5) / self.components
        location = mean + deviation * apart - spread
        log_scale = np.broadcast_to(np.log(deviation * math.sqrt(1.5) / math.pi), location.shape)
        output = np.stack([np.zeros_like(location), location, np.maximum(log_scale, -5.0) + 2.0], axis=-2)
        return self, output.reshape(*variance.shape[:-1], -1)


class CountLikelihood(Likelihood):
    """Counts, from the logarithms of their means."""

    support: ClassVar[Support] = Support.COUNTS
    starts_at_data: ClassVar[bool] = True

    @nn.nowrap
    def started(self, mean: np.ndarray, variance: np.ndarray) -> tuple[Likelihood, np.ndarray]:
        return self, np.log(np.maximum(mean, LIT))


@LIKELIHOODS.register("poisson")
class PoissonLikelihood(CountLikelihood):
    """Counts, whose variance is their mean, from log rates."""

    @nn.compact
    def __call__(self, h: Array) -> Poisson:
        return Poisson(h)


@LIKELIHOODS.register("negative-binomial")
class NegativeBinomialLikelihood(CountLikelihood):
    """Counts, whose variance exceeds their mean, from log means; one concentration for each number of x, learned."""

    @nn.compact
    def __call__(self, h: Array) -> NegativeBinomial:
        moved = self.param("log_concentration", nn.initializers.zeros, h.shape)
        return NegativeBinomial(h, jnp.clip(SPEED * moved, -15.0, 15.0))


def _logit(mean: np.ndarray) -> np.ndarray:
    probability = np.clip(mean, LIT, 1.0 - LIT)
    return np.log(probability) - np.log1p(-probability)
