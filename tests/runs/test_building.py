"""From flags to the parts of a run: what was asked for is what is built."""

import jax.numpy as jnp
import pytest

from vae_jax.data import PREPROCESS
from vae_jax.models.networks.network import INITIALIZERS
from vae_jax.runs import Config
from vae_jax.runs.configuration.building import build
from vae_jax.training import OPTIMIZERS, SCHEDULES

PLAIN = build(Config(hidden=(4,), latent=2))


def test_every_option_of_training_and_of_the_networks_reaches_the_recipe():
    chosen: dict = {
        "batch_size": 64,
        "preprocess": "static",
        "optimizer": "sgd",
        "schedule": "cosine",
        "accumulate": 2,
        "on_nonfinite": "skip",
        "clip_norm": 3.0,
        "ema": 0.9,
        "initializer": "uniform",
        "precision": "bfloat16",
        "prior": "mixture",
        "likelihood": "continuous-bernoulli",
        "patience": 7,
        "minutes": 2.0,
    }
    made = build(Config(hidden=(4,), latent=2, **chosen))
    recipe, plain = made.recipe, PLAIN.recipe
    assert recipe.batch_size == 64 and recipe.preprocess is PREPROCESS["static"]
    assert recipe.optimizer is OPTIMIZERS["sgd"] and recipe.schedule is SCHEDULES["cosine"]
    assert recipe.accumulate == 2 and recipe.skip_nonfinite and set(recipe.options) == {"clip_norm", "ema"}
    assert (plain.accumulate, plain.skip_nonfinite, plain.options) == (1, False, ())
    assert recipe.model.dtype == "bfloat16" and plain.model.dtype is None
    assert type(recipe.model.prior).__name__ == "MixturePrior"
    assert type(recipe.model.likelihood).__name__ == "ContinuousBernoulliLikelihood"
    for network in (recipe.model.encoder, recipe.model.decoder):
        assert network.kernel_init is INITIALIZERS["uniform"]
    assert plain.model.encoder.kernel_init is not INITIALIZERS["uniform"]
    assert made.hyper["clip_norm"] == 3.0 and made.hyper["ema"] == jnp.float32(0.9)
    assert (made.patience, made.minutes) == (7, 2.0) and (PLAIN.patience, PLAIN.minutes) == (None, None)


@pytest.mark.parametrize(("model", "hidden"), [("dense", (5, 3)), ("conv", (8,))])
def test_networks_are_of_the_sizes_asked_for(model, hidden):
    made = build(Config(model=model, hidden=hidden, latent=3)).recipe.model
    assert made.encoder.latent == 3 and tuple(made.encoder.hidden) == hidden
