"""Our losses on other libraries' models and distributions, as their users would write them."""

from functools import partial

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import optax
import pytest
from flax import nnx

from vae_jax import Bernoulli, Normal, losses

X = jnp.tile(jnp.round(jax.random.uniform(jax.random.key(9), (32, 1))), (1, 6))  # all ones or all zeros


def train(params, loss, key):
    """Losses before and after 200 steps; `loss(params, key, x)` is one example's."""
    optimizer = optax.adam(1e-2)

    def mean(params, key):
        return jax.vmap(loss, (None, 0, 0))(params, jax.random.split(key, len(X)), X).mean()

    def step(carry, key):
        params, state = carry
        value, grads = jax.value_and_grad(mean)(params, key)
        updates, state = optimizer.update(grads, state)
        return (optax.apply_updates(params, updates), state), value

    values = jax.lax.scan(step, (params, optimizer.init(params)), jax.random.split(key, 200))[1]
    return values[:10].mean(), values[-10:].mean()


def equinox_loss():
    encoder = eqx.nn.MLP(6, 4, 16, 1, key=jax.random.key(0))
    decoder = eqx.nn.MLP(2, 6, 16, 1, key=jax.random.key(1))
    params, static = eqx.partition((encoder, decoder), eqx.is_inexact_array)

    def loss(params, key, x):
        encoder, decoder = eqx.combine(params, static)
        encode = lambda x: Normal(*jnp.split(encoder(x), 2))
        return losses.negative_elbo(key, x, encode, lambda z: Bernoulli(decoder(z)))[0]

    return params, loss


def nnx_loss():
    encoder = nnx.Linear(6, 4, rngs=nnx.Rngs(0))
    decoder = nnx.Linear(2, 6, rngs=nnx.Rngs(1))
    graph, params = nnx.split((encoder, decoder))

    def loss(params, key, x):
        encoder, decoder = nnx.merge(graph, params)
        encode = lambda x: Normal(*jnp.split(encoder(x), 2))
        return losses.importance_weighted(
            key, x, encode, lambda z: Bernoulli(decoder(z)), num_samples=4, estimator="dreg"
        )[0]

    return params, loss


def haiku_loss():
    encoder = hk.without_apply_rng(hk.transform(lambda x: hk.nets.MLP([16, 4])(x)))
    decoder = hk.without_apply_rng(hk.transform(lambda z: hk.nets.MLP([16, 6])(z)))
    params = encoder.init(jax.random.key(0), X[0]), decoder.init(jax.random.key(1), jnp.zeros(2))

    def loss(params, key, x):
        encode = lambda x: Normal(*jnp.split(encoder.apply(params[0], x), 2))
        return losses.negative_elbo(key, x, encode, lambda z: Bernoulli(decoder.apply(params[1], z)))[0]

    return params, loss


def numpyro_loss():
    """A Linen model with NumPyro's distributions for q, p(x|z) and the prior."""
    encoder, decoder = nn.Dense(4), nn.Dense(6)
    params = encoder.init(jax.random.key(0), X[0]), decoder.init(jax.random.key(1), jnp.zeros(2))

    def loss(params, key, x):
        def encode(x):
            mean, log_scale = jnp.split(encoder.apply(params[0], x), 2)
            return dist.Normal(mean, jnp.exp(log_scale)).to_event(1)

        decode = lambda z: dist.Bernoulli(logits=decoder.apply(params[1], z)).to_event(1)
        prior = dist.StudentT(jnp.full(2, 5.0)).to_event(1)
        return losses.importance_weighted(key, x, encode, decode, num_samples=4, estimator="stl", prior=prior)[0]

    return params, loss


@pytest.mark.parametrize("framework", [equinox_loss, nnx_loss, haiku_loss, numpyro_loss])
def test_a_model_of_another_library_trains(framework, key):
    with jax.debug_key_reuse(False):  # their initialisers reuse keys
        before, after = train(*framework(), key)
    assert np.isfinite(after) and after < before - 0.3


@pytest.mark.parametrize("event", [True, False])
def test_values_with_numpyros_distributions_are_those_with_ours(event, key):
    weights, mean, log_var = jnp.arange(12.0).reshape(6, 2) / 10, jnp.array([0.5, -0.2]), jnp.array([-1.0, 0.3])
    wrap = (lambda d: d.to_event(1)) if event else (lambda d: d)
    ours = (lambda x: Normal(mean, log_var)), (lambda z: Bernoulli(weights @ z))
    theirs = (
        lambda x: wrap(dist.Normal(mean, jnp.exp(0.5 * log_var))),
        lambda z: wrap(dist.Bernoulli(logits=weights @ z)),
    )
    for estimator in losses.importance_weighted, partial(losses.importance_weighted, estimator="dreg"):
        found = [
            estimator(jax.random.clone(key), X[0], encode, decode, num_samples=3)[0]
            for encode, decode in (ours, theirs)
        ]
        np.testing.assert_allclose(*found, rtol=1e-5)


def test_any_object_with_sample_and_log_prob_will_do(key):
    class Laplace:
        def __init__(self, location):
            self.location = location

        def sample(self, key):
            return self.location + jax.random.laplace(key, (2,))

        def log_prob(self, z):
            return -jnp.sum(jnp.abs(z - self.location) + jnp.log(2.0))

    value, terms = losses.negative_elbo(key, X[0], lambda x: Laplace(x[:2]), lambda z: Bernoulli(jnp.tile(z, 3)))
    assert np.isfinite(value) and terms.kl.shape == (1,)
