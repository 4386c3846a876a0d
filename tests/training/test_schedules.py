"""Learning rate schedules: against optax's and against the published list of stages."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vae_jax.training import SCHEDULES


def rates(name: str, steps, **hyper) -> np.ndarray:
    schedule = SCHEDULES[name]
    leaves = {key: jnp.float32(hyper.pop(key, entry.default)) for key, entry in schedule.hyper.items()}
    assert not hyper
    at = jax.jit(jax.vmap(lambda step: schedule.at(step, {"learning_rate": jnp.float32(1e-3), **leaves})))
    return np.asarray(at(jnp.asarray(steps, jnp.int32)))


def test_cosine_is_optaxs():
    """optax's rise begins at 0, ours one step later, so that the first step is not lost."""
    theirs = optax.warmup_cosine_decay_schedule(0.0, 1e-3, 100, 1000, 1e-5)
    steps = np.arange(0, 1200, 7)
    found = rates("cosine", steps, warmup_steps=100, decay_steps=1000, final_rate=0.01)
    np.testing.assert_allclose(found[steps < 100], [theirs(step + 1) for step in steps[steps < 100]], rtol=1e-5)
    np.testing.assert_allclose(
        found[steps >= 100], [theirs(step) for step in steps[steps >= 100]], rtol=1e-4, atol=1e-9
    )


def test_warmup_rises_and_stays():
    found = rates("warmup", range(10), warmup_steps=4)
    np.testing.assert_allclose(found, 1e-3 * np.minimum(np.arange(1, 11) / 4, 1), rtol=1e-6)


def test_stages_are_those_of_burda():
    """Stage i of 0 … 7 takes 3^i epochs at 10^(−i/7) of the rate."""
    epochs = [stage for stage in range(8) for _ in range(3**stage)]
    found = rates("stages", np.arange(len(epochs)), decay_steps=len(epochs))
    np.testing.assert_allclose(found, [1e-3 * 10 ** (-stage / 7) for stage in epochs], rtol=1e-5)


def test_stages_of_equal_length():
    found = rates("stages", np.arange(100), decay_steps=100, stages=4, stage_growth=1, final_rate=0.125)
    np.testing.assert_allclose(found, np.repeat(1e-3 * 0.5 ** np.arange(4), 25), rtol=1e-5)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_goes_from_what_is_asked_to_no_less_than_nothing(name):
    found = rates(name, np.arange(0, 30_000, 100))
    assert (
        np.isfinite(found).all() and found[0] == pytest.approx(1e-3) and (found >= 0).all() and found.max() <= 1.001e-3
    )
    assert SCHEDULES[name].ends == ("decay_steps" in SCHEDULES[name].hyper)
    assert 10 < len(SCHEDULES[name].summary) < 120


@pytest.mark.parametrize(("count", "growth"), [(100, 3), (20, 100), (41, 10)])
def test_stages_of_which_the_first_is_lost_in_rounding(count, growth):
    """growth^count is no float32; the last stages are those that can be told apart."""
    found = rates("stages", np.arange(1000), decay_steps=1000, stages=count, stage_growth=growth)
    assert np.isfinite(found).all() and (np.diff(found) <= 0).all() and found[-1] == pytest.approx(1e-4, rel=1e-3)
    assert found[0] == pytest.approx(1e-3, rel=1e-3)


def test_one_stage_and_a_run_of_one_step_are_no_division_by_zero():
    np.testing.assert_allclose(rates("stages", [0, 5], stages=1, decay_steps=10), 1e-3)
    assert np.isfinite(rates("cosine", [0, 1], decay_steps=1, warmup_steps=1)).all()
