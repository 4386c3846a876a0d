"""The KL between normals against quadrature and NumPyro, down to rounding and out to the extremes."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import numpyro.distributions
import pytest
import scipy.integrate
import scipy.stats

from vae_jax.distributions import Normal, finite_exp, kl_normal, kl_standard_normal


@pytest.mark.parametrize(("mean", "log_var"), [(0.0, 0.0), (1.5, -1.0), (-0.3, 2.0), (4.0, 0.1)])
def test_kl_is_the_integral(mean, log_var):
    p, q = scipy.stats.norm(0.7, 1.3), scipy.stats.norm(mean, np.exp(log_var / 2))
    for prior, found in (
        (scipy.stats.norm(), kl_standard_normal(mean, log_var)),
        (p, kl_normal(mean, log_var, 0.7, 2 * np.log(1.3))),
    ):

        def integrand(z, prior=prior):
            return q.pdf(z) * (q.logpdf(z) - prior.logpdf(z))

        spread = 12 * q.std()
        expected, _ = scipy.integrate.quad(integrand, mean - spread, mean + spread)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_kl_is_numpyros(key):
    mean_q, log_var_q, mean_p, log_var_p = jax.random.normal(key, (4, 50))
    q = numpyro.distributions.Normal(mean_q, jnp.exp(0.5 * log_var_q))
    p = numpyro.distributions.Normal(mean_p, jnp.exp(0.5 * log_var_p))
    expected = numpyro.distributions.kl_divergence(q, p)
    np.testing.assert_allclose(kl_normal(mean_q, log_var_q, mean_p, log_var_p), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        kl_standard_normal(mean_q, log_var_q),
        kl_normal(mean_q, log_var_q, jnp.zeros(50), jnp.zeros(50)),
        rtol=1e-6,
    )


@pytest.mark.parametrize("log_var", [1e-8, -1e-6, 1e-4, -1e-4, 1e-2, 0.2, -0.3, 3.0, -20.0, 40.0, 80.0])
def test_kl_is_accurate_and_never_negative_near_zero(log_var):
    stored = float(np.float32(log_var))
    exact = 0.5 * (np.expm1(stored) - stored) if abs(stored) > 0.01 else stored**2 / 4 * (1 + stored / 3)
    found = kl_standard_normal(0.0, jnp.float32(log_var))
    np.testing.assert_allclose(found, exact, rtol=1e-5)
    assert found >= 0
    slope = jax.grad(kl_standard_normal, argnums=1)(0.0, jnp.float32(log_var))
    np.testing.assert_allclose(slope, 0.5 * np.expm1(stored), rtol=1e-4, atol=1e-30)


@pytest.mark.parametrize("log_var", [-500.0, -80.0, 80.0, 88.8, 500.0])
def test_kl_is_finite_at_extremes_and_pulls_back(log_var):
    value, slope = jax.value_and_grad(kl_standard_normal, argnums=1)(0.0, log_var)
    assert np.isfinite(value) and np.isfinite(slope)
    assert np.sign(slope) == np.sign(log_var)


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match=r"mean and log_var must have one shape; got \(20,\) and \(10,\)"):
        kl_standard_normal(jnp.zeros(20), jnp.zeros(10))


@pytest.mark.parametrize("x64", [False, True])
def test_the_divergence_is_mpmaths_to_a_few_units_in_the_last_place(x64):
    """Near 0 by a series, further out by expm1: on both sides of where they meet, in either precision."""
    mpmath.mp.dps = 40
    points = [-30.0, -1.0, -0.2517, -0.2499, -1e-3, 1e-6, 0.1, 0.2499, 0.2517, 1.0, 19.9, 20.1, 60.0]
    with jax.enable_x64(x64):
        dtype = jnp.float64 if x64 else jnp.float32
        log_var = jnp.asarray(points, dtype)
        found = kl_standard_normal(jnp.zeros_like(log_var), log_var)
        exact = [float((mpmath.expm1(mpmath.mpf(float(v))) - mpmath.mpf(float(v))) / 2) for v in log_var]
        np.testing.assert_allclose(found, exact, rtol=8 * float(jnp.finfo(dtype).eps))


def test_infinite_log_variances_are_not_nan():
    assert finite_exp(-jnp.inf) == 0 and Normal(jnp.zeros(()), -jnp.inf).variance == 0
    assert kl_standard_normal(0.0, -jnp.inf) == jnp.inf == kl_standard_normal(0.0, jnp.inf)


@pytest.mark.parametrize("log_var", [-89.0, -200.0])
def test_a_prior_that_is_far_too_narrow_leaves_value_and_gradient_finite(log_var):
    value, gradient = jax.value_and_grad(lambda p: kl_normal(jnp.zeros(2), jnp.zeros(2), jnp.ones(2), p).sum())(
        jnp.full(2, log_var)
    )
    assert np.isfinite(value) and np.isfinite(gradient).all()
