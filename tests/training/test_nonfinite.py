"""What becomes NaN or infinite: seen within a call, named, never kept, and skipped where that is wanted."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from quick import few_codes, no_pictures
from recipes import initial, recipe_of
from tables import enter

from vae_jax import training
from vae_jax.commands import train as train_command
from vae_jax.data import Examples
from vae_jax.losses import LOSSES, Loss, Ramp
from vae_jax.losses.elbo import elbo_terms
from vae_jax.runs import Config, SweepConfig, trainer
from vae_jax.runs.configuration.cells import cells
from vae_jax.runs.storage.folder import RunFolder
from vae_jax.runs.storage.parts import read_parts
from vae_jax.training import DivergedError, fit, grid, hyperparameters, train_one
from vae_jax.training.divergence import divergence, skipped_in_a_row

IN_EPOCH = 8
DATA = Examples((np.random.RandomState(0).rand(IN_EPOCH * 16, 6) < 0.3).astype(np.float32))


def burst(key, x, encode, decode, *, prior, weight=1.0):
    """A VAE whose rate is NaN at steps 11 and 12 of the hundred that `weight` takes to rise."""
    terms = elbo_terms(key, x, encode, decode, prior)
    terms = terms._replace(kl=jnp.where((weight > 0.105) & (weight < 0.125), jnp.nan, terms.kl))
    return terms.distortion + terms.rate, terms


BURST = Loss(
    name="burst",
    function=burst,
    ramps={"weight": Ramp(100.0)},
)


def overflowing(learning_rate):
    return optax.chain(optax.scale(1e38), optax.sgd(learning_rate * 1e20))


def recipe(**how) -> training.Recipe:
    return replace(recipe_of("vae", shape=(6,)), loss=BURST, batch_size=16, **how)


def members(made: training.Recipe, *steps: float) -> training.Members:
    return grid(made, weight=1.0, weight_steps=[float(n) for n in steps])


def test_it_is_named_with_its_step_and_nothing_is_lost():
    made = recipe()
    *_, word = fit(made, members(made, 100), DATA, epochs=3)
    assert word.done == 2 and word.population.bad.tolist() == [11] and word.population.causes == ("rate",)
    with pytest.raises(DivergedError, match=r"the rate became NaN or infinite at step 11 \(epoch 2\)"):
        train_one(made, members(made, 100), DATA, epochs=3)


def test_a_state_is_named_where_the_loss_was_still_finite():
    """An update overflows, and the step that would show it in the loss does not come."""
    made = replace(recipe_of("vae", shape=(6,)), batch_size=len(DATA.x), optimizer=overflowing)
    *_, word = fit(made, grid(made), DATA, epochs=3)
    assert word.done == 1 and word.population.bad.tolist() == [0]
    assert np.isfinite(word.metrics["loss"]).all() and word.population.causes[0].startswith("params.")
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(word.population.states()))


@pytest.mark.parametrize(
    "within", [pytest.param(name, marks=pytest.mark.slow if name == "map" else ()) for name in training.WITHIN]
)
def test_a_member_that_diverges_stands_where_it_was_and_the_others_go_on(within):
    made = recipe()
    both = members(made, 100, 1e6)
    layout = training.lay_out(2, jax.devices()[:1], within)
    words = list(fit(made, both, DATA, epochs=4, layout=layout))  # states are donated: look while they are there
    assert [word.done for word in words] == [1, 2, 3, 4]
    states = [word.population.states() for word in fit(made, both, DATA, epochs=4, layout=layout)]
    (alone,) = (w.population.states() for w in fit(made, both.take([0]), DATA, epochs=1))
    for after in states:
        jax.tree.map(lambda leaf, one: np.testing.assert_allclose(leaf[0], one[0], rtol=1e-5), after, alone)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after))
    assert states[-1].step.tolist() == [IN_EPOCH, 4 * IN_EPOCH]
    assert [np.isnan(word.metrics["loss"]).tolist() for word in words] == [[[False], [False]], *[[[True], [False]]] * 3]


def test_skipped_steps_change_nothing_but_the_count():
    """The steps of a loss without the burst, 11 and 12 left out, by hand."""
    made, key = recipe(skip_nonfinite=True), grid(recipe()).keys[0]
    *_, word = fit(made, members(made, 100), DATA, epochs=3)
    assert word.population.finite.all()
    plain = replace(made, loss=LOSSES["vae"], skip_nonfinite=False)
    state, hyper = initial(plain, jax.random.clone(key), DATA), hyperparameters(plain, beta=1.0)
    rows = [training.order(plain, jax.random.clone(key), epoch, DATA) for epoch in range(3)]
    step = jax.jit(partial(training.step, plain))
    for index, row in enumerate(jnp.concatenate(rows)):
        batch = jax.tree.map(lambda leaf, row=row: leaf[row], DATA)
        after, _ = step(state, jax.random.clone(key), hyper, batch)
        state = state._replace(step=state.step + 1) if index in (11, 12) else after
    found = word.population.state(0)
    jax.tree.map(lambda *leaves: np.testing.assert_allclose(*leaves, rtol=1e-4, atol=1e-6), found.params, state.params)
    assert found.step == 3 * IN_EPOCH
    _, metrics = jax.jit(partial(training.run, made, epochs=3))(
        jax.random.clone(key), hyperparameters(made, weight=1.0, weight_steps=100.0), DATA
    )
    np.testing.assert_allclose(metrics["skipped"], [0, 2 / IN_EPOCH, 0])
    assert np.isfinite(metrics["loss"]).all()
    np.testing.assert_allclose(metrics["loss"][-1], word.metrics["loss"][0, 0], rtol=1e-5)


def test_where_every_step_is_skipped_the_run_stops():
    made = replace(recipe_of("vae", shape=(6,)), batch_size=16, skip_nonfinite=True, optimizer=overflowing)
    with pytest.raises(DivergedError, match=r"became NaN or infinite at step 0 .*no step after it could be kept"):
        train_one(made, grid(made), DATA, epochs=3)


def test_a_skipped_step_that_is_a_whole_epoch_does_not_stop_the_run():
    made = recipe(skip_nonfinite=True)
    made = replace(made, batch_size=len(DATA.x))
    words = list(fit(made, members(made, 17), DATA, epochs=4))  # at step 2 the weight is 2/17
    assert [word.metrics["skipped"].item() for word in words] == [0, 0, 1, 0]
    assert words[-1].population.finite.all() and words[-1].population.state(0).step == 4


def test_a_good_checkpoint_stays_and_is_gone_on_from_with_skip(monkeypatch, tmp_path):
    few_codes(monkeypatch)
    no_pictures(monkeypatch)
    enter(monkeypatch, LOSSES, "burst", BURST)
    np.savez(tmp_path / "rows.npz", x=DATA.x)
    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)
    flags = {"data": str(tmp_path / "rows.npz"), "loss": "burst", "set": ("weight_steps=100",), "hidden": (8,)}
    config = Config(out=tmp_path / "run", batch_size=16, epochs=4, latent=2, **flags)
    with pytest.raises(DivergedError, match=r"the rate .* at step 11 \(epoch 2\).*.on_nonfinite=skip"):
        train_command.main(config)
    (part,) = read_parts(tmp_path / "run" / "checkpoints")
    assert part.store.steps() == [1] and part.store.verify(1) == []
    train_command.main(replace(config, on_nonfinite="skip", resume=True))
    assert part.store.steps() == [3, 4]


def test_a_member_that_has_diverged_never_moves_again():
    """One step an epoch, which leaves four of twenty rows out: the one with NaN does not come every time."""
    spoilt = Examples(np.where(np.arange(20)[:, None] == 7, np.float32(np.nan), DATA.x[:20]))
    made, first = replace(recipe_of("vae", shape=(6,)), batch_size=16), np.full(6, -1)
    for word in fit(made, grid(made, seeds=6), spoilt, epochs=6):
        bad, steps = word.population.bad, word.population.states().step
        assert np.all((first < 0) | (bad == first))
        np.testing.assert_array_equal(steps, np.where(bad < 0, word.done, bad))
        np.testing.assert_array_equal(np.isnan(word.metrics["loss"][:, -1]), bad >= 0)
        first = bad
    assert (first >= 0).any()


def test_the_optimisers_state_is_seen_where_no_parameter_shows_it():
    """Adam on a gradient whose square overflows: its second moment is infinite, its updates are 0."""
    unseen = lambda learning_rate: optax.chain(optax.scale(1e30), optax.adam(learning_rate))
    made = replace(recipe_of("vae", shape=(6,)), batch_size=len(DATA.x), optimizer=unseen)
    *_, word = fit(made, grid(made), DATA, epochs=3)
    assert word.done == 1 and word.population.bad.tolist() == [0]
    assert word.population.causes[0].startswith("opt_state.")


def test_a_rate_that_is_never_defined_is_not_the_cause():
    def point(key, x, encode, decode, *, prior, weight=1.0):
        terms = elbo_terms(key, x, encode, decode, prior)
        return terms.distortion + jnp.where(weight > 0.105, jnp.nan, 0), terms._replace(kl=jnp.nan * terms.kl)

    made = replace(recipe(), loss=replace(BURST, name="point", function=point))
    with pytest.raises(DivergedError, match="the loss became NaN or infinite at step 11"):
        train_one(made, members(made, 100), DATA, epochs=3)


def test_rows_of_a_diverged_member_are_null_also_after_going_on(monkeypatch, tmp_path):
    enter(monkeypatch, LOSSES, "burst", BURST)
    np.savez(tmp_path / "rows.npz", x=DATA.x)
    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)
    flags = {"data": str(tmp_path / "rows.npz"), "loss": "burst", "vary": ("weight_steps=100,1e6",), "hidden": (8,)}
    config = SweepConfig(seeds=1, batch_size=16, epochs=4, latent=2, resume=True, **flags)
    (cell,) = cells(config)

    def go(name):
        with RunFolder(tmp_path / name, config) as folder:
            (done,) = trainer.train_cell(folder, cell, devices=None, over=None, chunk=None)
            return done, folder.rows()

    def cut(*args, **how):
        for word in fit(*args, **how):
            if word.done == 4:
                raise KeyboardInterrupt
            yield word

    whole, rows = go("whole")
    for part, metric in (("train", "loss"), ("validation", "negative_elbo")):
        assert [row[part][metric] is None for row in rows] == [False, False] + [True, False] * 3
    assert [row["diverged"] for row in whole.part.rows or []] == [True, False]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer, "fit", cut)
        go("cut")
    resumed, again = go("cut")
    assert resumed.epochs == 1 and resumed.part.rows == whole.part.rows and again == rows


def test_a_hundred_skipped_steps_in_a_row_end_a_run_of_epochs_of_one_step():
    one = Examples(DATA.x[:16])
    made = replace(recipe_of("vae", shape=(6,)), batch_size=16, skip_nonfinite=True, optimizer=overflowing)
    words = list(fit(made, grid(made), one, epochs=250, together=1))
    assert len(words) == 100 and words[-1].population.bad.tolist() == [99]


def test_runs_of_skipped_steps_are_counted_over_the_ends_of_parts():
    assert skipped_in_a_row(np.array([1, 1, 0, 1.0]), 3) == (5, 1)
    assert skipped_in_a_row(np.array([1, 1.0]), 98) == (100, 100)
    assert skipped_in_a_row(np.array([0, 0.0]), 98) == (98, 0)
    skipped = {"loss": np.ones(2), "skipped": np.array([1, 0.0])}
    assert divergence(skipped, ["a"], -1, 99) == (-1, "") and divergence(skipped, ["a"], -1, 100)[0] == 0
