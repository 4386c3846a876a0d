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


LIKELIHOODS: dict[str, nn.Module] = {
    "bernoulli": BernoulliLikelihood(),
    "gaussian": GaussianLikelihood(),
    "gaussian-learned": LearnedGaussianLikelihood(),
}
