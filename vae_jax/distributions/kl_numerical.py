"""KL divergences without a closed form: by quadrature, by Monte Carlo, and minimised over a normal.

Densities are given as distributions, or as log-density functions of one number. Everything is in nats and depends only
on jax.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.optimize import minimize

from vae_jax.distributions.base import Distribution, draw
from vae_jax.distributions.continuous import Normal

LogDensity = Callable[[Array], Array]


class Estimate(NamedTuple):
    """A Monte Carlo estimate and its standard error.

    Attributes:
      value: the estimate, `[]`.
      error: its standard error, `[]`, in the same units.
    """

    value: Array
    error: Array


def kl_monte_carlo(key: Array, q: Distribution, p: Distribution, num_samples: int) -> Estimate:
    """KL(q ‖ p) = E_q[log q(z) − log p(z)], estimated by the mean over samples of q: unbiased.

    Args:
      key: a typed key.
      q: any distribution.
      p: another over the same space.
      num_samples: at least 2; the error falls as 1/√num_samples.

    Returns:
      The estimate and its standard error, in nats.

    Raises:
      ValueError: fewer than 2 samples.

    >>> p, q = Normal(jnp.zeros(1), jnp.zeros(1)), Normal(jnp.ones(1), jnp.zeros(1))
    >>> value, error = kl_monte_carlo(jax.random.key(0), q, p, 10_000)
    >>> bool(abs(value - 0.5) < 3 * error)
    True
    """

    if num_samples < 2:
        raise ValueError(f"num_samples must be at least 2; got {num_samples}: one sample has no error.")

    def one(key):
        z = draw(q, key)
        return jnp.sum(q.log_prob(z)) - jnp.sum(p.log_prob(z))

    ratios = jax.vmap(one)(jax.random.split(key, num_samples))
    return Estimate(ratios.mean(), ratios.std(ddof=1) / jnp.sqrt(num_samples))


def kl_quadrature(log_q: LogDensity, log_p: LogDensity, grid: Array) -> Array:
    """KL(q ‖ p) = ∫ q (log q − log p) of two densities on the line, summed over an even grid.

    Exact to rounding for smooth densities that vanish at the ends of the grid. Neither needs to be normalised: both are
    normalised on the grid.

    Args:
      log_q: one number -> log density, up to a constant.
      log_p: likewise.
      grid: `[points]`, evenly spaced, covering all the mass of q.

    Returns:
      The divergence in nats, `[]`.
    """
    log_q_grid, log_p_grid = _normalised(log_q, grid), _normalised(log_p, grid)
    terms = jnp.exp(log_q_grid) * (log_q_grid - log_p_grid)
    return jnp.sum(jnp.where(log_q_grid > -80, terms, 0.0)) * (grid[1] - grid[0])


def fit_forward_kl(log_p: LogDensity, grid: Array) -> Normal:
    """The normal q that minimises KL(p ‖ q): the one with p's mean and variance. It covers all modes.

    Args:
      log_p: the target, one number -> log density, up to a constant.
      grid: `[points]`, evenly spaced, covering all the mass of p.

    Reference: Bishop, *Pattern Recognition and Machine Learning*, 2006, section 10.7.
    """
    weights = jax.nn.softmax(jax.vmap(log_p)(grid))
    mean = jnp.sum(weights * grid)
    return Normal(mean, jnp.log(jnp.sum(weights * jnp.square(grid - mean))))


def fit_reverse_kl(log_p: LogDensity, grid: Array, start: Normal) -> Normal:
    """The normal q at the local minimum of KL(q ‖ p) reached from `start`: it fits one mode.

    Args:
      log_p: the target, one number -> log density, up to a constant.
      grid: `[points]`, evenly spaced, covering all the mass of p and of `start`.
      start: where BFGS starts; another start may find another mode.

    Reference: Bishop 2006, section 10.1.2, figure 10.3.
    """

    def divergence(parameters):
        mean, log_var = parameters
        return kl_quadrature(Normal(mean, log_var).log_prob, log_p, grid)

    result: Any = minimize(divergence, jnp.stack([start.mean, start.log_var]), method="BFGS")
    return Normal(*result.x)


def _normalised(log_density: LogDensity, grid: Array) -> Array:
    values = jax.vmap(log_density)(grid)
    return values - jax.nn.logsumexp(values) - jnp.log(grid[1] - grid[0])
