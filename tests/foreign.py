"""Distributions by the conventions of other libraries: mean and variance as methods, the key as `seed=`."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array


@jax.tree_util.register_dataclass
@dataclass
class DistraxNormal:
    """A normal as distrax and TFP have it: a value per dimension, and no event."""

    loc: Array
    scale: Array

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return jnp.broadcast_shapes(self.loc.shape, self.scale.shape)

    @property
    def event_shape(self) -> tuple[int, ...]:
        return ()

    def mean(self) -> Array:
        return jnp.broadcast_to(self.loc, self.batch_shape)

    def variance(self) -> Array:
        return jnp.broadcast_to(jnp.square(self.scale), self.batch_shape)

    def sample(self, *, seed: Array) -> Array:
        return self.loc + self.scale * jax.random.normal(seed, self.batch_shape)

    def log_prob(self, value: Array) -> Array:
        return -0.5 * jnp.square((value - self.loc) / self.scale) - jnp.log(self.scale) - 0.5 * jnp.log(2 * jnp.pi)


@jax.tree_util.register_dataclass
@dataclass
class DistraxBernoulli:
    """A Bernoulli of logits in the same manner."""

    logits: Array

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return self.logits.shape

    @property
    def event_shape(self) -> tuple[int, ...]:
        return ()

    def mean(self) -> Array:
        return jax.nn.sigmoid(self.logits)

    def sample(self, *, seed: Array) -> Array:
        return jax.random.bernoulli(seed, self.mean()).astype(jnp.float32)

    def log_prob(self, value: Array) -> Array:
        return value * self.logits - jax.nn.softplus(self.logits)
