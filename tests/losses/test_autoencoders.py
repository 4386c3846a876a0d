"""Codes without a posterior: what the sparse penalties add, and which code is decoded."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from codes import terms_by_hand

from vae_jax import Normal, losses
from vae_jax.distributions import Activations
from vae_jax.losses import Batch


def test_sparse_rate_is_scipys_entropy_and_zero_at_the_target():
    z = np.array([[0.1, 0.3], [0.3, 0.9]])
    expected = sum(scipy.stats.entropy([0.2, 0.8], [rate, 1 - rate]) for rate in z.mean(0))
    found = losses.sparse_rate(Batch(terms_by_hand([1.0, 3.0], np.ones((2, 2)), z)), weight=5.0, target=0.2)
    np.testing.assert_allclose(found, 2 + 5 * expected, rtol=1e-5)
    assert losses.sparse_rate(Batch(terms_by_hand([0.0], [[0.0]], [[0.2]])), weight=5.0, target=0.2) == pytest.approx(
        0, abs=1e-6
    )


def test_sparse_adds_the_codes_size(key):
    encode, decode = lambda x: x[:2] - 1, lambda z: Normal(jnp.concatenate([z, z]), jnp.zeros(4))
    x = jnp.array([0.5, 3.0, 0.0, 1.0])
    plain, terms = losses.autoencoder(jax.random.clone(key), x, encode, decode)
    sparse, _ = losses.sparse(key, x, encode, decode, weight=3.0)
    np.testing.assert_allclose(terms.z, [-0.5, 2.0])
    np.testing.assert_allclose(sparse - plain, 3 * 2.5, rtol=1e-6)


def test_autoencoder_takes_the_mean_of_a_distribution(key):
    decode = lambda z: Normal(z, jnp.zeros(2))
    x = jnp.array([0.5, 3.0])
    loss, _ = losses.autoencoder(key, x, lambda x: Normal(x, jnp.zeros(2)), decode)
    np.testing.assert_allclose(loss, np.log(2 * np.pi), rtol=1e-6)


@pytest.mark.parametrize("activation", [-100.0, -14.0, 0.0, 14.0, 100.0])
def test_a_unit_that_is_always_on_or_off_is_still_pulled_to_its_rate(activation):
    """d/dh KL(ρ ‖ σ(h)) = σ(h) − ρ, however far the unit has gone."""

    def penalty(h):
        q = Activations(h[None])
        return losses.sparse_rate(Batch(terms_by_hand([0.0], [[0.0]], q.mean)._replace(posterior=q)), target=0.05)

    expected = jax.nn.sigmoid(activation) - 0.05
    np.testing.assert_allclose(jax.grad(penalty)(jnp.array([activation])), [expected], rtol=1e-5)
    if abs(activation) < 15:  # codes alone, as far as float32 tells them from 0 and 1

        def of_codes(h):
            return losses.sparse_rate(Batch(terms_by_hand([0.0], [[0.0]], jax.nn.sigmoid(h)[None])), target=0.05)

        np.testing.assert_allclose(jax.grad(of_codes)(jnp.array([activation])), [expected], rtol=1e-4)


def test_rates_of_a_batch_are_the_mean_activation(key):
    h = 2 * jax.random.normal(key, (50, 3))
    terms = terms_by_hand(np.zeros(50), np.zeros((50, 3)), jax.nn.sigmoid(h))
    found = losses.sparse_rate(Batch(terms._replace(posterior=Activations(h))), target=0.2)
    np.testing.assert_allclose(found, losses.sparse_rate(Batch(terms), target=0.2), rtol=1e-5)


@pytest.mark.parametrize("name", ["autoencoder", "denoising", "sparse"])
def test_a_loss_of_points_computes_no_nan(key, name):
    with jax.debug_nans(True):
        loss, _ = getattr(losses, name)(
            key, jnp.ones(4), lambda x: x[:2], lambda z: Normal(jnp.tile(z, 2), jnp.zeros(4))
        )
    assert np.isfinite(loss)
