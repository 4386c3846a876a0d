"""What a recipe may have besides: clipping, averaged weights, accumulated gradients, schedules, other optimisers."""

from dataclasses import replace
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from recipes import DATA, initial, recipe_of

from vae_jax import training
from vae_jax.data import Examples
from vae_jax.keys import use
from vae_jax.losses import LOSSES
from vae_jax.training import OPTIMIZERS, SCHEDULES, fit, grid, hyperparameters, lay_out

DATA = DATA._replace(y=None)


def recipe(**changes) -> training.Recipe:
    return replace(recipe_of("vae"), **changes)


def steps_of(recipe, key, count, **hyper):
    """The state before and after each of some steps on the same batch."""
    states, numbers = [initial(recipe, jax.random.clone(key), DATA)], hyperparameters(recipe, **hyper)
    step = jax.jit(partial(training.step, recipe))
    for _ in range(count):
        states.append(step(states[-1], jax.random.clone(key), numbers, Examples(DATA.x[:8]))[0])
    return states


def gradient_of(recipe, state, key):
    """The gradient that the next step takes, as the step has it."""
    noise = jax.random.fold_in(use(jax.random.clone(key), "noise"), state.step)
    own = LOSSES["vae"].at(state.step, {})
    loss = lambda params: training.batch_loss(recipe, params, own, noise, Examples(DATA.x[:8]))[0]
    return jax.jit(jax.grad(loss))(state.params)


def expect_close(one, other, rtol=1e-5):
    jax.tree.map(partial(np.testing.assert_allclose, rtol=rtol, atol=1e-7), one, other)


def test_clipping_scales_the_gradient_to_its_norm(key):
    plain = recipe(optimizer=OPTIMIZERS["sgd"])
    clipped = replace(plain, options=("clip_norm",))
    first, second = steps_of(clipped, key, 1, clip_norm=0.01, learning_rate=1.0)
    gradient = gradient_of(plain, first, key)
    norm = float(optax.tree.norm(gradient))
    assert norm > 0.01
    expect_close(second.params, jax.tree.map(lambda p, g: p - g * (0.01 / norm), first.params, gradient), rtol=1e-4)
    free, unclipped = steps_of(clipped, key, 1, clip_norm=1e6)[1], steps_of(plain, key, 1)[1]
    expect_close(free.params, unclipped.params)


def test_clipping_comes_before_the_optimiser(key):
    """A norm far below Adam's ε leaves next to nothing of the step; a clipped update would be of that norm."""
    before, after = steps_of(recipe(options=("clip_norm",)), key, 1, clip_norm=1e-12, learning_rate=1.0)
    moved = float(optax.tree.norm(jax.tree.map(jnp.subtract, after.params, before.params)))
    np.testing.assert_allclose(moved, 1e-12 / 1e-8, rtol=1e-2)


def test_the_average_forgets_the_start_and_is_what_is_evaluated(key):
    states = steps_of(recipe(options=("ema",)), key, 5, ema=0.5)
    average = states[0].params
    for t, state in enumerate(states[1:]):
        decay = min(0.5, (1 + t) / (10 + t))
        average = jax.tree.map(lambda mean, new, d=decay: d * mean + (1 - d) * new, average, state.params)
        expect_close(state.average, average)
        assert state.evaluated is state.average
    plain = steps_of(recipe(), key, 5)
    expect_close(plain[-1].params, states[-1].params)
    assert plain[-1].average is None and plain[-1].evaluated is plain[-1].params


def test_accumulated_gradients_are_averaged_into_one_update(key):
    several = recipe(optimizer=OPTIMIZERS["sgd"], accumulate=2)
    first, second, third = steps_of(several, key, 2, learning_rate=1e-3)
    expect_close(second.params, first.params)
    gradients = [gradient_of(several, state, key) for state in (first, second)]
    mean = jax.tree.map(lambda a, b: 0.5 * (a + b), *gradients)
    expect_close(third.params, jax.tree.map(lambda p, g: p - 1e-3 * g, first.params, mean), rtol=1e-4)


