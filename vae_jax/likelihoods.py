"""What a decoder's numbers mean: the table of p(x|z) that `--likelihood` chooses from.

A likelihood is a small Flax module from the decoder's output `[..., channels·outputs]` to a distribution over
`[..., channels]`. To add one, write it here and enter it in `LIKELIHOODS`.
"""

import math
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from vae_jax.distributions import Bernoulli, Normal
from vae_jax.pixel_distributions import ContinuousBernoulli, DiscretizedLogistic, DiscretizedLogisticMixture


class BernoulliLikelihood(nn.Module):
    """Binary pixels from logits; the loss is the cross-entropy."""

    outputs: ClassVar[int] = 1

    @nn.compact
    def __call__(self, h: Array) -> Bernoulli:
        return Bernoulli(h)


class GaussianLikelihood(nn.Module):
    """Real pixels, N(h, scale²): squared error over 2·scale², with one fixed scale for all pixels.

    Attributes:
      scale: σ in units of x.
    """

    outputs: ClassVar[int] = 1
    scale: float = 1.0

    @nn.compact
    def __call__(self, h: Array) -> Normal:
        return Normal(h, jnp.full_like(h, 2.0 * math.log(self.scale)))


class LearnedGaussianLikelihood(nn.Module):
    """Real pixels, N(h, σ²) with one σ for all pixels, learned (σ-VAE: Rybkin et al. 2021)."""

    outputs: ClassVar[int] = 1

    @nn.compact
    def __call__(self, h: Array) -> Normal:
        log_var = self.param("log_var", nn.initializers.zeros, ())
        return Normal(h, jnp.broadcast_to(log_var, h.shape))


class PixelGaussianLikelihood(nn.Module):
    """Real pixels, N(μ, σ²) with μ **and** log σ² of every pixel from the decoder.

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


class ContinuousBernoulliLikelihood(nn.Module):
    """Grey pixels on [0, 1] from logits, properly normalised (Loaiza-Ganem & Cunningham 2019)."""

    outputs: ClassVar[int] = 1

    @nn.compact
    def __call__(self, h: Array) -> ContinuousBernoulli:
        return ContinuousBernoulli(h)


class DiscretizedLogisticLikelihood(nn.Module):
    """256 grey levels from a logistic with location and scale of every pixel from the decoder.

    A fresh decoder's zeros mean location ½ and scale e^−2, so that it starts sane. The scale has a floor of e^−7.
    """

    outputs: ClassVar[int] = 2

    @nn.compact
    def __call__(self, h: Array) -> DiscretizedLogistic:
        location, log_scale = jnp.split(h, 2, axis=-1)
        return DiscretizedLogistic(location + 0.5, jnp.maximum(log_scale - 2.0, -7.0))


class LogisticMixtureLikelihood(nn.Module):
    """256 grey levels from a mixture of five logistics of every pixel, at first spread over [0, 1]."""

    components: ClassVar[int] = 5
    outputs: ClassVar[int] = 3 * components

    @nn.compact
    def __call__(self, h: Array) -> DiscretizedLogisticMixture:
        logits, location, log_scale = jnp.moveaxis(h.reshape(*h.shape[:-1], -1, 3, self.components), -2, 0)
        spread = jnp.broadcast_to((jnp.arange(self.components) + 0.5) / self.components, location.shape)
        return DiscretizedLogisticMixture(logits, location + spread, jnp.maximum(log_scale - 2.0, -7.0))


LIKELIHOODS: dict[str, nn.Module] = {
    "bernoulli": BernoulliLikelihood(),
    "continuous-bernoulli": ContinuousBernoulliLikelihood(),
    "gaussian": GaussianLikelihood(),
    "gaussian-learned": LearnedGaussianLikelihood(),
    "gaussian-pixel": PixelGaussianLikelihood(),
    "logistic": DiscretizedLogisticLikelihood(),
    "logistic-mixture": LogisticMixtureLikelihood(),
}
