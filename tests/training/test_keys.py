"""No two things draw the same numbers: not in training, whatever the loss, and not in what a seed becomes."""

import re
from dataclasses import replace
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from draws import draws
from recipes import DATA, recipe_of

from vae_jax import Normal, training
from vae_jax.data import PREPROCESS
from vae_jax.evaluation import elbo_means, encode_all
from vae_jax.keys import Keys, keys_of, use
from vae_jax.losses import LOSSES


def expect_apart(keys: np.ndarray) -> None:
    found, counts = np.unique(keys, axis=0, return_counts=True)
    assert len(keys) and counts.max() == 1, f"{(counts > 1).sum()} keys of {len(found)} are drawn from twice"


@pytest.mark.parametrize(("name", "preprocess"), [*((name, "grey") for name in LOSSES), ("factor", "dynamic")])
def test_no_two_draws_of_training_share_a_key(name, preprocess):
    """The start, the order of two epochs, and two steps: every ε, corruption, prior sample, shuffle and weight."""
    recipe = recipe_of(name, preprocess=PREPROCESS[preprocess])
    hyper = training.hyperparameters(recipe)

    def run(key_data, data):
        key = jax.random.wrap_key_data(key_data)
        state = training.init(recipe, key, data)
        orders = [training.order(recipe, key, index, data) for index in (0, 1)]
        return training.steps(recipe, state, key, hyper, data, orders[0][:2]), orders

    data = jax.tree.map(jax.numpy.asarray, DATA)
    found = draws(run, jax.random.key_data(Keys(0).train), data)
    expect_apart(found)
    assert len(found) >= 6  # two layers of each network, the order of two epochs


def test_draws_are_counted(key):
    """The counter sees what it should: one key a row, in scans and under vmap, and a key used twice."""
    data = jax.random.key_data(key)

    def scanned(data):
        key = jax.random.wrap_key_data(data)
        keys = jax.random.split(key, 3)
        return jax.lax.scan(lambda c, i: (c, jax.random.normal(jax.random.fold_in(key, i))), 0, jax.numpy.arange(3)), (
            jax.vmap(jax.random.normal)(keys)
        )

    found = draws(scanned, data)
    assert found.shape == (6, 2)
    with pytest.raises(AssertionError, match="3 keys of 3 are drawn from twice"):
        expect_apart(found)  # fold_in(key, i) is split(key, n)[i]: why there is a rule


def test_the_functions_of_an_evaluation_draw_apart_from_one_key(key):
    recipe = recipe_of("vae", preprocess=lambda key, x: x + 0 * jax.random.normal(key, x.shape))
    data = jax.tree.map(jax.numpy.asarray, DATA)
    params = training.init(recipe, jax.random.clone(key), data).params
    found = []
    for function in (
        lambda k: encode_all(recipe, params, k, data),
        lambda k: recipe.model.generate(k, params, 4),
    ):
        found.append(draws(lambda d, f=function: f(jax.random.wrap_key_data(d)), jax.random.key_data(key)))
    elbo = draws(lambda d: elbo_means(recipe, params, jax.random.wrap_key_data(d), data), jax.random.key_data(key))
    expect_apart(np.concatenate([*found, elbo]))


def test_a_seed_has_a_key_for_each_use_and_no_two_seeds_share_one():
    uses = [name for name in vars(Keys) if isinstance(vars(Keys)[name], property)]
    keys = [jax.random.key_data(getattr(Keys(seed), name)) for seed in range(50) for name in uses]
    expect_apart(np.stack(keys))


def test_many_seeds_have_the_keys_that_each_has_alone():
    seeds = np.array([0, 1, 7, 2**31 - 1, 2**31, 2**32 - 1], np.int64)
    alone = jnp.stack([Keys(int(seed)).train for seed in seeds])
    assert np.array_equal(jax.random.key_data(keys_of(seeds, "train")), jax.random.key_data(alone))
    assert np.array_equal(jax.random.key_data(keys_of([2**32 - 1], "train"))[0], jax.random.key_data(alone)[-1])
    with jax.default_prng_impl("rbg"):
        both = keys_of([7], "train"), Keys(7).train[None]
        assert np.array_equal(*map(jax.random.key_data, both)) and jax.random.key_data(both[0]).shape == (1, 4)


def test_names_of_uses_have_hashes_of_their_own(key):
    """All names in the package, read from its source."""
    sources = [path.read_text() for path in Path("vae_jax").rglob("*.py")]
    named = re.compile(r'use\([^"()]*(?:\([^()]*\))?[^"()]*"([^"]+)"')
    names = sorted({name for source in sources for name in named.findall(source)})
    assert len(names) > 15
    expect_apart(np.stack([jax.random.key_data(use(jax.random.clone(key), name)) for name in names]))


class Aggregate(nn.Module):
    """An encoder whose posteriors are the prior, so that every discrepancy from it is noise around 0."""

    latent: int = 2

    @nn.compact
    def __call__(self, x):
        return Normal(jnp.zeros(2), jnp.zeros(2))


@pytest.mark.parametrize("name", ["info-vae", "wae-mmd"])
def test_the_discrepancy_of_the_prior_from_itself_is_zero_in_the_mean(key, name):
    """Prior samples that share a key with the codes' noise would make it −0.065 ± 0.001 at a batch of 4."""
    recipe = recipe_of(name)
    recipe = replace(recipe, model=replace(recipe.model, encoder=Aggregate()))
    data = jax.tree.map(lambda leaf: jnp.asarray(leaf[:4]), DATA)
    params = recipe.model.init(jax.random.key(1), data.x[0])
    hyper = {"alpha": 0.0, "weight": 2.0} if name == "info-vae" else {"weight": 1.0}

    def discrepancy(key):
        loss, terms = training.batch_loss(recipe, params, hyper, key, data)
        return loss - terms.distortion.mean()

    values = jax.jit(jax.vmap(discrepancy))(jax.random.split(key, 20_000))
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean()) < 4 * error < 0.01
