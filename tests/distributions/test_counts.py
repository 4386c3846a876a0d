"""Poisson and negative binomial: against SciPy and mpmath, where counts are large and where dispersion vanishes."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.stats

from vae_jax import NegativeBinomial, Poisson

COUNTS = np.array([0.0, 1.0, 2.0, 7.0, 15.0, 16.0, 100.0, 12345.0, 2.0**20])


def of_each(distribution, x):
    """log p of each number alone, in float32."""
    return jax.vmap(lambda distribution, x: distribution.log_prob(x))(distribution, jnp.asarray(x, jnp.float32))


@pytest.mark.parametrize("shift", [-3.0, -0.01, 0.0, 0.5, 4.0])
def test_poisson_is_scipys(shift):
    log_rate = np.log(COUNTS + 0.5).astype(np.float32) + np.float32(shift)
    found = of_each(Poisson(jnp.asarray(log_rate)), COUNTS)
    expected = scipy.stats.poisson.logpmf(COUNTS, np.exp(log_rate.astype(np.float64)))
    # What the rounding of ln λ itself changes: it grows with the distance of the count from the rate.
    given = 3e-7 * np.abs(COUNTS - np.exp(log_rate.astype(np.float64))) * np.maximum(np.abs(log_rate), 1)
    assert (np.abs(found - expected) <= 2e-5 * (1 + np.abs(expected)) + given).all()


@pytest.mark.parametrize("log_r", [-8.0, -1.0, 0.0, 2.0, 5.0, 10.0, 20.0])
@pytest.mark.parametrize("shift", [-2.0, -0.01, 0.0, 1.0])
def test_negative_binomial_is_mpmaths(log_r, shift):
    log_mean = np.log(COUNTS + 0.5).astype(np.float32) + np.float32(shift)
    found = of_each(NegativeBinomial(jnp.asarray(log_mean), jnp.full(len(COUNTS), log_r)), COUNTS)

    def exact(x, log_mean):
        with mpmath.workdps(50):
            x, mean, r = mpmath.mpf(float(x)), mpmath.exp(float(log_mean)), mpmath.exp(log_r)
            inside = mpmath.loggamma(x + r) - mpmath.loggamma(r) - mpmath.loggamma(x + 1)
            return float(inside + r * mpmath.log(r / (r + mean)) + x * mpmath.log(mean / (r + mean)))

    expected = np.array([exact(x, mean) for x, mean in zip(COUNTS, log_mean, strict=True)])
    mean, r = np.exp(log_mean.astype(np.float64)), np.exp(log_r)
    given = 3e-7 * np.abs(COUNTS - mean) * r / (r + mean) * np.maximum(np.abs(log_mean), max(1, abs(log_r)))
    assert (np.abs(found - expected) <= 3e-5 * (1 + np.abs(expected)) + given).all()


def test_without_dispersion_it_is_poisson():
    log_mean = jnp.log(jnp.asarray(COUNTS + 0.5, jnp.float32))
    one, other = (
        of_each(NegativeBinomial(log_mean, jnp.full(len(COUNTS), 30.0)), COUNTS),
        of_each(Poisson(log_mean), COUNTS),
    )
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("log_r", [-1.0, 3.0])
def test_it_sums_to_one(log_r):
    x = np.arange(0, 3000.0)
    for distribution in (Poisson(jnp.full(3000, 2.0)), NegativeBinomial(jnp.full(3000, 2.0), jnp.full(3000, log_r))):
        assert np.exp(np.asarray(of_each(distribution, x), np.float64)).sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("log_mean", [-1e4, -80.0, 0.0, 60.0, 85.0, 1e3])
@pytest.mark.parametrize("x", [0.0, 3.0, 1e6])
@pytest.mark.parametrize("log_r", [-15.0, 0.0, 15.0])
def test_loss_and_gradient_are_finite_at_extremes(log_mean, log_r, x):
    value, gradient = loss_of_counts(jnp.float32(log_mean), jnp.float32(log_r), x)
    assert np.isfinite(value) and np.isfinite(gradient).all(), (value, gradient)


@jax.jit
def loss_of_counts(log_mean, log_r, x):
    loss = lambda log_mean, log_r: -NegativeBinomial(log_mean, log_r).log_prob(x) - Poisson(log_mean).log_prob(x)
    return jax.value_and_grad(loss, (0, 1))(log_mean, log_r)


def test_the_gradient_is_the_mean_less_the_count():
    """d log p/d ln μ: x − λ of a Poisson, and r(x − μ)/(r + μ) with dispersion."""
    x, log_mean, log_r = 9.0, jnp.float32(1.5), jnp.float32(0.7)
    assert jax.grad(lambda m: Poisson(m).log_prob(x))(log_mean) == pytest.approx(x - np.exp(1.5), rel=1e-5)
    r, mean = np.exp(0.7), np.exp(1.5)
    found = jax.grad(lambda m: NegativeBinomial(m, log_r).log_prob(x))(log_mean)
    assert found == pytest.approx(r * (x - mean) / (r + mean), rel=1e-5)


def test_samples_have_its_mean_and_variance(key):
    n = 20_000
    key_poisson, key_binomial = jax.random.split(key)
    for distribution, key in (
        (Poisson(jnp.full(n, 1.2)), key_poisson),
        (NegativeBinomial(jnp.full(n, 1.2), jnp.full(n, 0.5)), key_binomial),
    ):
        x = np.asarray(distribution.sample(key))
        assert (x == np.round(x)).all() and x.min() >= 0
        mean, variance = float(distribution.mean[0]), float(distribution.variance[0])
        assert x.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / n))
        assert x.var() == pytest.approx(variance, rel=0.1)


def test_integers_and_other_shapes_are_refused():
    with pytest.raises(ValueError, match="expected floats"):
        Poisson(jnp.zeros(3)).log_prob(jnp.zeros(3, jnp.int32))
    with pytest.raises(ValueError, match="one example"):
        NegativeBinomial(jnp.zeros(3), jnp.zeros(())).log_prob(jnp.zeros((2, 3)))


@pytest.mark.parametrize("log_rate", [9.0, 11.4, 11.6, 13.0, 16.0, 18.0])
def test_samples_of_large_rates_have_their_mean_and_variance(log_rate, key):
    n = 40_000
    x = np.asarray(Poisson(jnp.full(n, log_rate)).sample(key), np.float64)
    rate = float(Poisson(jnp.float32(log_rate)).mean)
    assert x.mean() == pytest.approx(rate, abs=5 * np.sqrt(rate / n))
    assert x.var() == pytest.approx(rate, abs=5 * rate * np.sqrt(2 / n))
