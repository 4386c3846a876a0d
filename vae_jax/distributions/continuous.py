"""Distributions over latents: normal and mixture. Each is of one example."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax.distributions.base import LOG_2PI, Support, event, finite_exp, upcast
from vae_jax.distributions.kl import kl_normal, kl_standard_normal


class Normal(NamedTuple):
    """Normal with a diagonal covariance, N(mean, diag(exp(log_var))).

    log N(x) = −½ Σ [(x − mean)² / exp(log_var) + log_var + ln 2π]

    `log_var` means log σ² everywhere in this package, in the KL and in sampling alike; some tutorials mix log σ² and
    log σ.

    Attributes:
      mean: `[*shape]`, the shape of the event.
      log_var: log σ²; the same shape, or a scalar shared by all dimensions. Sampling needs it below 177, where σ
        overflows float32; densities need it above −6,000.
    """

    mean: Array
    log_var: Array

    support = Support.REAL

    @property
    def variance(self) -> Array:
        """σ² of each dimension, in the shape of the mean; finite for any log σ²."""
        return jnp.broadcast_to(finite_exp(self.log_var), jnp.shape(self.mean))

    def sample(self, key: Array) -> Array:
        """mean + exp(½ log_var)·ε, ε ~ N(0, I): differentiable in both parameters (Kingma & Welling 2014, eq. 4)."""
        mean, log_var = upcast(self.mean), upcast(self.log_var)
        noise = jax.random.normal(key, jnp.broadcast_shapes(mean.shape, log_var.shape), mean.dtype)
        return (mean + jnp.exp(0.5 * log_var) * noise).astype(jnp.result_type(self.mean, self.log_var))

    def log_prob(self, x: ArrayLike) -> Array:
        """log N(x) in nats, `[]`, summed over the event. ValueError if x has another shape or an integer dtype."""
        x, mean, log_var = event("Normal", x, self.mean, self.log_var)
        squares = jnp.square(x - mean) * finite_exp(-log_var)
        return -0.5 * jnp.sum(squares + log_var + LOG_2PI)

    def log_prob_per_dimension(self, x: ArrayLike) -> Array:
        """log N(x_j) of each dimension in nats; x and the parameters are broadcast together."""
        x, mean, log_var = (upcast(part) for part in (x, self.mean, self.log_var))
        return -0.5 * (jnp.square(x - mean) * jnp.exp(-log_var) + log_var + LOG_2PI)

    def kl_to(self, prior: Any, z: Array) -> Array | None:
        """KL of each dimension in nats, to N(0, I), which None means too, or a normal; None if not closed."""
        del z
        log_var = jnp.broadcast_to(self.log_var, jnp.shape(self.mean))
        if prior is None or isinstance(prior, StandardNormal):
            return kl_standard_normal(self.mean, log_var)
        if isinstance(prior, Normal):
            return kl_normal(self.mean, log_var, *(jnp.broadcast_to(part, log_var.shape) for part in prior))
        return None


@jax.tree_util.register_static
@dataclass(frozen=True)
class StandardNormal:
    """N(0, I) over `size` latents, the usual prior. It holds no arrays: to a compiled function it is static.

    Attributes:
      size: number of latents.
    """

    size: int

    @property
    def mean(self) -> Array:
        return jnp.zeros(self.size)

    def sample(self, key: Array) -> Array:
        """ε ~ N(0, I), `[size]`."""
        return jax.random.normal(key, (self.size,))

    def log_prob(self, x: ArrayLike) -> Array:
        """−½ Σ (x² + ln 2π) in nats, `[]`. ValueError if x has another shape or an integer dtype."""
        x, _ = event("StandardNormal", x, jnp.zeros(self.size))
        return -0.5 * jnp.sum(jnp.square(x) + LOG_2PI)

    def log_prob_per_dimension(self, x: ArrayLike) -> Array:
        """−½ (x_j² + ln 2π) of each dimension, in nats, of x's shape."""
        return -0.5 * (jnp.square(upcast(x)) + LOG_2PI)


class Mixture(NamedTuple):
    """A mixture of diagonal normals: log p(z) = log Σ_k π_k N(z; mean_k, e^log_var_k), π = softmax(logits).

    Attributes:
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
        """Draw a component, then a sample from it; not differentiable in the weights."""
        key_component, key_noise = jax.random.split(key)
        k = jax.random.categorical(key_component, upcast(self.logits))
        return Normal(self.means[k], self.log_vars[k]).sample(key_noise)

    def log_prob(self, x: ArrayLike) -> Array:
        """log p(x) in nats, `[]`, by log-sum-exp over the components."""
        of_each = jax.vmap(lambda mean, log_var: Normal(mean, log_var).log_prob(x))(self.means, self.log_vars)
        return jax.nn.logsumexp(jax.nn.log_softmax(upcast(self.logits)) + of_each)


def squared_error_of(log_likelihood: Array, log_var: Array, numbers: ArrayLike) -> Array:
    """The mean squared error that a normal's log-likelihood was made of, the inverse of Σ log N(x; μ, σ²).

    Args:
      log_likelihood: `[...]`, summed over the numbers of x.
      log_var: `[]`, log σ², the same for all of them.
      numbers: how many there are.

    Returns:
      Mean over the numbers of (x − μ)², `[...]`.
    """
    return (-2.0 * log_likelihood / numbers - LOG_2PI - log_var) * jnp.exp(log_var)
