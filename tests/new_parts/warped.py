"""A posterior: a normal whose draws are bent by a learned amount, so that it knows log q best while it draws."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from vae_jax.distributions import Normal
from vae_jax.models import POSTERIORS, Posterior


class Warped(NamedTuple):
    """z = e + w·tanh(e) with e normal and |w| < ½."""

    base: Normal
    warp: Array

    @property
    def mean(self) -> Array:
        return self._bent(self.base.mean)

    def sample(self, key: Array) -> Array:
        return self._bent(self.base.sample(key))

    def sample_and_log_prob(self, key: Array) -> tuple[Array, Array]:
        e = self.base.sample(key)
        return self._bent(e), self._log_prob(e)

    def log_prob(self, z: Array) -> Array:
        e = z
        for _ in range(40):
            e = z - self.warp * jnp.tanh(e)
        return self._log_prob(e)

    def _bent(self, e: Array) -> Array:
        return e + self.warp * jnp.tanh(e)

    def _log_prob(self, e: Array) -> Array:
        return self.base.log_prob(e) - jnp.sum(jnp.log1p(self.warp * (1.0 - jnp.square(jnp.tanh(e)))))


@POSTERIORS.register("warped")
class WarpedPosterior(Posterior):
    """A normal, bent."""

    @nn.compact
    def __call__(self, h, prior):
        warp = self.param("warp", nn.initializers.zeros, (self.latent,))
        return Warped(Normal(*jnp.split(h, 2)), 0.5 * jax.nn.soft_sign(warp))
