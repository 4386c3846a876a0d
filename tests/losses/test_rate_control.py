"""Capacity and free bits, by hand."""

import jax
import numpy as np
from codes import terms_by_hand

from vae_jax import losses
from vae_jax.losses import Batch


def test_capacity_is_the_distortion_at_its_target():
    terms = terms_by_hand([80.0, 90.0], [[10.0, 15.0], [20.0, 5.0]])
    assert losses.capacity(Batch(terms), gamma=1e4, capacity=25.0) == 85
    for capacity in (23.0, 27.0):
        assert losses.capacity(Batch(terms), gamma=10.0, capacity=capacity) == 105


def test_free_bits_is_the_elbo_above_the_floor_and_the_floor_below():
    terms = terms_by_hand([1.0, 3.0], [[0.5, 0.01], [0.7, 0.03]])
    np.testing.assert_allclose(losses.free_bits(Batch(terms), free_nats=0.0), 2 + 0.6 + 0.02, rtol=1e-6)
    np.testing.assert_allclose(losses.free_bits(Batch(terms), free_nats=0.1), 2 + 0.6 + 0.1, rtol=1e-6)
    slope = jax.grad(lambda kl: losses.free_bits(Batch(terms._replace(kl=kl)), free_nats=0.1))(terms.kl)
    np.testing.assert_allclose(slope, [[0.5, 0], [0.5, 0]])


def test_the_floor_counts_latents_where_the_kl_does_not_split():
    """A mixture or a VampPrior for p(z) gives one number for all latents: 3 × 0.1 nats, not 0.1, are free."""
    terms = terms_by_hand([1.0, 3.0], [[0.1], [0.3]], np.zeros((2, 3)))
    np.testing.assert_allclose(losses.free_bits(Batch(terms), free_nats=0.1), 2 + 0.3, rtol=1e-6)
    np.testing.assert_allclose(losses.free_bits(Batch(terms), free_nats=0.05), 2 + 0.2, rtol=1e-6)
