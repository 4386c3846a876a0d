"""The codes of a model on a whole grid of factors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.data import Factors
from vae_jax.errors import InputError
from vae_jax.evaluation.metrics import represent
from vae_jax.losses import LOSSES
from vae_jax.models import VAE, DenseDecoder, DenseEncoder
from vae_jax.training import Recipe


def test_codes_of_a_model_are_those_of_its_encoder(key):
    """On a grid with two images of each combination, of which either may stand for it."""
    model = VAE(DenseEncoder(2, (8,)), DenseDecoder((4, 4, 1), (8,)))
    recipe = Recipe(model=model)
    params = model.init(jax.random.clone(key), jnp.zeros((4, 4, 1)))
    x = np.asarray(255 * jax.random.bernoulli(key, 0.5, (12, 4, 4, 1)), np.uint8)
    found = represent(recipe, params, Factors(("a", "b"), (3, 2), lambda start, stop: x[start:stop], copies=2))
    expected = jax.vmap(lambda x: model.encode(params, x))(x / np.float32(255))
    np.testing.assert_allclose(found.posterior.mean, expected.mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.posterior.log_var, expected.log_var, rtol=1e-4, atol=1e-5)
    wanted = np.array([[0, 1]] * 20 + [[2, 0]] * 20)
    codes = np.asarray(expected.mean).reshape(6, 2, 2)
    drawn = found.codes(wanted)
    np.testing.assert_array_equal(drawn, found.codes(wanted))
    for rows, place in ((slice(0, 20), 1), (slice(20, 40), 4)):
        of_copies = np.abs(drawn[rows, None] - codes[place][None]).max(axis=-1) < 1e-4
        assert of_copies.any(axis=1).all() and of_copies.any(axis=0).all()


def test_labels_are_not_for_scores(key):
    recipe = Recipe(model=VAE(DenseEncoder(2), DenseDecoder((4, 4, 1))), loss=LOSSES["cvae"])
    with pytest.raises(InputError, match="scores need codes of images alone"):
        represent(recipe, {}, Factors(("a",), (2,), lambda start, stop: np.zeros((2, 4, 4, 1))))
