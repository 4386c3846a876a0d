"""Losses against closed forms, quadrature and NumPyro."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions
import pytest
import scipy.integrate
import scipy.stats
from jax.test_util import check_grads

from vae_jax import Bernoulli, Normal, StandardNormal, losses


@pytest.mark.parametrize(("mean", "log_var"), [(0.0, 0.0), (1.5, -1.0), (-0.3, 2.0), (4.0, 0.1)])
def test_kl_is_the_integral(mean, log_var):
    p, q = scipy.stats.norm(0.7, 1.3), scipy.stats.norm(mean, np.exp(log_var / 2))
    for prior, found in (
        (scipy.stats.norm(), losses.kl_standard_normal(mean, log_var)),
        (p, losses.kl_normal(mean, log_var, 0.7, 2 * np.log(1.3))),
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
    np.testing.assert_allclose(losses.kl_normal(mean_q, log_var_q, mean_p, log_var_p), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        losses.kl_standard_normal(mean_q, log_var_q),
        losses.kl_normal(mean_q, log_var_q, jnp.zeros(50), jnp.zeros(50)),
        rtol=1e-6,
    )


@pytest.mark.parametrize("log_var", [1e-8, -1e-6, 1e-4, -1e-4, 1e-2, 0.2, -0.3, 3.0, -20.0, 40.0, 80.0])
def test_kl_is_accurate_and_never_negative_near_zero(log_var):
    stored = float(np.float32(log_var))
    exact = 0.5 * (np.expm1(stored) - stored) if abs(stored) > 0.01 else stored**2 / 4 * (1 + stored / 3)
    found = losses.kl_standard_normal(0.0, jnp.float32(log_var))
    np.testing.assert_allclose(found, exact, rtol=1e-5)
    assert found >= 0
    slope = jax.grad(losses.kl_standard_normal, argnums=1)(0.0, jnp.float32(log_var))
    np.testing.assert_allclose(slope, 0.5 * np.expm1(stored), rtol=1e-4, atol=1e-30)


@pytest.mark.parametrize("log_var", [-500.0, -80.0, 80.0, 88.8, 500.0])
def test_kl_is_finite_at_extremes_and_pulls_back(log_var):
    value, slope = jax.value_and_grad(losses.kl_standard_normal, argnums=1)(0.0, log_var)
    assert np.isfinite(value) and np.isfinite(slope)
    assert np.sign(slope) == np.sign(log_var)


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match=r"mean and log_var must have one shape; got \(20,\) and \(10,\)"):
        losses.kl_standard_normal(jnp.zeros(20), jnp.zeros(10))
    with pytest.raises(ValueError, match="must be a distribution over x's shape"):
        losses.negative_elbo(
            jax.random.key(0),
            jnp.zeros((4, 4)),
            lambda x: Normal(jnp.zeros(2), jnp.zeros(2)),
            lambda z: Bernoulli(jnp.zeros(16)),
        )


def test_negative_elbo_is_distortion_plus_beta_rate(key):
    x = jnp.array([1.0, 0.0, 1.0])
    encode = lambda x: Normal(x[:2], jnp.array([-1.0, 0.5]))  # noqa: E731
    decode = lambda z: Bernoulli(jnp.concatenate([z, z[:1]]))  # noqa: E731
    loss, terms = losses.negative_elbo(jax.random.clone(key), x, encode, decode, beta=4.0)
    q = numpyro.distributions.Normal(x[:2], jnp.exp(0.5 * jnp.array([-1.0, 0.5])))
    z = encode(x).sample(key)
    rate = numpyro.distributions.kl_divergence(q, numpyro.distributions.Normal(0, 1)).sum()
    likelihood = numpyro.distributions.Bernoulli(logits=jnp.concatenate([z, z[:1]]))
    np.testing.assert_allclose(terms.rate, rate, rtol=1e-6)
    np.testing.assert_allclose(terms.distortion, -likelihood.log_prob(x).sum(), rtol=1e-5)
    np.testing.assert_allclose(loss, terms.distortion + 4 * rate, rtol=1e-6)
    np.testing.assert_array_equal(terms.z, z)


def test_gradients_agree_with_finite_differences(key):
    def loss(mean, log_var, weights):
        encode = lambda x: Normal(mean, log_var)  # noqa: E731
        decode = lambda z: Bernoulli(weights @ z)  # noqa: E731
        return losses.negative_elbo(key, jnp.array([1.0, 0.0, 0.3]), encode, decode, beta=2.0)[0]

    args = jnp.array([0.3, -0.5]), jnp.array([0.2, -1.0]), jnp.arange(6.0).reshape(3, 2) / 5
    with jax.debug_key_reuse(False):
        check_grads(loss, args, 1, ["rev"], rtol=1e-2)


@pytest.mark.parametrize("split", [True, False])
def test_distributions_of_other_libraries_give_an_unbiased_estimate(key, split):
    """NumPyro's KL is not used: log q − log p at z, per latent where the distribution gives it so."""
    mean = jnp.array([1.0, -1.0])

    def encode(x):
        q = numpyro.distributions.Normal(mean, 0.5)
        return q if split else q.to_event(1)

    def decode(z):
        return numpyro.distributions.Bernoulli(logits=jnp.zeros(3))

    def one(key):
        return losses.negative_elbo(key, jnp.ones(3), encode, decode)[1]

    terms = jax.vmap(one)(jax.random.split(key, 20_000))
    exact = losses.kl_standard_normal(mean, jnp.full(2, 2 * np.log(0.5))).sum()
    assert terms.kl.shape == (20_000, 2 if split else 1)
    assert abs(terms.rate.mean() - exact) < 4 * terms.rate.std() / np.sqrt(20_000)
    np.testing.assert_allclose(terms.distortion, 3 * np.log(2), rtol=1e-6)


def test_prior_moves_the_rate(key):
    encode = lambda x: Normal(jnp.ones(2), jnp.zeros(2))  # noqa: E731
    decode = lambda z: Bernoulli(jnp.zeros(3))  # noqa: E731
    rates = [
        losses.negative_elbo(jax.random.clone(key), jnp.ones(3), encode, decode, prior=prior)[1].rate
        for prior in (None, StandardNormal(2), Normal(jnp.ones(2), jnp.zeros(2)))
    ]
    np.testing.assert_allclose(rates, [1.0, 1.0, 0.0], atol=1e-7)
