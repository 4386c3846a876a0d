"""Normal, point and mixture: densities against SciPy, samples against their moments, and the extremes of float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from jax.test_util import check_grads

from vae_jax.distributions import Delta, Mixture, Normal, StandardNormal


def test_normal_density_is_scipys(key):
    mean, log_var, x = jax.random.normal(key, (3, 7))
    expected = scipy.stats.norm.logpdf(x, mean, np.exp(0.5 * log_var)).sum()
    np.testing.assert_allclose(Normal(mean, log_var).log_prob(x), expected, rtol=1e-5)
    np.testing.assert_allclose(StandardNormal(7).log_prob(x), scipy.stats.norm.logpdf(x).sum(), rtol=1e-5)


@pytest.mark.parametrize("log_var", [-500.0, -88.8, -80.0, -30.0, 30.0, 80.0, 88.8, 500.0])
def test_normal_stays_finite_at_extreme_variances(log_var):
    value, slopes = jax.value_and_grad(lambda m, v: Normal(m, v).log_prob(0.5), (0, 1))(jnp.array(0.0), log_var)
    assert np.isfinite(value) and np.isfinite(slopes).all()
    if abs(log_var) <= 80:  # beyond, exp goes on as a straight line
        sigma = np.exp(np.float64(log_var) / 2)
        np.testing.assert_allclose(value, scipy.stats.norm.logpdf(0.5, 0, sigma), rtol=1e-5)


@pytest.mark.parametrize(
    "distribution",
    [Normal(jnp.array([1.0, -2.0]), jnp.array([0.5, -1.0])), StandardNormal(2)],
    ids=["normal", "standard"],
)
def test_samples_have_the_stated_mean(distribution, key):
    samples = jax.vmap(distribution.sample)(jax.random.split(key, 40_000))
    error = np.std(samples, axis=0) / 200
    np.testing.assert_array_less(np.abs(samples.mean(0) - distribution.mean), 4 * error)


def test_normal_samples_have_the_stated_variance_and_are_reparametrised(key):
    log_var = jnp.array([0.5, -1.0])
    samples = jax.vmap(Normal(jnp.zeros(2), log_var).sample)(jax.random.split(key, 40_000))
    np.testing.assert_allclose(np.var(samples, axis=0), np.exp(log_var), rtol=0.05)
    check_grads(lambda m, v: Normal(m, v).sample(jax.random.key(1)), (jnp.ones(2), log_var), 1, ["rev"])


def test_delta_is_a_point(key):
    delta = Delta(jnp.arange(3.0))
    np.testing.assert_array_equal(delta.sample(key), delta.mean)
    assert delta.log_prob(jnp.arange(3.0)) == 0
    assert delta.log_prob(jnp.ones(3)) == -jnp.inf


def test_mixture_density_is_scipys_and_samples_have_its_mean(key):
    mixture = Mixture(
        jnp.array([0.3, -1.0]), jnp.array([[0.0, 1.0], [2.0, -1.0]]), jnp.array([[0.0, -1.0], [0.5, 0.2]])
    )
    x, weights = np.array([0.5, 0.2]), scipy.special.softmax([0.3, -1.0])
    parts = [
        w * scipy.stats.norm.pdf(x, m, np.exp(v / 2)).prod()
        for w, m, v in zip(weights, mixture.means, mixture.log_vars, strict=True)
    ]
    np.testing.assert_allclose(mixture.log_prob(jnp.asarray(x)), np.log(sum(parts)), rtol=1e-5)
    samples = jax.vmap(mixture.sample)(jax.random.split(key, 40_000))
    np.testing.assert_allclose(samples.mean(0), mixture.mean, atol=0.03)


def test_a_variance_beyond_float32_has_a_finite_value_and_gradient():
    value, gradient = jax.value_and_grad(lambda log_var: Normal(jnp.zeros(()), log_var).variance)(jnp.float32(100))
    assert np.isfinite(value) and np.isfinite(gradient) and gradient > 0
