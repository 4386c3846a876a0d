"""What a decoder's numbers mean: the table of p(x|z) that `--likelihood` chooses from.

A likelihood is a small Flax module from the decoder's output `[..., channels·outputs]` to a distribution over
`[..., channels]`. A new one is a class with `@register`, here or in a new file of this folder.
"""

import math
from collections.abc import Callable
from typing import ClassVar, TypeVar

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from vae_jax.distributions.base import Support
from vae_jax.distributions.continuous import Normal
from vae_jax.distributions.pixels import (
    Bernoulli,
    ContinuousBernoulli,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
)
from vae_jax.table import Table


class Likelihood(nn.Module):
    """What every likelihood declares.

    Attributes:
      outputs: numbers that it takes from the decoder per pixel and channel.
      support: the values of x that it gives probability to.
    """

    outputs: ClassVar[int] = 1
    support: ClassVar[Support] = Support.REAL


KindT = TypeVar("KindT", bound=Likelihood)
LIKELIHOODS: Table[Likelihood] = Table("likelihood", "vae_jax.models")


def register(name: str) -> Callable[[type[KindT]], type[KindT]]:
    """Register the decorated class in `LIKELIHOODS`, with its defaults."""

    def enter(kind: type[KindT]) -> type[KindT]:
        LIKELIHOODS.add(name, kind())
        return kind

    return enter


@register("bernoulli")
class BernoulliLikelihood(Likelihood):
    """Binary pixels from logits; the loss is the cross-entropy."""

    support: ClassVar[Support] = Support.BINARY

    @nn.compact
    def __call__(self, h: Array) -> Bernoulli:
        return Bernoulli(h)


@register("gaussian")
class GaussianLikelihood(Likelihood):
    """Real pixels, N(h, scale²): squared error over 2·scale², with one fixed scale for all pixels.

    Attributes:
      scale: σ in units of x.
    """

    scale: float = 1.0

    @nn.compact
    def __call__(self, h: Array) -> Normal:
        return Normal(h, jnp.full_like(h, 2.0 * math.log(self.scale)))


@register("gaussian-learned")
class LearnedGaussianLikelihood(Likelihood):
    """Real pixels, N(h, σ²) with one σ for all pixels, learned (σ-VAE: Rybkin et al. 2021)."""

    @nn.compact
    def __call__(self, h: Array) -> Normal:
        log_var = self.param("log_var", nn.initializers.zeros, ())
        return Normal(h, jnp.broadcast_to(log_var, h.shape))


@register("gaussian-pixel")
class PixelGaussianLikelihood(Likelihood):
    """Real pixels, N(μ, σ²) with μ **and** log σ² from the decoder for every pixel.

    Attributes:
      smallest_log_var: a floor for log σ². Without one the likelihood has no maximum: where pixels are constant (the
        black border of MNIST) σ goes to 0. The default is σ = 0.01, two and a half of 255 grey levels.
    """

    outputs: ClassVar[int] = 2
    smallest_log_var: float = 2.0 * math.log(0.01)

    @nn.compact
    def __call__(self, h: Array) -> Normal:
        mean, log_var = jnp.split(h, 2, axis=-1)
        return Normal(mean, self.smallest_log_var + nn.softplus(log_var - self.smallest_log_var))


@register("continuous-bernoulli")
class ContinuousBernoulliLikelihood(Likelihood):
    """Grey pixels on [0, 1] from logits, properly normalised (Loaiza-Ganem & Cunningham 2019)."""

    support: ClassVar[Support] = Support.UNIT_INTERVAL

    @nn.compact
    def __call__(self, h: Array) -> ContinuousBernoulli:
        return ContinuousBernoulli(h)


@register("logistic")
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


@register("logistic-mixture")
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
