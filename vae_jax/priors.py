"""Priors p(z): the table that `--prior` chooses from.

A prior is a Flax module, called with `encode` (x -> q(z|x), with the current parameters) and perhaps a label, that
returns a distribution over `[latent]`. To add one, write it here and enter it in `PRIORS`.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from vae_jax.distributions import Mixture, Normal, StandardNormal
from vae_jax.networks import Sizes

Encode = Callable[[Array], Any]


class StandardPrior(nn.Module):
    """N(0, I)."""

    latent: int

    @nn.compact
    def __call__(self, encode: Encode, y: Array | None = None) -> StandardNormal:
        return StandardNormal(self.latent)


class MixturePrior(nn.Module):
    """A learned mixture of diagonal normals; the KL becomes a one-sample estimate.

    Attributes:
      latent: dimensions.
      components: how many normals.
    """

    latent: int
    components: int = 20

    @nn.compact
    def __call__(self, encode: Encode, y: Array | None = None) -> Mixture:
        shape = (self.components, self.latent)
        return Mixture(
            self.param("logits", nn.initializers.zeros, (self.components,)),
            self.param("means", nn.initializers.normal(1.0), shape),
            self.param("log_vars", nn.initializers.zeros, shape),
        )


class VampPrior(nn.Module):
    """The mean of the posteriors of learned pseudo-inputs: (1/K) Σ_k q(z|u_k).

    Attributes:
      shape: of an example.
      components: K; the paper's is 500.

    Reference: Tomczak & Welling, *VAE with a VampPrior*, 2018, eq. 9.
    """

    shape: tuple[int, ...]
    components: int = 100

    @nn.compact
    def __call__(self, encode: Encode, y: Array | None = None) -> Mixture:
        inputs = self.param("inputs", nn.initializers.uniform(1.0), (self.components, *self.shape))
        posteriors = jax.vmap(encode)(jnp.clip(inputs, 0.0, 1.0))
        return Mixture(jnp.zeros(self.components), posteriors.mean, posteriors.log_var)


class LabelPrior(nn.Module):
    """A learned normal for each label, p(z|y) = N(mean_y, diag(exp(log_var_y))); it starts at N(0, I).

    Reference: Sohn, Lee & Yan, *Learning structured output representation*, 2015, eq. 4.
    """

    latent: int
    classes: int

    @nn.compact
    def __call__(self, encode: Encode, y: Array | None = None) -> Normal:
        if y is None:
            raise ValueError("the label-conditional prior needs a label y; got none. Use --loss cvae.")
        shape = (self.classes, self.latent)
        mean = self.param("mean", nn.initializers.zeros, shape)
        log_var = self.param("log_var", nn.initializers.zeros, shape)
        return Normal(mean[y], log_var[y])


PRIORS: dict[str, Callable[[Sizes], nn.Module]] = {
    "normal": lambda sizes: StandardPrior(sizes.latent),
    "mixture": lambda sizes: MixturePrior(sizes.latent),
    "vamp": lambda sizes: VampPrior(sizes.shape),
    "label": lambda sizes: LabelPrior(sizes.latent, sizes.classes),
}
