"""The negative ELBO against NumPyro, finite differences, and the rate under other priors and samples."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions
import pytest
from jax.test_util import check_grads

from vae_jax import Bernoulli, Normal, StandardNormal, losses


def test_negative_elbo_is_distortion_plus_beta_rate(key):
    x = jnp.array([1.0, 0.0, 1.0])
    encode = lambda x: Normal(x[:2], jnp.array([-1.0, 0.5]))
    decode = lambda z: Bernoulli(jnp.concatenate([z, z[:1]]))
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
        encode = lambda x: Normal(mean, log_var)
        decode = lambda z: Bernoulli(weights @ z)
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
    encode = lambda x: Normal(jnp.ones(2), jnp.zeros(2))
    decode = lambda z: Bernoulli(jnp.zeros(3))
    rates = [
        losses.negative_elbo(jax.random.clone(key), jnp.ones(3), encode, decode, prior=prior)[1].rate
        for prior in (None, StandardNormal(2), Normal(jnp.ones(2), jnp.zeros(2)))
    ]
    np.testing.assert_allclose(rates, [1.0, 1.0, 0.0], atol=1e-7)


def test_more_samples_lower_the_variance_of_the_elbo_not_its_mean(key):
    def value(num_samples, key):
        encode = lambda x: Normal(jnp.array([-0.3]), jnp.array([0.6]))
        decode = lambda z: Normal(z, jnp.zeros(1))
        return losses.negative_elbo(key, jnp.array([1.2]), encode, decode, num_samples=num_samples)[0]

    keys = jax.random.split(key, (2, 4000))
    one, ten = jax.vmap(partial(value, 1))(keys[0]), jax.vmap(partial(value, 10))(keys[1])
    assert abs(one.mean() - ten.mean()) < 4 * one.std() / np.sqrt(4000)
    assert 0.07 < ten.var() / one.var() < 0.14


def test_a_decoder_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="must be a distribution over x's shape"):
        losses.negative_elbo(
            jax.random.key(0),
            jnp.zeros((4, 4)),
            lambda x: Normal(jnp.zeros(2), jnp.zeros(2)),
            lambda z: Bernoulli(jnp.zeros(16)),
        )
