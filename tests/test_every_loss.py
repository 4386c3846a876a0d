"""One conformance test over the whole table: a new loss is covered with no test of its own."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import training
from vae_jax.data import Examples, Preprocess, grey, load
from vae_jax.evaluation import evaluate_elbo
from vae_jax.likelihoods import LIKELIHOODS
from vae_jax.losses import LOSSES
from vae_jax.model import VAE
from vae_jax.networks import NETWORKS, Sizes
from vae_jax.posteriors import POSTERIORS
from vae_jax.priors import PRIORS
from vae_jax.training import Recipe, hyperparameters

CLASSES = 3
DATA = Examples(
    np.linspace(0, 1, 16 * 6, dtype=np.float32).reshape(16, 2, 3, 1), np.arange(16, dtype=np.int32) % CLASSES
)


DIGITS = load("digits")


def recipe_of(
    name: str,
    *,
    likelihood: str | None = None,
    prior: str = "normal",
    shape: tuple[int, ...] = (2, 3, 1),
    classes: int = CLASSES,
    batch_size: int = 8,
    preprocess: Preprocess = grey,
) -> Recipe:
    loss = LOSSES[name]
    likelihood = likelihood or loss.likelihood
    sizes = Sizes(
        shape,
        2,
        (8,),
        outputs=LIKELIHOODS[likelihood].outputs,
        posterior=POSTERIORS[loss.posterior],
        classes=classes if loss.conditional else 0,
    )
    model = VAE(*NETWORKS["dense"].build(sizes), LIKELIHOODS[likelihood], PRIORS[prior](sizes))
    return Recipe(model=model, loss=loss, batch_size=batch_size, preprocess=preprocess)


@cache
def parts(name: str):
    """`(recipe, params, the loss's own hyperparameters, value of a batch)`."""
    recipe = recipe_of(name)
    params = training.init(recipe, jax.random.key(0), DATA).params
    own = recipe.loss.at(1e9, hyperparameters(recipe))
    return recipe, params, own, lambda params, own, key, data: training.batch_loss(recipe, params, own, key, data)


@pytest.mark.parametrize("name", LOSSES)
class TestEveryLoss:
    def test_value_and_gradient_agree_under_jit_vmap_and_pmap(self, name, key):
        _, params, own, loss = parts(name)
        gradient = jax.value_and_grad(lambda params, key, data: loss(params, own, key, data)[0])
        keys = jax.random.split(key, 2)
        halves = jax.tree.map(lambda leaf: jnp.asarray(leaf).reshape(2, 8, *leaf.shape[1:]), DATA)
        single = [
            gradient(params, jax.random.clone(keys)[i], jax.tree.map(lambda leaf, i=i: leaf[i], halves)) for i in (0, 1)
        ]
        eager = jax.tree.map(lambda *leaves: jnp.stack(leaves), *single)
        over_batches = jax.vmap(gradient, (None, 0, 0))
        for found in (
            jax.jit(over_batches)(params, jax.random.clone(keys), halves),
            jax.pmap(gradient, in_axes=(None, 0, 0))(params, jax.random.clone(keys), halves),
        ):
            jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4), found, eager)

    def test_gradient_is_finite_also_at_extremes(self, name, key):
        _, params, own, loss = parts(name)
        for scale in (1.0, 7.0):  # at 7, log-variances reach 76; test_extremes has ±80
            large = jax.tree.map(lambda leaf, scale=scale: scale * leaf, params)
            gradient = jax.grad(lambda params: loss(params, own, jax.random.clone(key), DATA)[0])(large)
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))

    def test_reports_the_terms(self, name, key):
        recipe, params, own, loss = parts(name)
        value, terms = loss(params, own, key, DATA)
        assert value.shape == () and np.isfinite(value)
        assert terms.distortion.shape == terms.rate.shape == (16,)
        assert terms.z.shape == (16, 2)
        if recipe.loss.posterior == "normal":
            assert np.all(terms.rate >= 0)
        else:  # a point has no finite divergence from a density
            assert np.isnan(terms.rate).all()

    def test_key_matters_where_there_is_noise_and_nowhere_else(self, name, key):
        recipe, params, own, loss = parts(name)
        first, again, other = (loss(params, own, k, DATA)[0] for k in (key, jax.random.clone(key), jax.random.key(1)))
        assert first == again
        loss = recipe.loss
        drawn = loss.posterior == "normal" or loss.corrupt is not None or "prior_samples" in loss.needs
        assert (first != other) == drawn

    def test_order_of_the_batch_does_not_matter(self, name, key):
        recipe, params, own, _ = parts(name)
        order = jax.random.permutation(jax.random.key(5), 16)
        keys, data = jax.random.split(key, 16), jax.tree.map(jnp.asarray, training.labelled(recipe, DATA))

        def value(keys, data):
            if recipe.loss.batch:
                terms = jax.vmap(partial(training.example_terms, recipe, params))(keys, data)
                needed = training.needed(recipe, params, jax.random.key(3), data, 16)
                return recipe.loss.function(terms, **needed, **own)
            return jax.vmap(partial(training.example_loss, recipe, params, own))(keys, data)[0].mean()

        shuffled = jax.tree.map(lambda leaf: leaf[order], data)
        np.testing.assert_allclose(
            value(jax.random.clone(keys)[order], shuffled), value(jax.random.clone(keys), data), rtol=1e-5
        )

    def test_hyperparameters_are_leaves(self, name, key):
        """Under vmap their values are not known when the program is compiled; each matters."""
        _, params, own, loss = parts(name)
        for changed in own:
            hyper = {n: jnp.stack([v, 2 * v + 0.2 if n == changed else v]) for n, v in own.items()}
            first, second = jax.vmap(lambda own: loss(params, own, jax.random.clone(key), DATA)[0])(hyper)
            assert np.isfinite([first, second]).all() and first != second, changed

    def test_learns_digits(self, name, key):
        recipe = recipe_of(name, shape=(8, 8, 1), classes=10, batch_size=100)
        hyper = hyperparameters(recipe, learning_rate=3e-3)
        run = jax.jit(partial(training.run, recipe, epochs=10))
        state, metrics = run(jax.random.clone(key), hyper, DIGITS.train)
        assert np.isfinite(metrics["loss"]).all()
        before, after = (
            evaluate_elbo(recipe, params, jax.random.clone(key), DIGITS.test, hyper)
            for params in (training.init(recipe, jax.random.clone(key), DIGITS.train).params, state.params)
        )
        assert after["loss"] < before["loss"] - 1
        assert np.isfinite([after["distortion"], after["mean_squared_error"]]).all()

    def test_needs_a_label_only_where_it_is_conditional(self, name, key):
        recipe, params, own, loss = parts(name)
        without = DATA._replace(y=None)
        if recipe.loss.conditional:
            with pytest.raises(ValueError, match="takes a label of 3 classes; got none"):
                loss(params, own, key, without)
        else:
            assert np.isfinite(loss(params, own, key, without)[0])

    def test_says_what_it_is(self, name, key):
        del key
        assert 20 < len(LOSSES[name].summary) < 120


KINDS = ("vae", "ae", "iwae", "beta-tc", "factor", "wae-mmd")  # one of each kind; the others are like one of them


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in KINDS else pytest.mark.slow) for name in LOSSES]
)
def test_a_population_trains_on_images_as_large_as_sprites(name, key):
    """Under `vmap` over its own hyperparameters: each member is the run with those values."""
    recipe = recipe_of(name, shape=(64, 64, 1))
    data = Examples((np.arange(24 * 64 * 64).reshape(24, 64, 64, 1) % 7 < 3).astype(np.float32), DATA.y[:8].repeat(3))
    plain = hyperparameters(recipe)
    hypers = {name: jnp.stack([value, 1.5 * value]) for name, value in plain.items()}
    run = partial(training.run, recipe, epochs=2)
    keys = jax.random.split(key, 2)
    _, metrics = jax.jit(jax.vmap(run, (0, 0, None)))(jax.random.clone(keys), hypers, data)
    _, single = jax.jit(run)(keys[0], plain, data)
    assert np.isfinite(metrics["loss"]).all()
    np.testing.assert_allclose(metrics["loss"][0], single["loss"], rtol=1e-3)


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
