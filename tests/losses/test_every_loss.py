"""One conformance test over the whole table: a new loss is covered with no test of its own."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from recipes import DATA, EVERY_LOSS, initial, recipe_of

from vae_jax import training
from vae_jax.data import Examples, load
from vae_jax.evaluation import evaluate_elbo
from vae_jax.losses import LOSSES
from vae_jax.models import Params
from vae_jax.training import Recipe, hyperparameters


def one_of(*names: str) -> list:
    """All losses, of which only those named are for the quick tests; the others are like one of them."""
    return [pytest.param(name, marks=() if name in names else pytest.mark.slow) for name in LOSSES]


ONE_OF_EACH_KIND = one_of("vae", "ae", "iwae", "beta-tc", "factor", "wae-mmd")


class Parts(NamedTuple):
    """A loss with something to take: `own` are its hyperparameters, and `batch_loss` gives `(value, terms)`."""

    recipe: Recipe
    params: Params
    own: dict[str, jax.Array]
    batch_loss: Callable
    compiled: Callable  # (params, own, key, data) -> ((value, terms), gradient), one program for all tests of a loss


@cache
def parts(name: str) -> Parts:
    recipe = recipe_of(name)
    params = initial(recipe, jax.random.key(0), DATA).params
    own = recipe.loss.at(1e9, hyperparameters(recipe))
    batch_loss = partial(training.batch_loss, recipe)
    return Parts(recipe, params, own, batch_loss, jax.jit(jax.value_and_grad(batch_loss, has_aux=True)))


def halves() -> Examples:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf).reshape(2, 8, *leaf.shape[1:]), DATA)


def gradient_of(name: str) -> Callable:
    _, _, own, loss, _ = parts(name)
    return jax.value_and_grad(lambda params, key, data: loss(params, own, key, data)[0])


@cache
def single(name: str, compiled: bool) -> tuple[Any, Any]:
    """The value and the gradient of each of two batches."""
    keys = jax.random.split(jax.random.key(20), 2)
    batches = [jax.tree.map(lambda leaf, i=i: leaf[i], halves()) for i in (0, 1)]
    gradient = jax.jit(gradient_of(name)) if compiled else gradient_of(name)
    each = [gradient(parts(name).params, keys[i], batch) for i, batch in enumerate(batches)]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *each)


def expect_each_batch_alone(name: str, transform: Callable) -> None:
    """The value and the gradient of two batches, transformed, are those of each alone; for the ELBO with nothing
    compiled, as for every loss in the slow tests."""
    found = transform(gradient_of(name))(parts(name).params, jax.random.split(jax.random.key(20), 2), halves())
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4), found, single(name, name != "vae"))


@pytest.mark.parametrize("name", EVERY_LOSS, scope="class")
class TestEveryLoss:
    def test_gradient_is_finite_also_at_extremes(self, name, key):
        _, params, own, _, compiled = parts(name)
        for scale in (1.0, 7.0):  # at 7, log-variances reach 76; test_extremes has ±80
            large = jax.tree.map(lambda leaf, scale=scale: scale * leaf, params)
            _, gradient = compiled(large, own, jax.random.clone(key), DATA)
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))

    def test_reports_the_terms(self, name, key):
        recipe, params, own, _, compiled = parts(name)
        (value, terms), _ = compiled(params, own, key, DATA)
        assert value.shape == () and np.isfinite(value)
        assert terms.distortion.shape == terms.rate.shape == (16,)
        assert terms.z.shape == (16, 2)
        if recipe.has_density:
            assert np.all(terms.rate >= 0)
        else:  # a point has no finite divergence from a density
            assert np.isnan(terms.rate).all()

    def test_key_matters_where_there_is_noise_and_nowhere_else(self, name, key):
        recipe, params, own, _, compiled = parts(name)
        keys = key, jax.random.clone(key), jax.random.key(1)
        first, again, other = (compiled(params, own, k, DATA)[0][0] for k in keys)
        assert first == again
        loss = recipe.loss
        drawn = not loss.point or loss.corrupt is not None or loss.uses_prior
        assert (first != other) == drawn

    def test_order_of_the_batch_does_not_matter(self, name, key):
        recipe, params, own, _, _ = parts(name)
        order = jax.random.permutation(jax.random.key(5), 16)
        keys, data = jax.random.split(key, 16), jax.tree.map(jnp.asarray, recipe.labelled(DATA))

        @jax.jit
        def value(keys, data):
            if recipe.loss.batch:
                terms = jax.vmap(partial(training.example_terms, recipe, params))(keys, data)
                batch = training.as_batch(recipe, params, jax.random.key(3), data, terms, 16)
                return recipe.loss.function(batch, **own)
            return jax.vmap(partial(training.example_loss, recipe, params, own))(keys, data)[0].mean()

        shuffled = jax.tree.map(lambda leaf: leaf[order], data)
        np.testing.assert_allclose(
            value(jax.random.clone(keys)[order], shuffled), value(jax.random.clone(keys), data), rtol=1e-5
        )

    def test_hyperparameters_are_leaves(self, name, key):
        """Their values are not known when the program is compiled; each matters."""
        recipe, params, own, _, compiled = parts(name)
        ends = tuple(f"{ramped}_{what}" for ramped in recipe.loss.ramps for what in ("steps", "period"))
        assert own.keys() == {n for n, entry in recipe.loss.hyper.items() if not entry.integer and n not in ends}
        for changed in own:
            hypers = own, {**own, changed: 2 * own[changed] + 0.2}
            first, second = (compiled(params, hyper, jax.random.clone(key), DATA)[0][0] for hyper in hypers)
            assert np.isfinite([first, second]).all() and first != second, changed

    def test_needs_a_label_only_where_it_is_conditional(self, name, key):
        recipe, params, own, loss, _ = parts(name)
        without = DATA._replace(y=None)
        if recipe.loss.conditional:
            with pytest.raises(ValueError, match="takes a label of 3 classes; got none"):
                jax.eval_shape(loss, params, own, key, without)
        else:
            assert jax.eval_shape(loss, params, own, key, without)[0].shape == ()


@pytest.mark.parametrize("name", LOSSES)
def test_says_what_it_is(name):
    assert 20 < len(LOSSES[name].summary) < 120


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_value_and_gradient_agree_under_jit_and_vmap(name):
    expect_each_batch_alone(name, lambda gradient: jax.jit(jax.vmap(gradient, (None, 0, 0))))


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient_agree_with_nothing_compiled(name):
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4), single(name, True), single(name, False))


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_value_and_gradient_agree_under_pmap(name):
    expect_each_batch_alone(name, lambda gradient: jax.pmap(gradient, in_axes=(None, 0, 0)))


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_learns_digits(name, key):
    digits = load("digits")
    recipe = recipe_of(name, shape=(8, 8, 1), classes=10, batch_size=100)
    hyper = hyperparameters(recipe, learning_rate=3e-3)
    run = jax.jit(partial(training.run, recipe, epochs=4))
    state, metrics = run(jax.random.clone(key), hyper, digits.train)
    assert np.isfinite(metrics["loss"]).all()
    before, after = (
        evaluate_elbo(recipe, params, jax.random.clone(key), digits.test, hyper)
        for params in (initial(recipe, jax.random.clone(key), digits.train).params, state.params)
    )
    assert after["loss"] < before["loss"] - 1
    assert np.isfinite([after["distortion"], after["mean_squared_error"]]).all()


@pytest.mark.parametrize("name", one_of("factor"))
def test_a_population_trains_on_images_as_large_as_sprites(name, key):
    """Under `vmap` over its own hyperparameters: each member is the run with those values."""
    recipe = recipe_of(name, shape=(64, 64, 1))
    data = Examples((np.arange(24 * 64 * 64).reshape(24, 64, 64, 1) % 7 < 3).astype(np.float32), DATA.y[:8].repeat(3))
    plain = hyperparameters(recipe)
    hypers = {name: jnp.stack([value, 1.5 * value]) for name, value in plain.items()}
    run = partial(training.run, recipe, epochs=1)
    keys = jax.random.split(key, 2)
    _, metrics = jax.jit(jax.vmap(run, (0, 0, None)))(jax.random.clone(keys), hypers, data)
    _, single = jax.jit(run)(keys[0], plain, data)
    assert np.isfinite(metrics["loss"]).all()
    np.testing.assert_allclose(metrics["loss"][0], single["loss"], rtol=1e-3)
