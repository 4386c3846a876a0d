"""Distributions over latents: normal, point, and mixture. Each is of one example."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax.distributions.base import LOG_2PI, Support, event, finite_exp, wide


class Normal(NamedTuple):
    """Normal with a diagonal covariance, N(mean, diag(exp(log_var))).

    log N(x) = −½ Σ [(x − mean)² / exp(log_var) + log_var + ln 2π]

    `log_var` is log σ² wherever it appears in this package, in the penalty and in the sampling alike: some tutorials
    mix log σ² and log σ.

    Args:
      mean: any shape, the event's.
      log_var: log σ²; the same shape, or a scalar shared by all dimensions. Samples need it below 177, where σ itself
        overflows float32, and densities above −6,000.
    """

    mean: Array
    log_var: Array

    support = Support.REAL

    @property
    def variance(self) -> Array:
        """σ² of each dimension, of the mean's shape; finite for any log σ²."""
        return jnp.broadcast_to(finite_exp(self.log_var), jnp.shape(self.mean))

    def sample(self, key: Array) -> Array:
        """mean + exp(½ log_var)·ε, ε ~ N(0, I): differentiable in both parameters (Kingma & Welling 2014, eq. 4)."""
        mean, log_var = wide(self.mean), wide(self.log_var)
        noise = jax.random.normal(key, jnp.broadcast_shapes(mean.shape, log_var.shape), mean.dtype)
        return (mean + jnp.exp(0.5 * log_var) * noise).astype(jnp.result_type(self.mean, self.log_var))

    def log_prob(self, x: ArrayLike) -> Array:
        """log N(x), a scalar in nats, summed over the event. ValueError: x of another shape, or of integers."""
        x, mean, log_var = event("Normal", x, self.mean, self.log_var)
        squares = jnp.square(x - mean) * finite_exp(-log_var)
        return -0.5 * jnp.sum(squares + log_var + LOG_2PI)


@jax.tree_util.register_static
@dataclass(frozen=True)
class StandardNormal:
    """N(0, I) over `size` latents: the usual prior. Holds no array: to a compiled function it is static."""

    size: int

    @property
    def mean(self) -> Array:
        return jnp.zeros(self.size)

    def sample(self, key: Array) -> Array:
        """ε ~ N(0, I), `[size]`."""
        return jax.random.normal(key, (self.size,))

    def log_prob(self, x: ArrayLike) -> Array:
        """−½ Σ (x² + ln 2π), a scalar in nats. ValueError: x of another shape, or of integers."""
        x, _ = event("StandardNormal", x, jnp.zeros(self.size))
        return -0.5 * jnp.sum(jnp.square(x) + LOG_2PI)


class Delta(NamedTuple):
    """All mass on one point: the code of a deterministic autoencoder. `log_prob` is 0 there and −inf elsewhere."""

    value: Array

    has_density = False

    @property
    def mean(self) -> Array:
        return self.value

    def sample(self, key: Array) -> Array:
        """The value itself; the key is not used."""
        del key
        return self.value

    def log_prob(self, x: ArrayLike) -> Array:
        """0 where x is the value, else −inf."""
        return jnp.where(jnp.all(x == self.value), 0.0, -jnp.inf)


class Mixture(NamedTuple):
    """A mixture of diagonal normals: log p(z) = log Σ_k π_k N(z; mean_k, e^log_var_k), π = softmax(logits).

    Args:
      logits: `[components]`, unnormalised log weights.
      means: `[components, size]`.
      log_vars: log σ², `[components, size]`.
    """

    logits: Array
    means: Array
    log_vars: Array

    reparametrised = False

    @property
    def mean(self) -> Array:
        """Σ_k π_k mean_k."""
        return jax.nn.softmax(self.logits) @ self.means

    def sample(self, key: Array) -> Array:
        """A component, then a draw from it; not differentiable in the weights."""
        key_component, key_noise = jax.random.split(key)
        k = jax.random.categorical(key_component, wide(self.logits))
        return Normal(self.means[k], self.log_vars[k]).sample(key_noise)

    def log_prob(self, x: ArrayLike) -> Array:
        """log p(x), a scalar in nats, by log-sum-exp over the components."""
        of_each = jax.vmap(lambda mean, log_var: Normal(mean, log_var).log_prob(x))(self.means, self.log_vars)
        return jax.nn.logsumexp(jax.nn.log_softmax(wide(self.logits)) + of_each)
