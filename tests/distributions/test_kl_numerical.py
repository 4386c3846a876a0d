"""The KL three ways, and one normal for two modes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.distributions import (
    Mixture,
    Normal,
    fit_forward_kl,
    fit_reverse_kl,
    kl_monte_carlo,
    kl_quadrature,
    kl_standard_normal,
)

GRID = jnp.linspace(-15, 15, 6001)
MODES = Mixture(jnp.log(jnp.array([0.6, 0.4])), jnp.array([[-4.0], [4.0]]), jnp.log(jnp.array([[1.0], [0.49]])))


def log_modes(z):
    return MODES.log_prob(z[None])


@pytest.mark.parametrize(("mean", "log_var"), [(0.0, 0.0), (1.0, -1.0), (-2.0, 0.7)])
def test_three_ways_to_one_kl(mean, log_var, key):
    q, p = Normal(jnp.array(mean), jnp.array(log_var)), Normal(jnp.array(0.0), jnp.array(0.0))
    exact = kl_standard_normal(mean, log_var)
    np.testing.assert_allclose(kl_quadrature(q.log_prob, p.log_prob, GRID), exact, atol=1e-5)
    estimate = kl_monte_carlo(key, q, p, 20_000)
    assert abs(estimate.value - exact) <= 3 * estimate.error + 1e-6


def test_monte_carlo_error_is_honest():
    """Over many keys, the estimates scatter as the standard error says."""
    q, p = Normal(jnp.ones(2), jnp.zeros(2)), Normal(jnp.zeros(2), jnp.zeros(2))
    found = jax.vmap(lambda key: kl_monte_carlo(key, q, p, 200))(jax.random.split(jax.random.key(0), 400))
    assert np.std(found.value) == pytest.approx(float(np.mean(found.error)), rel=0.1)


def test_forward_covers_and_reverse_seeks():
    forward = fit_forward_kl(log_modes, GRID)
    mean = 0.6 * -4 + 0.4 * 4
    variance = 0.6 * (1 + 16) + 0.4 * (0.49 + 16) - mean**2  # of the mixture: the forward fit matches moments
    assert forward.mean == pytest.approx(mean, abs=1e-3)
    assert jnp.exp(forward.log_var) == pytest.approx(variance, rel=1e-3)
    for start, mode, sigma, weight in ((-3.0, -4.0, 1.0, 0.6), (3.0, 4.0, 0.7, 0.4)):
        reverse = fit_reverse_kl(log_modes, GRID, Normal(jnp.array(start), jnp.array(0.0)))
        assert reverse.mean == pytest.approx(mode, abs=0.02)
        assert jnp.exp(0.5 * reverse.log_var) == pytest.approx(sigma, rel=0.02)
        assert kl_quadrature(reverse.log_prob, log_modes, GRID) == pytest.approx(-np.log(weight), abs=5e-3)
    assert kl_quadrature(log_modes, forward.log_prob, GRID) < kl_quadrature(log_modes, reverse.log_prob, GRID)


def test_forward_fit_is_the_minimum():
    best = fit_forward_kl(log_modes, GRID)
    least = kl_quadrature(log_modes, best.log_prob, GRID)
    for move in (0.05, -0.05):
        assert kl_quadrature(log_modes, Normal(best.mean + move, best.log_var).log_prob, GRID) > least
        assert kl_quadrature(log_modes, Normal(best.mean, best.log_var + move).log_prob, GRID) > least
