"""What the four parts do together."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from recipes import CLASSES, DATA, recipe_of

from vae_jax import training
from vae_jax.models import LIKELIHOODS, PRIORS, VAE, DenseDecoder, DenseEncoder
from vae_jax.training import hyperparameters


def test_generate_draws_the_same_codes_from_the_same_key(key):
    model = VAE(DenseEncoder(2, (8,)), DenseDecoder((4, 4, 1), (8,)))
    params = model.init(key, jnp.zeros((4, 4, 1)))
    images = [model.generate(jax.random.key(seed), params, 6) for seed in (1, 1, 2)]
    assert images[0].shape == (6, 4, 4, 1)
    assert np.min(images[0]) >= 0 and np.max(images[0]) <= 1
    np.testing.assert_array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])
    with pytest.raises(ValueError, match="one label for each"):
        model.generate(jax.random.key(1), params, 6, jnp.zeros(5, jnp.int32))


@pytest.mark.parametrize(
    ("likelihood", "prior"),
    [(name, "normal") for name in LIKELIHOODS] + [("bernoulli", name) for name in PRIORS if name != "normal"],
)
def test_every_likelihood_and_prior_trains(likelihood, prior, key):
    recipe = recipe_of("cvae" if prior == "label" else "vae", likelihood=likelihood, prior=prior)
    run = jax.jit(partial(training.run, recipe, epochs=60))
    state, metrics = run(jax.random.clone(key), hyperparameters(recipe, learning_rate=1e-2), DATA)
    assert np.isfinite(metrics["loss"]).all() and metrics["loss"][-5:].mean() < metrics["loss"][0]
    y = jnp.arange(5) % CLASSES if prior == "label" else None
    images = recipe.model.generate(key, state.params, 5, y)
    assert images.shape == (5, 2, 3, 1) and np.isfinite(images).all()
