"""experiments/evaluate.py on a run and on a sweep: every number with its error, and nothing measured twice."""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.image
import numpy as np
import PIL.Image
import pytest
from test_commands import script

from vae_jax import gallery
from vae_jax.data import DATASETS, Dataset, Examples, Factors, Source
from vae_jax.disentanglement import SCORES
from vae_jax.errors import InputError
from vae_jax.evaluation import sample_quality, samples
from vae_jax.experiment import Config, build
from vae_jax.keys import Keys
from vae_jax.sweep import assessment
from vae_jax.sweep import folder as sweep_folder
from vae_jax.sweep.cells import SweepConfig

SIZES = (2, 8, 8)
SMALL = {"data": "squares", "hidden": (16,), "latent": 3, "epochs": 2, "batch_size": 32}


def squares() -> Dataset:
    """Small and large squares at 64 places, all of them known."""
    images = np.zeros((*SIZES, 12, 12, 1), np.uint8)
    for size, row, column in np.ndindex(*SIZES):
        images[size, row, column, row : row + 2 + 2 * size, column : column + 2 + 2 * size] = 255
    x = images.reshape(-1, 12, 12, 1)
    examples = Examples(x, np.repeat(np.arange(2, dtype=np.int32), 64))
    factors = Factors(("size", "row", "column"), SIZES, lambda start, stop: x[start:stop])
    return Dataset("squares", examples, examples, examples, classes=2, factors=factors)


@pytest.fixture(autouse=True)
def _with_squares(monkeypatch, tmp_path):
    monkeypatch.setitem(DATASETS, "squares", Source("squares", lambda folder: squares(), epochs=2))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def evaluate(folder: Path, **how) -> dict:
    module = script("evaluate")
    module.main(
        module.EvaluateConfig(run=folder, **{"samples": 20, "codes": 50, "scores": ("mig", "modularity"), **how})
    )
    return json.loads((how.get("out", folder) / "evaluation.json").read_text())


def test_a_run_is_measured(tmp_path, capsys):
    script("train").main(Config(out=tmp_path / "run", **SMALL))
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    found = evaluate(tmp_path / "run")
    assert found["test"] == summary["test"] and found["prior_match"] == summary["prior_match"]  # the same code
    likelihood = found["log_likelihood"]
    assert likelihood["samples"] == 20 and likelihood["error"] > 0 and "importance" in likelihood["estimator"]
    assert list(likelihood["bounds"]) == ["1", "20"]
    assert likelihood["bounds"]["20"][0] == likelihood["log_likelihood"] >= likelihood["bounds"]["1"][0]
    aggregate = found["aggregate_posterior"]
    assert aggregate["data_size"] == 128 and aggregate["samples"] == 50
    assert aggregate["mutual_information"][0] <= aggregate["log_data_size"] == pytest.approx(np.log(128))
    assert {"stratified", "weighted"} <= aggregate["minibatch_estimates"].keys()
    for name in ("mig", "modularity"):
        score = found["disentanglement"][name]
        assert score.keys() == {"value", "error", "ceiling", "chance"} and score["error"] >= 0
    assert found["sample_quality"]["samples"] == 128 and found["proper_likelihood"]  # the squares are black and white
    pictures = ("traversals", "log_likelihood", "factor_information", "reconstructions", "samples")
    for name in (*pictures, "aggregate_posterior", "interpolations"):
        assert matplotlib.image.imread(tmp_path / "run" / f"{name}.png").std() > 0.01
    assert PIL.Image.open(tmp_path / "run" / "traversals.gif").n_frames == 16
    out = capsys.readouterr().out
    assert "−log p(x)" in out and "(ceiling" in out and "over all 128 posteriors" in out


def test_what_a_model_does_not_have_is_said(tmp_path, capsys):
    script("train").main(Config(out=tmp_path / "ae", loss="ae", **{**SMALL, "data": "digits"}))
    found = evaluate(tmp_path / "ae")
    for name in ("log_likelihood", "aggregate_posterior"):
        assert found[name] == {"left_out": "the code of ae is a point, which has no density"}
    assert "held to no prior" in found["sample_quality"]["left_out"]
    assert not found["proper_likelihood"]  # grey digits
    assert found["disentanglement"]["left_out"] == "the factors of digits are not known"
    assert "no log likelihood: the code of ae is a point" in capsys.readouterr().out
    script("train").main(Config(out=tmp_path / "cvae", loss="cvae", prior="label", **SMALL))
    found = evaluate(tmp_path / "cvae")
    assert "against N(0, I)" in found["aggregate_posterior"]["left_out"]
    assert found["disentanglement"]["left_out"] == "the encoder takes labels"
    assert found["log_likelihood"]["log_likelihood"] < 0 and found["sample_quality"]["feature_mmd2"] > 0