def test_the_average_moves_once_an_update(key):
    """Steps that only accumulate leave it alone; after three updates it has moved three times."""
    several = recipe(options=("ema",), accumulate=2)
    states = steps_of(several, key, 6, ema=0.5)
    start, expected, updates = states[0].average, states[0].params, 0
    for before, after in pairwise(states):
        moved = any(
            (one != other).any()
            for one, other in zip(jax.tree.leaves(before.average), jax.tree.leaves(after.average), strict=True)
        )
        assert moved == (int(after.step) % 2 == 0)
        if moved:
            decay = min(0.5, (1 + updates) / (10 + updates))
            expected = jax.tree.map(lambda mean, new, d=decay: d * mean + (1 - d) * new, expected, after.params)
            updates += 1
    assert updates == 3 and start is not None
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-6), states[-1].average, expected)


def test_weight_decay_is_decoupled(key):
    one, other = (steps_of(recipe(optimizer=OPTIMIZERS[name]), key, 1) for name in ("adam", "adamw"))
    decayed = steps_of(recipe(optimizer=OPTIMIZERS["adamw"]), key, 1, weight_decay=0.1)
    before, plain, with_decay = one[0].params, other[1].params, decayed[1].params
    expect_close(with_decay, jax.tree.map(lambda p, start: p - 1e-3 * (0.1 - 1e-4) * start, plain, before))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in ("adam", "adamw", "lion", "rmsprop") else ())
        for name in OPTIMIZERS
    ],
)
def test_every_optimiser_trains_under_vmap(name, key):
    """Also with all options, a schedule, and every number of its own varied: each member is the single run."""
    own = recipe(optimizer=OPTIMIZERS[name], schedule=SCHEDULES["cosine"], options=("clip_norm", "ema"), accumulate=2)
    rate = {"lion": 1e-2, "sgd": 1e-4}.get(name, 3e-3)
    plain = hyperparameters(own, learning_rate=rate, decay_steps=20.0, warmup_steps=3.0, ema=0.9)
    hypers = {name: jnp.stack([value, 0.9 * value]) for name, value in plain.items()}
    run = partial(training.run, own, epochs=10)
    keys = jax.random.split(key, 2)
    states, metrics = jax.jit(jax.vmap(run, (0, 0, None)))(jax.random.clone(keys), hypers, DATA)
    state, single = jax.jit(run)(keys[1], jax.tree.map(lambda leaf: leaf[1], hypers), DATA)
    np.testing.assert_allclose(metrics["loss"][1], single["loss"], rtol=1e-3)
    jax.tree.map(
        lambda many, one: np.testing.assert_allclose(many[1], one, rtol=2e-2, atol=2e-3), states.average, state.average
    )
    assert single["loss"][-1] < single["loss"][0]


def test_a_critic_has_its_own_optimiser_with_all_of_it(key):
    own = replace(recipe_of("factor"), options=("clip_norm", "ema"), accumulate=2, schedule=SCHEDULES["warmup"])
    state, metrics = jax.jit(partial(training.run, own, epochs=3))(key, hyperparameters(own), DATA)
    assert np.isfinite(metrics["critic_loss"]).all() and state.average.keys() == state.params.keys()


@pytest.mark.parametrize("over", ["shard_map", pytest.param("pmap", marks=pytest.mark.slow)])
def test_a_sweep_with_a_schedule_an_average_and_clipping_is_its_single_runs(over):
    own = recipe(schedule=SCHEDULES["cosine"], options=("clip_norm", "ema"))
    members = grid(own, beta=[0.5, 2.0], seeds=2, decay_steps=6.0, clip_norm=5.0, ema=0.8)
    layout = lay_out(4, jax.devices()[:2], over=over)
    *_, last = fit(own, members, DATA, epochs=3, layout=layout, progress=False)
    for index in range(4):
        *_, alone = fit(own, members.take([index]), DATA, epochs=3, layout=lay_out(1), progress=False)
        expect_close(last.population.params(index), alone.population.params(0), rtol=1e-4)
        expect_close(last.population.state(index).params, alone.population.state(0).params, rtol=1e-4)
