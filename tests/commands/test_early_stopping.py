"""Early stopping, and runs that end by steps or by the clock."""

import json
from dataclasses import replace
from itertools import pairwise

import jax
import numpy as np
import pytest
from quick import few_codes, no_pictures
from recipes import EVERY_LOSS

import vae_jax
from vae_jax.commands import sweep as sweep_command
from vae_jax.commands import train as train_command
from vae_jax.errors import InputError
from vae_jax.losses import LOSSES
from vae_jax.runs import Config, SweepConfig, build
from vae_jax.runs.best import begin_best, ramps_end
from vae_jax.training import begin, grid, lay_out

SMALL = {"hidden": (8,), "latent": 2, "batch_size": 256}
OVERFITS = {**SMALL, "learning_rate": 0.1}  # the validation ELBO goes up and down


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    few_codes(monkeypatch)
    no_pictures(monkeypatch)


def validation(folder, model=None):
    rows = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [row["validation"]["negative_elbo"] for row in rows if model in (None, row.get("model"))]


def ends(values, patience):
    """The epoch that training ends after, and the best."""
    best = 0
    for epoch, value in enumerate(values, 1):
        if best == 0 or value < values[best - 1]:
            best = epoch
        if epoch - best >= patience:
            return epoch, best
    return len(values), best


def test_it_ends_where_the_elbo_no_longer_improves_and_keeps_the_best(tmp_path):
    config = Config(**OVERFITS, epochs=40, patience=2, out=tmp_path / "run")
    train_command.main(config)
    values = validation(tmp_path / "run")
    end, best = ends(values, 2)
    assert len(values) == end < 40 and best < end
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["epochs"], summary["best_epoch"]) == (end, best)
    train_command.main(replace(config, epochs=best, patience=None, out=tmp_path / "short"))
    one, other = (vae_jax.load(tmp_path / name).params for name in ("run", "short"))
    jax.tree.map(np.testing.assert_array_equal, one, other)
    train_command.main(replace(config, resume=True))  # nothing is left to train
    assert validation(tmp_path / "run") == values


def test_cut_and_gone_on_with_it_ends_at_the_same_epoch(tmp_path, monkeypatch):
    config = Config(**OVERFITS, epochs=40, patience=2, out=tmp_path / "whole")
    train_command.main(config)
    monkeypatch.setattr("vae_jax.runs.trainer.SAVE_EVERY", 0.0)
    first = replace(config, out=tmp_path / "cut", epochs=2)
    train_command.main(first)
    train_command.main(replace(first, epochs=40, resume=True))
    rows = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "cut")]
    assert rows[0] == rows[1]
    one, other = (vae_jax.load(tmp_path / name).params for name in ("whole", "cut"))
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_each_member_of_a_sweep_has_its_own_best_epoch(tmp_path):
    shared = {**OVERFITS, "epochs": 12, "patience": 2}
    sweep_command.main(SweepConfig(**shared, betas=(0.5, 8.0), seeds=1, devices=1, out=tmp_path / "sweep"))
    for beta in (0.5, 8.0):
        train_command.main(Config(**shared, beta=beta, out=tmp_path / f"{beta}"))
        one, other = vae_jax.load(tmp_path / "sweep", beta=beta).params, vae_jax.load(tmp_path / f"{beta}").params
        jax.tree.map(np.testing.assert_array_equal, one, other)


def test_a_member_out_of_patience_stays_as_it_was(tmp_path):
    """Also where its later epochs are better, which the others still train through."""
    experiment = build(Config(**SMALL, out=tmp_path))
    members = grid(experiment.recipe, seeds=2)
    population = begin(experiment.recipe, members, experiment.data.train, lay_out(2, jax.devices()[:1]))
    best = begin_best(1, population, None)
    for epoch, value in enumerate(([5.0, 5.0], [6.0, 4.0], [1.0, 3.0], [np.nan, 3.0]), 1):
        best = best.after(population, np.array(value), epoch)
    assert best.value.tolist() == [5.0, 3.0] and best.epoch.tolist() == [1, 3] and best.done(4).all()
    never = begin_best(1, population, None).after(population, np.array([np.nan, 1.0]), 1)
    trained = population._replace(
        calls=[call._replace(params=jax.tree.map(lambda p: p + 1, call.params)) for call in population.calls]
    )
    kept = [jax.tree.leaves(never.of(trained).params(index))[0] for index in (0, 1)]
    last, first = (jax.tree.leaves(of.params(index))[0] for of, index in ((trained, 0), (population, 1)))
    np.testing.assert_array_equal(kept[0], last)
    np.testing.assert_array_equal(kept[1], first)


def test_steps_are_rounded_up_to_epochs_and_the_clock_ends_a_run(tmp_path):
    train_command.main(Config(**SMALL, steps=11, out=tmp_path / "steps"))
    summary = json.loads((tmp_path / "steps" / "summary.json").read_text())
    assert (summary["steps"], summary["epochs"]) == (12, 3)  # four to an epoch
    config = Config(**SMALL, epochs=5, minutes=0.0, out=tmp_path / "clock")
    train_command.main(config)
    assert len(validation(tmp_path / "clock")) == 1
    train_command.main(replace(config, minutes=None, resume=True))
    assert len(validation(tmp_path / "clock")) == 5
    with pytest.raises(InputError, match="--epochs and --steps both say how long"):
        build(Config(epochs=1, steps=1))