def test_a_sweep_is_measured_and_goes_on_where_it_was_cut(tmp_path, capsys, monkeypatch):
    sweep = {**SMALL, "betas": (1.0, 4.0), "seeds": 2, "devices": 2, "out": tmp_path / "sweep"}
    script("sweep").main(SweepConfig(**sweep))
    found = evaluate(tmp_path / "sweep", out=tmp_path / "out")
    assert [entry["beta"] for entry in found["settings"]] == [1.0, 4.0] and len(found["models"]) == 4
    for name in ("negative_elbo", "log_likelihood", "mutual_information", "feature_mmd2", "mig", "udr"):
        low, high = found["settings"][0][name]["interval"]
        assert low <= found["settings"][0][name]["mean"] <= high
    assert found["calibration"].keys() == {"mig", "modularity"}
    table = (tmp_path / "sweep" / "results.csv").read_text().splitlines()
    column = table[0].split(",").index("negative_elbo")
    elbos = [entry["measured"]["test"]["negative_elbo"] for entry in found["models"]]
    np.testing.assert_allclose(elbos, [float(row.split(",")[column]) for row in table[1:]], rtol=1e-5)
    experiment, _, row = sweep_folder.load(tmp_path / "sweep", beta=4.0, seed=1)
    assert (float(experiment.hyper["beta"]), experiment.keys, row["seed"]) == (4.0, Keys(1), 1)
    assert {path.name for path in (tmp_path / "out" / "traversals").iterdir()} == {"beta-1", "beta-4"}
    assert matplotlib.image.imread(tmp_path / "out" / "scores.png").std() > 0.01
    assert "ceiling" in capsys.readouterr().out

    cut = {**found, "models": found["models"][:3]}
    (tmp_path / "out" / "evaluation.json").write_text(json.dumps(cut))
    calls = []
    module = script("evaluate").measure
    everything = module.everything
    monkeypatch.setattr(module, "everything", lambda *a, **k: calls.append(1) or everything(*a, **k))
    assert evaluate(tmp_path / "sweep", out=tmp_path / "out") == found and len(calls) == 1
    evaluate(tmp_path / "sweep", out=tmp_path / "out", codes=60)  # measured otherwise: all again
    assert len(calls) == 5


def test_a_sweep_of_unlike_models_is_measured(tmp_path, capsys):
    """One without densities, one whose prior has no rate of each latent, and one that diverged."""
    out = tmp_path / "sweep"
    vary = ("loss=vae,ae", "learning_rate=1e-3,1e30")
    script("sweep").main(SweepConfig(**{**SMALL, "latent": 2}, vary=vary, seeds=1, devices=2, out=out, beta=None))
    found = evaluate(out, scores=("modularity",))
    kinds = {(entry["model"].get("loss"), entry["model"]["learning_rate"] > 1): entry for entry in found["models"]}
    assert kinds["vae", True]["measured"] is None
    by = {(entry["loss"], entry["learning_rate"] > 1): entry for entry in found["settings"]}
    assert by["vae", True]["diverged"] == 1 and by["vae", False]["diverged"] == 0
    assert by["vae", False]["log_likelihood"]["mean"] < 0 and by["ae", False]["log_likelihood"]["mean"] is None
    assert "left_out" in kinds["ae", False]["measured"]["log_likelihood"]
    assert 0 <= by["ae", False]["modularity"]["mean"] <= 1
    assert "log_likelihood" in capsys.readouterr().out


def test_a_prior_without_a_rate_of_each_latent(tmp_path):
    sweep = {**SMALL, "betas": (1.0,), "seeds": 2, "devices": 2, "prior": "mixture", "out": tmp_path / "sweep"}
    script("sweep").main(SweepConfig(**sweep))
    found = evaluate(tmp_path / "sweep", scores=("modularity",))
    assert 0 <= found["settings"][0]["udr"]["mean"] <= 1
    assert "against N(0, I)" in found["models"][0]["measured"]["aggregate_posterior"]["left_out"]
    order, names = gallery.by_rate([3.0], 3)
    assert list(order) == [0, 1, 2] and names == ["z1", "z2", "z3"]


def test_another_sweep_is_not_taken_for_this_one(tmp_path):
    """Same β and seed, same file: what tells the two apart is the configuration."""
    calls = []
    for name, hidden in (("a", (16,)), ("b", (8,)), ("b", (8,))):
        sweep = {**SMALL, "hidden": hidden, "betas": (1.0,), "seeds": 1, "devices": 2, "out": tmp_path / name}
        script("sweep").main(SweepConfig(**sweep, resume=(tmp_path / name).exists()))
        assessment.assess(tmp_path / name, tmp_path / "found.json", {}, lambda *_, name=name: calls.append(name) or {})
    assert calls == ["a", "b"]


