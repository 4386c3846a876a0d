"""experiments/evaluate.py on a run and on a sweep: every number with its error, and nothing measured twice."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import matplotlib.image
import numpy as np
import PIL.Image
import pytest
from quick import no_pictures
from squares import SMALL, enter_squares

import vae_jax
from vae_jax.commands import evaluate as evaluate_command
from vae_jax.commands import sweep as sweep_command
from vae_jax.commands import train as train_command
from vae_jax.commands.cli import run_command
from vae_jax.evaluation.metrics import SCORES
from vae_jax.keys import Keys
from vae_jax.plots.traversals import by_rate
from vae_jax.runs import Config, Models, SweepConfig
from vae_jax.runs.storage.folder import FORMAT
from vae_jax.runs.sweep_measures import measure_models


@pytest.fixture(autouse=True)
def _small(monkeypatch, tmp_path):
    enter_squares(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def evaluate(folder: Path, **how) -> dict:
    chosen = {"samples": 20, "codes": 50, "scores": ("mig", "modularity"), **how}
    evaluate_command.main(evaluate_command.EvaluateConfig(run=folder, **chosen))
    return json.loads((how.get("out", folder) / "evaluation.json").read_text())


def test_a_run_is_measured(tmp_path, capsys):
    train_command.main(Config(out=tmp_path / "run", **SMALL))
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    found = evaluate(tmp_path / "run")
    assert found["test"] == summary["test"] and found["prior_match"] == summary["prior_match"]  # the same code
    likelihood = found["log_likelihood"]
    assert likelihood["samples"] == 20 and likelihood["error"] > 0 and "importance" in likelihood["estimator"]
    assert list(likelihood["bounds"]) == ["1", "20"]
    assert found["of"]["seed"] == 0 and found["of"]["epoch"] == 2 and found["of"]["config"]["data"] == "squares"
    assert isinstance(likelihood["converged"], bool) and list(likelihood["gains"]) == ["20"]
    assert likelihood["bits_per_dimension"] is None  # black and white pixels have no 256 levels
    assert likelihood["bounds"]["20"][0] == likelihood["log_likelihood"] >= likelihood["bounds"]["1"][0]
    aggregate = found["aggregate_posterior"]
    assert aggregate["data_size"] == 128 and aggregate["samples"] == 50
    assert aggregate["mutual_information"][0] <= aggregate["log_data_size"] == pytest.approx(np.log(128))
    assert {"stratified", "weighted"} <= aggregate["minibatch_estimates"].keys()
    for name in ("mig", "modularity"):
        score = found["disentanglement"][name]
        assert score.keys() == {"value", "error", "perfect", "chance"} and score["error"] >= 0
    assert found["sample_quality"]["samples"] == 64 and found["proper_likelihood"]  # the squares are black and white
    pictures = ("traversals", "log_likelihood", "factor_information", "reconstructions", "samples")
    for name in (*pictures, "aggregate_posterior", "interpolations"):
        assert matplotlib.image.imread(tmp_path / "run" / f"{name}.png").std() > 0.01
    assert PIL.Image.open(tmp_path / "run" / "traversals.gif").n_frames == 16
    out = capsys.readouterr().out
    assert "−log p(x)" in out and "(perfect code" in out and "over 128 posteriors" in out


@pytest.mark.usefixtures("_no_pictures")
def test_what_a_model_does_not_have_is_said(tmp_path, capsys):
    train_command.main(Config(out=tmp_path / "ae", loss="ae", **{**SMALL, "data": "digits"}))
    found = evaluate(tmp_path / "ae")
    for name in ("log_likelihood", "aggregate_posterior"):
        assert found[name] == {"left_out": "the code of ae is a point, which has no density"}
    assert "held to no prior" in found["sample_quality"]["left_out"]
    assert not found["proper_likelihood"]  # grey digits
    assert found["disentanglement"]["left_out"] == "the factors of digits are not known"
    assert "no log likelihood: the code of ae is a point" in capsys.readouterr().out
    train_command.main(Config(out=tmp_path / "cvae", loss="cvae", prior="label", **SMALL))
    found = evaluate(tmp_path / "cvae")
    assert "against N(0, I)" in found["aggregate_posterior"]["left_out"]
    assert found["disentanglement"]["left_out"] == "the encoder takes labels"
    assert found["log_likelihood"]["log_likelihood"] < 0 and found["sample_quality"]["model"]["frechet"] > 0


@pytest.mark.slow
def test_a_sweep_is_measured_and_goes_on_where_it_was_cut(tmp_path, capsys, monkeypatch):
    sweep = {**SMALL, "betas": (1.0, 4.0), "seeds": 2, "devices": 2, "out": tmp_path / "sweep"}
    with monkeypatch.context() as patch:
        no_pictures(patch)
        sweep_command.main(SweepConfig(**sweep))
    found = evaluate(tmp_path / "sweep", out=tmp_path / "out")
    assert [entry["beta"] for entry in found["settings"]] == [1.0, 4.0] and len(found["models"]) == 4
    for name in (
        "negative_elbo",
        "negative_log_likelihood",
        "mutual_information",
        "sample_frechet",
        "mig",
    ):
        low, high = found["settings"][0][name]["interval"]
        assert low <= found["settings"][0][name]["mean"] <= high
    assert found["settings"][0]["udr"]["interval"] is None  # two models have one agreement, not two
    assert found["calibration"].keys() == {"mig", "modularity"}
    table = (tmp_path / "sweep" / "results.csv").read_text().splitlines()
    column = table[0].split(",").index("negative_elbo")
    elbos = [entry["measured"]["test"]["negative_elbo"] for entry in found["models"]]
    np.testing.assert_allclose(elbos, [float(row.split(",")[column]) for row in table[1:]], rtol=1e-5)
    model = vae_jax.load(tmp_path / "sweep", beta=4.0, seed=1)
    assert (float(model.experiment.hyper["beta"]), model.experiment.keys, model.row["seed"]) == (4.0, Keys(1), 1)
    assert {path.name for path in (tmp_path / "out" / "traversals").iterdir()} == {"beta-1", "beta-4"}
    assert matplotlib.image.imread(tmp_path / "out" / "scores.png").std() > 0.01
    assert "perfect" in capsys.readouterr().out
    assert found["of"]["config"]["betas"] == [1.0, 4.0] and "jax" in found["of"]["versions"]
    assert found["models"][0]["measured"]["epoch"] == 2

    cut = {**found, "models": found["models"][:3]}
    (tmp_path / "out" / "evaluation.json").write_text(json.dumps(cut))
    calls = []
    measure = evaluate_command.evaluate_model
    monkeypatch.setattr(evaluate_command, "evaluate_model", lambda *a, **k: calls.append(1) or measure(*a, **k))
    assert evaluate(tmp_path / "sweep", out=tmp_path / "out") == found and len(calls) == 1
    evaluate(tmp_path / "sweep", out=tmp_path / "out", codes=60)  # measured otherwise: all again
    assert len(calls) == 5


@pytest.mark.slow
def test_a_sweep_of_unlike_models_is_measured(tmp_path, capsys):
    """One without densities, one whose prior has no rate of each latent, and one that diverged."""
    out = tmp_path / "sweep"
    vary = ("loss=vae,ae", "learning_rate=1e-3,1e30")
    sweep_command.main(SweepConfig(**{**SMALL, "latent": 2}, vary=vary, seeds=1, devices=2, out=out, beta=None))
    found = evaluate(out, scores=("modularity",))
    kinds = {(entry["model"].get("loss"), entry["model"]["learning_rate"] > 1): entry for entry in found["models"]}
    assert kinds["vae", True]["measured"] is None
    by = {(entry["loss"], entry["learning_rate"] > 1): entry for entry in found["settings"]}
    assert by["vae", True]["diverged"] == 1 and by["vae", False]["diverged"] == 0
    assert by["vae", False]["negative_log_likelihood"]["mean"] > 0
    assert by["ae", False]["negative_log_likelihood"]["mean"] is None
    assert "left_out" in kinds["ae", False]["measured"]["log_likelihood"]
    assert 0 <= by["ae", False]["modularity"]["mean"] <= 1
    assert "negative_log_likelihood" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.usefixtures("_no_pictures")
def test_a_prior_without_a_rate_of_each_latent(tmp_path):
    sweep = {**SMALL, "betas": (1.0,), "seeds": 2, "devices": 2, "prior": "mixture", "out": tmp_path / "sweep"}
    sweep_command.main(SweepConfig(**sweep))
    found = evaluate(tmp_path / "sweep", scores=("modularity",))
    assert 0 <= found["settings"][0]["udr"]["mean"] <= 1
    assert "against N(0, I)" in found["models"][0]["measured"]["aggregate_posterior"]["left_out"]
    order, names = by_rate([3.0], 3)
    assert list(order) == [0, 1, 2] and names == ["z1", "z2", "z3"]


@pytest.mark.usefixtures("_no_pictures")
def test_another_sweep_is_not_taken_for_this_one(tmp_path):
    """Same β and seed, same file: what tells the two apart is the configuration."""
    calls = []
    for name, hidden in (("a", (16,)), ("b", (8,)), ("b", (8,))):
        sweep = {**SMALL, "hidden": hidden, "betas": (1.0,), "seeds": 1, "devices": 2, "out": tmp_path / name}
        sweep_command.main(SweepConfig(**sweep, resume=(tmp_path / name).exists()))
        measure_models(
            Models(tmp_path / name), tmp_path / "found.json", {}, lambda _, name=name: calls.append(name) or {}
        )
    assert calls == ["a", "b"]


MISTAKES = {
    "{}/nothing": "holds no run and no sweep (config.json cannot be read); expected the --out of one.",
    "{} --scores migg": "--scores migg: no such score; did you mean 'mig'?",
    "{} --features nowhere:f": "--features nowhere:f: expected module:function that can be imported",
    "{} --features math:pi": "--features math:pi: expected a function of images; got float.",
    "{} --samples 0": "--samples 0: expected a whole number of at least 1.",
    "{}/empty": "empty has no finished epoch; go on with it: train.py --out {}/empty --resume.",
    "{}/other": "is not what a command of this version wrote",
    "{}/cut": "the sweep in {}/cut is not finished; go on with it: sweep.py --out {}/cut --resume.",
}
CONFIGS = {"empty": {"data": "digits"}, "other": {"colour": 3}, "cut": {"betas": [1.0]}}


@pytest.mark.parametrize("flags", MISTAKES)
def test_a_mistake_is_one_plain_line(flags, tmp_path, monkeypatch):
    for name, config in CONFIGS.items():
        (tmp_path / name).mkdir()
        whole = asdict(SweepConfig() if "betas" in config else Config()) | {"format": FORMAT, **config}
        (tmp_path / name / "config.json").write_text(json.dumps(whole))
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *flags.format(tmp_path).split()])
    with pytest.raises(SystemExit) as stop:
        run_command(evaluate_command.main, evaluate_command.EvaluateConfig, "")
    message = str(stop.value.code)
    assert (
        message.startswith("error: ")
        and "\n" not in message
        and MISTAKES[flags].replace("{}", str(tmp_path)) in message
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_every_score_has_a_name_that_the_command_takes():
    text = str(evaluate_command.EvaluateConfig.__dataclass_fields__["scores"])
    assert text and all(name in Path(evaluate_command.__file__).read_text() for name in SCORES)