def test_what_depends_on_the_length_of_a_run_goes_on_with_no_other(tmp_path):
    config = Config(**SMALL, epochs=2, schedule="cosine", warmup_steps=2.0, out=tmp_path / "run")
    assert float(build(config).hyper["decay_steps"]) == 8.0
    train_command.main(config)
    with pytest.raises(InputError, match="epochs was 2, now 3"):
        train_command.main(replace(config, epochs=3, resume=True))
    cycles = build(Config(**SMALL, epochs=4, beta_cycles=2)).hyper
    assert (float(cycles["beta_period"]), float(cycles["beta_steps"])) == (8.0, 4.0)
    assert float(build(Config(**SMALL, warmup_epochs=3.0)).hyper["beta_steps"]) == 12.0
    with pytest.raises(InputError, match=r"--beta-cycles 8: a cycle has 1 steps, and β rises over 0\.5"):
        build(Config(**SMALL, epochs=2, beta_cycles=8))
    with pytest.raises(InputError, match="--beta-cycles 2: a cycle has 4 steps, and β rises over 12"):
        build(Config(**SMALL, epochs=2, beta_cycles=2, warmup_epochs=3.0))
    with pytest.raises(InputError, match="--accumulate 9: the run has 8 steps in all"):
        build(Config(**SMALL, epochs=2, accumulate=9))
    with pytest.raises(InputError, match="--warmup-epochs 1: the β of loss 'ae' does not rise; expected"):
        build(Config(loss="ae", warmup_epochs=1.0))


@pytest.mark.parametrize("loss", EVERY_LOSS)
def test_the_epoch_that_is_kept_has_the_best_objective_of_those_seen(loss, tmp_path):
    """With all ramps complete; for a loss with critics, whose objective moves with them, the best negative ELBO."""
    train_command.main(Config(**OVERFITS, loss=loss, epochs=5, patience=5, out=tmp_path / "run"))
    rows = [json.loads(line)["validation"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    measure = "negative_elbo" if LOSSES[loss].critics else "objective"
    values = [row[measure] for row in rows]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert np.isfinite(values).all() and summary["best_epoch"] == int(np.argmin(values)) + 1
    if loss == "vae":
        np.testing.assert_allclose(values, [row["negative_elbo"] for row in rows], rtol=0.02)


def test_patience_counts_from_the_end_of_a_ramp(tmp_path):
    """β rises over the first three of six epochs, in which nothing may improve."""
    flags = {**OVERFITS, "learning_rate": 1.0, "warmup_epochs": 3.0, "patience": 1}
    train_command.main(Config(**flags, epochs=6, out=tmp_path / "run"))
    values = [json.loads(line)["validation"]["objective"] for line in (tmp_path / "run" / "metrics.jsonl").open()]
    epochs = next((n for n in range(4, 7) if n - max(3, int(np.argmin(values[:n])) + 1) >= 1), 6)
    assert len(values) == epochs >= 4
    assert any(after > before for before, after in pairwise(values))  # it would have ended


def test_ramps_end_where_the_last_of_them_does():
    recipe = build(Config(**SMALL, loss="capacity")).recipe
    members = grid(recipe, capacity_steps=[0.0, 10.0, 11.0])
    assert ramps_end(recipe, members, 5).tolist() == [0, 2, 3]
    assert ramps_end(build(Config(**SMALL, loss="ae")).recipe, grid(recipe), 5).tolist() == [0]


def test_an_optimal_sigma_is_that_of_the_training_part(tmp_path):
    """Every figure is at it: distortion, log p(x) and bits."""
    train_command.main(
        Config(**{**SMALL, "batch_size": 64}, loss="sigma-vae", epochs=12, patience=12, out=tmp_path / "run")
    )
    model = vae_jax.load(tmp_path / "run")
    codes = model.codes(model.data.train, jax.random.key(0))
    x = np.asarray(model.recipe.preprocessed(jax.random.key(1), model.data.train.x))
    error = np.mean(np.square(np.asarray(model.decode(codes.drawn)) - x))
    optimal = model.params["likelihood"]["optimal"]
    assert float(optimal["squares"] / optimal["weight"]) == pytest.approx(error, rel=0.1)
    test = json.loads((tmp_path / "run" / "summary.json").read_text())["test"]
    d, sigma2 = 64, float(optimal["squares"] / optimal["weight"])
    codes = model.test_codes
    seen = np.asarray(model.recipe.preprocessed(jax.random.key(1), model.data.test.x))
    squares = np.square(np.asarray(model.decode(codes.drawn)) - seen).sum(axis=(1, 2, 3)).mean()
    expected = 0.5 * (squares / sigma2 + d * np.log(2 * np.pi * sigma2))
    assert test["distortion"] == pytest.approx(expected, abs=0.5) and test["distortion"] < 0.5 * d * np.log(2 * np.pi)