MISTAKES = {
    "{}/nothing": "holds no run (config.json cannot be read); expected the --out of one.",
    "{} --scores migg": "--scores migg: no such score; did you mean 'mig'?",
    "{} --samples 0": "--samples 0: expected a whole number of at least 1.",
    "{}/empty": "empty holds no checkpoints; expected the --out of experiments/train.py.",
    "{}/other": "is not what a command of this version wrote",
    "{}/cut": "the sweep in {}/cut is not finished; go on with it: sweep.py --out {}/cut --resume.",
}
CONFIGS = ("empty", '{"data": "digits"}'), ("other", '{"colour": 3}'), ("cut", '{"betas": [1.0]}')


@pytest.mark.parametrize("flags", MISTAKES)
def test_a_mistake_is_one_plain_line(flags, tmp_path, monkeypatch):
    for name, text in CONFIGS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text)
    before = sorted(tmp_path.rglob("*"))
    module = script("evaluate")
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *flags.format(tmp_path).split()])
    with pytest.raises(SystemExit) as stop:
        module.command(module.main, module.EvaluateConfig, "")
    message = str(stop.value.code)
    assert (
        message.startswith("error: ")
        and "\n" not in message
        and MISTAKES[flags].replace("{}", str(tmp_path)) in message
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_samples_that_are_the_data_are_at_chance(key, monkeypatch):
    """A decoder that draws real digits, one that draws their mean, and one that draws noise."""
    data, recipe, *_ = build(Config(hidden=(4,)))
    params = recipe.model.init(jax.random.clone(key), jnp.zeros((8, 8, 1)))
    pixels = jnp.asarray(data.validation.x, jnp.float32) / 255
    pixels = jnp.asarray(np.concatenate([pixels, jnp.asarray(data.train.x, jnp.float32) / 255]))
    images = pixels[jax.random.permutation(jax.random.clone(key), len(pixels))[:356]].reshape(356, -1)
    flat = jnp.broadcast_to(pixels.mean(axis=0).ravel(), images.shape)
    noise = jax.random.permutation(jax.random.clone(key), images, axis=1, independent=True)
    found = []
    in_order = np.argsort(data.test.y, kind="stable")  # a test set sorted by class is the same test set
    data = data._replace(test=Examples(data.test.x[in_order], data.test.y[in_order]))
    for drawn in (images, flat, noise):
        monkeypatch.setattr(samples, "_samples", lambda *_, drawn=drawn: drawn)
        found.append(sample_quality(recipe, params, jax.random.clone(key), data))
    real, mean, scrambled = (quality.feature_mmd2 for quality in found)
    assert abs(real) < found[0].chance + 2 * found[0].error
    assert min(mean, scrambled) > 5 * found[0].chance
    assert found[0].classifier_accuracy > 0.85 and found[0].samples == 356


def test_data_too_small_for_a_classifier_are_refused(key):
    data, recipe, *_ = build(Config(hidden=(4,)))
    few = data._replace(test=Examples(data.test.x[:7], data.test.y[:7]))
    with pytest.raises(InputError, match="digits is too small: 7 test images"):
        sample_quality(recipe, {}, key, few)
    with pytest.raises(InputError, match="has no labels"):
        sample_quality(recipe, {}, key, data._replace(train=Examples(data.train.x)))


def test_chance_is_what_real_images_score(key):
    """Two halves of one law: the statistic is above the 95th percentile about once in twenty."""
    a, b = jax.random.normal(jax.random.clone(key), (2, 800, 4))
    chance = np.asarray(samples._chance(jax.random.clone(key), a, b, 4, 100, 200))
    found = [
        float(samples._parts(*jax.random.normal(jax.random.fold_in(key, i), (2, 400, 4)), 4).mean()) for i in range(60)
    ]
    assert 0.7 < np.std(chance) / np.std(found) < 1.4


def test_binary_data_are_compared_with_binary_samples(key):
    """Means of p(x|z) are grey; where all real pixels are black or white, samples are draws."""
    experiment = build(Config(**SMALL))
    params = experiment.recipe.model.init(jax.random.clone(key), jnp.zeros((12, 12, 1)))
    drawn, means = (
        samples._samples(experiment.recipe, params, jax.random.clone(key), 4, None, binary) for binary in (True, False)
    )
    assert set(np.unique(drawn)) == {0.0, 1.0} and np.asarray(means).min() > 0
    assert drawn.shape == (4, 144)


def test_every_score_has_a_name_that_the_command_takes():
    module = script("evaluate")
    text = str(module.EvaluateConfig.__dataclass_fields__["scores"])
    assert text and all(name in Path(module.__file__).read_text() for name in SCORES)
