"""What the five parts do together."""

import re
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from recipes import CLASSES, DATA, initial, recipe_of

from vae_jax import Normal, StandardNormal, training
from vae_jax.data import Examples
from vae_jax.losses import LOSSES
from vae_jax.models import (
    LIKELIHOODS,
    NETWORKS,
    PRIORS,
    VAE,
    DenseDecoder,
    DenseEncoder,
    NetworkConfig,
    NormalPosterior,
)
from vae_jax.training import Recipe, hyperparameters


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


KNOWN = {"continuous-bernoulli", "gaussian", "gaussian-learned", "logistic", "poisson"}  # a new one is quick


@pytest.mark.parametrize(
    ("likelihood", "prior"),
    [pytest.param(name, "normal", marks=pytest.mark.slow if name in KNOWN else ()) for name in LIKELIHOODS]
    + [("bernoulli", name) for name in PRIORS if name != "normal"],
)
def test_every_likelihood_and_prior_trains(likelihood, prior, key):
    recipe = recipe_of("cvae" if prior == "label" else "vae", likelihood=likelihood, prior=prior)
    run = jax.jit(partial(training.run, recipe, epochs=60))
    state, metrics = run(jax.random.clone(key), hyperparameters(recipe, learning_rate=1e-2), DATA)
    assert np.isfinite(metrics["loss"]).all() and metrics["loss"][-5:].mean() < metrics["loss"][0]
    y = jnp.arange(5) % CLASSES if prior == "label" else None
    images = recipe.model.generate(key, state.params, 5, y)
    assert images.shape == (5, 2, 3, 1) and np.isfinite(images).all()


def test_a_label_has_a_prior_of_its_own(key):
    means, log_vars = jax.random.normal(key, (2, 3, 4))
    params = {"params": {"mean": means, "log_var": log_vars}}
    for y in range(3):
        p = PRIORS["label"](latent=4, classes=3).apply(params, lambda x: x, y)
        np.testing.assert_array_equal(p.mean, means[y])
        np.testing.assert_array_equal(p.log_var, log_vars[y])


def test_pseudo_inputs_stay_within_the_bounds_of_an_example():
    inputs = jnp.array([[-3.0, 0.25], [5.0, 0.5]])
    prior = PRIORS["vamp"](shape=(2,), components=2)
    found = prior.apply({"params": {"inputs": inputs}}, lambda u: Normal(u, jnp.zeros(2)))
    np.testing.assert_array_equal(found.means, [[0.0, 0.25], [1.0, 0.5]])


class Encoder(nn.Module):
    """An encoder that does not say how many latents it has, with another library's posterior."""

    @nn.compact
    def __call__(self, x):
        return dist.Normal(nn.Dense(2)(jnp.ravel(x)), jnp.ones(2))


class Coordinates(nn.Module):
    """An encoder that returns no distribution."""

    latent: int = 2

    @nn.compact
    def __call__(self, x):
        return jnp.ravel(x)[:2]


def test_any_encoder_serves_that_returns_a_distribution(key):
    decoder = DenseDecoder((4, 4, 1), (8,))
    with pytest.raises(ValueError, match=r"encoder Encoder has no attribute `latent`.*prior=StandardNormal\(latent\)"):
        VAE(Encoder(), decoder)
    model = VAE(Encoder(), decoder, prior=StandardNormal(2))
    assert model.standard_prior
    recipe = training.Recipe(model=model, batch_size=8)
    data = DATA._replace(x=np.tile(DATA.x[:, :1, :1], (1, 4, 4, 1)))
    run = jax.jit(partial(training.run, recipe, epochs=1))
    state, metrics = run(key, hyperparameters(recipe), data)
    assert np.isfinite(metrics["loss"]).all()
    assert model.generate(jax.random.key(1), state.params, 3).shape == (3, 4, 4, 1)
    with pytest.raises(ValueError, match=r"the encoder gives numbers of shape .*; NormalPosterior reads"):
        VAE(Coordinates(), decoder).init(jax.random.key(0), data.x[0])


@pytest.mark.parametrize(
    ("name", "network"), [("vae", "dense"), ("cvae", "dense"), ("vae", "conv"), ("factor", "dense")]
)
def test_networks_compute_in_half_precision_and_all_else_in_single(name, network, key):
    """Every product of encoder and decoder takes bfloat16; the loss, its terms, gradients and the state are float32."""
    shape, loss, posterior = (8, 8, 1), LOSSES[name], NormalPosterior(latent=2)
    config = NetworkConfig(shape, 2, (16,), numbers=posterior.numbers, classes=3 if loss.conditional else 0)
    networks = NETWORKS[network].build(config)
    single, half = (Recipe(model=VAE(*networks, dtype=dtype), loss=loss, batch_size=4) for dtype in (None, "bfloat16"))
    x = jax.random.uniform(key, (4, *shape))
    data = Examples(x, jnp.arange(4, dtype=jnp.int32) % 3)
    state = initial(half, jax.random.key(1), data)
    hyper = training.hyperparameters(half)
    step = jax.jit(training.step, static_argnums=0)
    program = step.lower(half, state, jax.random.key(2), hyper, data).as_text()
    products = re.findall(r"stablehlo\.dot_general.*?: \((tensor<[^>]*>), (tensor<[^>]*>)\)", program)
    of_networks = [pair for pair in products if "bf16" in pair[0] and "bf16" in pair[1]]
    assert of_networks and (of_networks == products or name == "factor")  # whose critic is no network of the model
    new, metrics = step(half, state, jax.random.key(2), hyper, data)
    assert {leaf.dtype for leaf in jax.tree.leaves(new) if jnp.issubdtype(leaf.dtype, jnp.floating)} == {
        np.dtype("float32")
    }
    _, expected = step(single, state, jax.random.key(2), hyper, data)
    assert {value.dtype for value in metrics.values()} == {np.dtype("float32")}
    assert 0 < abs(metrics["loss"] - expected["loss"]) < 1e-2 * abs(expected["loss"])
