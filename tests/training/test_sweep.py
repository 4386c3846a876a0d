"""A population is its members: in every layout, on any number of devices."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import sweep, training
from vae_jax.data import Examples
from vae_jax.errors import InputError
from vae_jax.keys import Keys
from vae_jax.models import VAE, DenseDecoder, DenseEncoder
from vae_jax.sweep import fit, grid, members_of
from vae_jax.training import Population, Recipe, driver, lay_out

ROOT = Path(__file__).parents[2]
RECIPE = Recipe(model=VAE(DenseEncoder(3, (16,)), DenseDecoder((4, 4, 1), (16,))), batch_size=8)
DATA = Examples(np.random.RandomState(0).randint(0, 256, (50, 4, 4, 1)).astype(np.uint8))
MEMBERS = members_of(RECIPE, [{"beta": 1.0}, {"beta": 4.0, "seed": 3}, {"beta": 0.5, "learning_rate": 3e-3, "seed": 1}])


@cache
def singles():
    """The members one by one, each by the pure run."""
    run = jax.jit(partial(training.run, RECIPE, epochs=2))
    return [run(Keys(int(seed)).train, MEMBERS.hyper(i), DATA) for i, seed in enumerate(MEMBERS.seeds)]


def layouts() -> list:
    """All; those that differ from two others only in how the two are put together are slow."""
    quick = [("shard_map", within, 2) for within in sweep.WITHIN] + [("pmap", "vmap", 2), ("shard_map", "loop", 1)]
    every = [(over, within, devices) for over in sweep.OVER for within in sweep.WITHIN for devices in (1, 2)]
    return [pytest.param(*one, marks=() if one in quick else pytest.mark.slow) for one in every]


@pytest.mark.parametrize(("over", "within", "devices"), layouts())
def test_every_layout_gives_the_single_runs(devices, within, over):
    """Three members do not divide over two devices: what fills the gap is never reported."""
    how = {"devices": jax.devices()[:devices], "within": within, "over": over}
    found = sweep.sweep(RECIPE, MEMBERS, DATA, epochs=2, progress=False, **how)
    assert found.finite.shape == found.metrics["loss"].shape == (3,)
    for index, (state, metrics) in enumerate(singles()):
        np.testing.assert_allclose(found.metrics["loss"][index], metrics["loss"][-1], rtol=1e-4)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), found.state(index), state)


@pytest.mark.parametrize("over", sweep.OVER)
def test_members_lie_on_the_devices_that_were_chosen_in_their_order(over):
    chosen = jax.devices()[1::-1]
    layout = lay_out(2, chosen, over=over)
    (placed,) = layout.place(np.arange(2.0))
    found = layout.lift(lambda member: member + 1, 1, 0)(placed)
    shards = sorted(found.addressable_shards, key=lambda shard: float(np.ravel(shard.data)[0]))
    assert [shard.device for shard in shards] == chosen


@pytest.mark.slow
@pytest.mark.parametrize("over", [sweep.OVER, pytest.param(sweep.OVER[::-1], marks=pytest.mark.slow)])
def test_eight_devices_give_the_single_runs(over):
    """Three members on eight devices, and eleven, each with a way over them."""
    program = (
        "import jax; jax.config.update('jax_num_cpu_devices', 8)\n"
        "import json, sys; sys.path.insert(0, 'tests/training')\n"
        "from test_sweep import *\n"
        "who = MEMBERS.take([0, 1, 2] * 4)\n"
        "found = [sweep.sweep(RECIPE, part, DATA, epochs=2, progress=False, over=over)\n"
        f"         for part, over in zip((MEMBERS, who.take(range(11))), {over})]\n"
        "print(len(jax.devices()), json.dumps([part.metrics['loss'].tolist() for part in found]))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout
    devices, _, found = printed.partition(" ")
    assert devices == "8"
    expected = [float(metrics["loss"][-1]) for _, metrics in singles()]
    for losses in json.loads(found):
        np.testing.assert_allclose(losses, (expected * 4)[: len(losses)], rtol=1e-4)


def test_a_model_does_not_depend_on_who_shares_the_program():
    """On a CPU members go one after another: not even the bits do."""
    how = {"epochs": 2, "progress": False, "within": "loop"}
    together = sweep.sweep(RECIPE, MEMBERS, DATA, **how)
    alone = sweep.sweep(RECIPE, MEMBERS.take([1]), DATA, **how)
    jax.tree.map(np.testing.assert_array_equal, alone.params(0), together.params(1))
    in_chunks = sweep.sweep(RECIPE, MEMBERS, DATA, chunk=1, **how)
    jax.tree.map(np.testing.assert_array_equal, in_chunks.states(), together.states())
    jax.tree.map(np.testing.assert_array_equal, in_chunks.params(2), together.params(2))


def test_one_compilation_for_all_values():
    traces = []

    def counted(key, x):
        traces.append(1)
        return x.astype(jnp.float32) / 255

    recipe = replace(RECIPE, preprocess=counted)
    how = {"epochs": 3, "chunk": 4, "progress": False}
    sweep.sweep(recipe, grid(recipe, beta=[1, 2], seeds=2), DATA, **how)
    assert len(traces) == 2  # once for the initial states, once for the steps
    sweep.sweep(recipe, grid(recipe, beta=[0.1, 9], learning_rate=1e-4, seeds=[7, 8]), DATA, **how)
    sweep.sweep(recipe, grid(recipe, beta=[3, 4, 5, 6], seeds=3), DATA, **how)
    assert len(traces) == 2


def test_a_member_that_diverges_is_marked_and_hurts_nobody():
    sound = members_of(RECIPE, [{"beta": 1.0}, {"beta": 2.0}, {"beta": 4.0}])
    broken = members_of(RECIPE, [{"beta": 1.0}, {"beta": 2.0, "learning_rate": 1e30}, {"beta": 4.0}])
    for within in sweep.WITHIN:
        how = {"epochs": 2, "progress": False, "within": within}
        found, expected = (sweep.sweep(RECIPE, who, DATA, **how) for who in (broken, sound))
        assert found.finite.tolist() == [True, False, True]
        for index in (0, 2):
            jax.tree.map(np.testing.assert_array_equal, found.params(index), expected.params(index))
    rows = sweep.evaluate(RECIPE, broken, found, DATA)
    assert [row["diverged"] for row in rows] == [False, True, False]
    assert np.isnan(rows[1]["rate"]) and np.isfinite(rows[0]["rate"])


def test_going_on_gives_the_bits_of_an_uncut_run():
    """From the host, as a checkpoint gives it, and in the calls of several epochs that a sweep makes."""
    run = partial(fit, RECIPE, MEMBERS, DATA, epochs=40, progress=False, together=None)
    words = [(word.done, word.metrics, word.population.states()) for word in run()]
    half = next(states for done, _, states in words if done == 20)
    layout = lay_out(MEMBERS.count)
    start = Population(layout, layout.place(half), np.full(3, -1), {})
    rest = [(word.done, word.metrics, word.population.states()) for word in run(start=start)]
    assert [done for done, *_ in rest] == [30, 40]
    jax.tree.map(np.testing.assert_array_equal, rest[-1][1:], words[-1][1:])


def test_gathered_on_the_devices_is_what_is_fetched():
    """What processes save together, padding aside, is what one process has on its host."""
    for within in sweep.WITHIN:
        layout = lay_out(MEMBERS.count, jax.devices(), within)
        population = driver.begin(RECIPE, MEMBERS, DATA, layout)
        gathered = jax.tree.map(lambda leaf: np.asarray(leaf)[:3], layout.gather(population.calls))
        jax.tree.map(np.testing.assert_array_equal, gathered, population.states())


def test_a_grid_is_every_combination_and_refuses_what_makes_no_sense():
    who = grid(RECIPE, beta=[1.0, 2.0], learning_rate=[1e-3, 1e-4], seeds=[4, 5])
    assert len(who.seeds) == 8 and len({tuple(who.named(i).items()) for i in range(8)}) == 8
    assert who.named(7) == {"learning_rate": 0.0001, "beta": 2.0, "beta_steps": 0.0, "beta_period": 0.0, "seed": 5}
    with pytest.raises(InputError, match=r"beta: 1.0 is given twice"):
        grid(RECIPE, beta=[1.0, 2.0, 1.0])
    with pytest.raises(InputError, match="beta: expected at least one value; got none"):
        grid(RECIPE, beta=[])
    with pytest.raises(InputError, match=r"beta: 0.1 is given twice"):
        grid(RECIPE, beta=[0.1, 0.10000000001])  # one number in float32
    with pytest.raises(InputError, match="no hyperparameter 'gamma'"):
        grid(RECIPE, gamma=1.0)
    with pytest.raises(ValueError, match="expected within to be one of"):
        sweep.sweep(RECIPE, who, DATA, epochs=1, within="scan", progress=False)


def test_the_memory_estimate_grows_with_what_it_counts():
    wide = replace(RECIPE, model=VAE(DenseEncoder(3, (64,)), DenseDecoder((4, 4, 1), (64,))))
    large = replace(RECIPE, batch_size=40)
    of = partial(sweep.bytes_per_member, data=DATA)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(training.init(RECIPE, jax.random.key(0), DATA).params))
    assert of(RECIPE, within="map") == pytest.approx(4 * 3 * 4 * parameters, rel=0.01)  # Adam has two moments
    assert of(wide, within="map") > 3 * of(RECIPE, within="map")
    assert of(large, within="vmap") > of(RECIPE, within="vmap") > of(RECIPE, within="map") == of(large, within="map")
    assert sweep.members_that_fit(RECIPE, DATA, devices=jax.devices(), within="map") > 1000


def test_what_diverged_is_named_across_parts_and_a_seed_is_given_once():
    with pytest.raises(InputError, match="seeds: 1 is given twice"):
        sweep.grid(RECIPE, seeds=[1, 1])
    broken = members_of(RECIPE, [{"beta": 1.0}, {"beta": 2.0, "learning_rate": 1e30}, {"beta": 4.0}])
    found = sweep.sweep(RECIPE, broken, DATA, epochs=2, progress=False, chunk=2)
    assert [bool(cause) for cause in found.causes] == [False, True, False]
