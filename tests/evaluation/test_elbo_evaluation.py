"""The ELBO over a whole data set: every example counts, β does not, and the device's means are those of the host."""

from dataclasses import replace
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from recipes import initial

from vae_jax import Delta, training
from vae_jax.data import PREPROCESS, Examples
from vae_jax.evaluation import active_units, elbo_means, evaluate_elbo
from vae_jax.evaluation.rate_distortion import _of_each
from vae_jax.keys import use
from vae_jax.losses import LOSSES
from vae_jax.models import VAE, BernoulliLikelihood, DenseDecoder, DenseEncoder, GaussianLikelihood
from vae_jax.training import Recipe

RECIPE = Recipe(model=VAE(DenseEncoder(3, (16,)), DenseDecoder((4, 4, 1), (16,)), BernoulliLikelihood()), batch_size=8)


@pytest.fixture
def data() -> Examples:
    return Examples(np.random.RandomState(0).randint(0, 256, (50, 4, 4, 1)).astype(np.uint8))


def test_evaluation_counts_every_example_and_ignores_beta(key, data):
    params = initial(RECIPE, jax.random.clone(key), data).params
    params["encoder"]["params"]["posterior"]["kernel"] *= 0.0  # q = N(0, I): the rate is exactly 0
    result = evaluate_elbo(RECIPE, params, key, data)
    assert result["examples"] == 50 and result["rate"] == 0 and result["active_units"] == 0
    assert result["negative_elbo"] == result["distortion"]
    assert len(result["rate_per_latent"]) == 3


def test_active_units_counts_variances_above_the_threshold():
    means = np.random.RandomState(0).randn(2000, 3) * np.sqrt([1.0, 0.02, 0.005])
    assert active_units(jnp.asarray(means)) == 2


def test_means_on_the_device_are_those_of_the_evaluation(key, data):
    params = initial(RECIPE, jax.random.clone(key), data).params
    means = jax.jit(elbo_means, static_argnums=0)(RECIPE, params, jax.random.clone(key), data)
    keys = jax.random.split(use(key, "elbo"), 50)
    terms = jax.vmap(partial(training.example_terms, RECIPE, params))(keys, Examples(jnp.asarray(data.x)))
    np.testing.assert_allclose(means["distortion"], np.asarray(terms.distortion, np.float64).mean(), rtol=1e-6)
    np.testing.assert_allclose(means["rate"], np.asarray(terms.rate, np.float64).mean(), rtol=1e-5)
    np.testing.assert_allclose(means["negative_elbo"], means["distortion"] + means["rate"], rtol=1e-6)


def test_the_loss_takes_any_numbers_and_is_that_of_complete_ramps(key, data):
    """Whatever their types, by one program; also where a ramp repeats, which has no end."""
    params = initial(RECIPE, jax.random.clone(key), data).params
    of = lambda **hyper: evaluate_elbo(RECIPE, params, jax.random.clone(key), data, hyper)["loss"]
    plain = of(beta=3.0)
    programs = _of_each._cache_size()
    for other in (3, np.int64(3), np.float64(3.0), jnp.float32(3.0)):
        assert of(beta=other) == plain
    assert of(beta=3.0, another="x") == plain
    assert _of_each._cache_size() == programs
    assert of(beta=3.0, beta_steps=50, beta_period=100.0) == of(beta=3.0, beta_steps=10**10) == plain


def test_the_loss_of_batches_knows_how_many_examples_there_are(key, data):
    """β-TC's weighted q(z) is off by up to ln N; the N of a loss that is reported is that of all the data."""
    recipe = replace(RECIPE, loss=LOSSES["beta-tc-weighted"])
    params = initial(recipe, jax.random.clone(key), data).params
    hyper = training.hyperparameters(recipe)
    found = evaluate_elbo(recipe, params, jax.random.clone(key), data, hyper)["loss"]

    @partial(jax.jit, static_argnames="size")
    def of_batch(key, batch, size):
        return training.batch_loss(recipe, params, recipe.loss.at(jnp.inf, hyper), key, batch, data_size=size)[0]

    key_loss, batches = use(use(key, "elbo"), "loss"), jnp.asarray(data.x[:48]).reshape(6, 8, 4, 4, 1)
    by_size = {}
    for size in (50, 8):
        keys = [jax.random.fold_in(jax.random.clone(key_loss), index) for index in range(6)]
        by_size[size] = np.mean([of_batch(k, Examples(x), size) for k, x in zip(keys, batches, strict=True)])
    np.testing.assert_allclose(found, by_size[50], rtol=1e-5)
    assert abs(found - by_size[8]) > 0.1


class Pixels(nn.Module):
    """An encoder whose code is the image itself, and a decoder that gives it back."""

    latent: int = 16

    @nn.compact
    def __call__(self, x):
        return Delta(jnp.ravel(x)) if x.ndim == 3 else x.reshape(4, 4, 1)


def test_the_squared_error_is_to_what_was_encoded(key, data):
    """With a fresh binary draw each time, a perfect reconstruction has an error of 0 and not that of another draw."""
    model = VAE(Pixels(), Pixels(), GaussianLikelihood())
    recipe = Recipe(model=model, loss=LOSSES["ae"], preprocess=PREPROCESS["dynamic"], batch_size=8)
    params = {"encoder": {}, "decoder": {}, "likelihood": {}}
    assert evaluate_elbo(recipe, params, key, data)["mean_squared_error"] == 0
