"""Distributions over counts 0, 1, 2, …: Poisson and negative binomial. Each is of one example."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from vae_jax.distributions.base import Support, event, finite_exp, upcast

LARGE = 1e5  # rates from here on are drawn as rounded normals


class Poisson(NamedTuple):
    """Independent counts with the given rates: log p(x) = Σ [x·ln λ − λ − ln x!].

    Computed from a deviance and the remainder of Stirling's formula (Loader 2000), so that no
    digits cancel: at counts of 10⁶ what is left is the rounding of ln λ to float32, up to 5e-3 nats.

    Attributes:
      log_rate: ln λ, `[*shape]`, the shape of the event.

    Reference: Loader, *Fast and accurate computation of binomial probabilities*, 2000.
    """

    log_rate: Array

    support = Support.COUNTS

    @property
    def mean(self) -> Array:
        """λ."""
        return finite_exp(self.log_rate)

    @property
    def variance(self) -> Array:
        """λ."""
        return self.mean

    def sample(self, key: Array) -> Array:
        """Counts in the dtype of `log_rate`; no gradient.

        Above a rate of 10⁵ they are rounded normal draws, which differ from a Poisson's by less than its skewness of
        0.003; JAX's own draws in float32 have a variance that is too small there.
        """
        rate = jnp.exp(jnp.minimum(upcast(self.log_rate), 20.0))  # e^20 fits into a 32-bit count
        key_small, key_large = jax.random.split(key)
        small = jax.random.poisson(key_small, jnp.minimum(rate, LARGE))
        normal = jnp.round(rate + jnp.sqrt(rate) * jax.random.normal(key_large, rate.shape, rate.dtype))
        return jnp.where(rate < LARGE, small, normal).astype(jnp.result_type(self.log_rate))

    def log_prob(self, x: ArrayLike) -> Array:
        """log p(x) in nats, `[]`; x holds counts as floats. ValueError if it has another shape or an integer dtype."""
        x, log_rate = event("Poisson", x, self.log_rate)
        return -jnp.sum(_deviance(x, _log(x) - log_rate, log_rate) + _remainder(x))


class NegativeBinomial(NamedTuple):
    """Counts whose variance exceeds their mean: Poisson counts whose rate is gamma distributed.

    log p(x) = Σ [ln Γ(x + r) − ln Γ(r) − ln x! + r·ln(r/(r + μ)) + x·ln(μ/(r + μ))],  variance μ + μ²/r

    Attributes:
      log_mean: ln μ, `[*shape]`, the shape of the event.
      log_concentration: ln r, the same shape or a scalar; from −15 to 30. As r grows, this becomes Poisson.

    Reference: Loader 2000, as `Poisson`; in this form (μ, r) it is what models of gene expression use (Lopez et al.,
    *Deep generative modeling for single-cell transcriptomics*, 2018, with θ for r).
    """

    log_mean: Array
    log_concentration: Array

    support = Support.COUNTS

    @property
    def mean(self) -> Array:
        """μ."""
        return jnp.broadcast_to(
            finite_exp(self.log_mean), jnp.broadcast_shapes(jnp.shape(self.log_mean), jnp.shape(self.log_concentration))
        )

    @property
    def variance(self) -> Array:
        """μ + μ²/r."""
        return self.mean + finite_exp(2.0 * self.log_mean - self.log_concentration)

    def sample(self, key: Array) -> Array:
        """Counts in the dtype of `log_mean`; no gradient."""
        key_rate, key_count = jax.random.split(key)
        log_mean, log_concentration = jnp.broadcast_arrays(upcast(self.log_mean), upcast(self.log_concentration))
        log_gamma = jax.random.loggamma(key_rate, jnp.exp(log_concentration), dtype=log_mean.dtype)
        counts = Poisson(log_mean + log_gamma - log_concentration).sample(key_count)
        return counts.astype(jnp.result_type(self.log_mean))

    def log_prob(self, x: ArrayLike) -> Array:
        """log p(x) in nats, `[]`; x holds counts as floats. ValueError if it has another shape or an integer dtype."""
        x, log_mean, log_r = event("NegativeBinomial", x, self.log_mean, self.log_concentration)
        r, log_sum = finite_exp(log_r), jnp.logaddexp(log_r, log_mean)
        log_n = jnp.log(r + x)
        gap = (finite_exp(log_mean) - x) / (r + x)
        close = jnp.abs(gap) < 0.5
        log_ratio = jnp.where(close, jnp.log1p(jnp.where(close, gap, 0.0)), log_sum - log_n)  # ln((r + μ)/(r + x))
        of_r = _deviance(r, log_ratio, log_r - log_ratio)
        of_x = _deviance(x, _log(x) - log_mean + log_ratio, log_mean - log_ratio)
        inside = _remainder(r + x) - _remainder(r) - _remainder(x)
        return jnp.sum(log_r - log_n + inside - of_r - of_x)


def _log(x: Array) -> Array:
    """ln x, and 0 at x = 0."""
    return jnp.log(jnp.where(x > 0, x, 1.0))


def _deviance(x: Array, log_ratio: Array, log_mean: Array) -> Array:
    """x·ln(x/μ) + μ − x, at least 0, given x, ln(x/μ) and ln μ; equal to μ at x = 0."""
    near = (jnp.abs(log_ratio) < 1.0) & (x > 0)
    small = jnp.where(near, log_ratio, 0.0)
    far = x * log_ratio + finite_exp(log_mean) - x
    return jnp.where(near, x * (jnp.expm1(-small) + small), jnp.where(x > 0, far, finite_exp(log_mean)))


def _remainder(x: Array) -> Array:
    """ln Γ(x + 1) − x·ln x + x, the remainder of Stirling's formula: about ½ ln 2πx; 0 at x = 0."""
    small = x < 16.0
    low = jnp.where(small, jnp.maximum(x, 1e-30), 1.0)
    high = jnp.where(small, 16.0, x)
    square = 1.0 / (high * high)
    series = (1.0 / 12.0 - square * (1.0 / 360.0 - square / 1260.0)) / high
    return jnp.where(
        small, lax.lgamma(low + 1.0) - low * jnp.log(low) + low, 0.5 * jnp.log(2.0 * jnp.pi * high) + series
    )
