"""Every experiment from start to end, small: what it leaves, and that its numbers say what it claims."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from scripts import EXPERIMENTS, script

from vae_jax.commands import train as train_command
from vae_jax.errors import InputError
from vae_jax.losses import LOSSES
from vae_jax.runs import Config
from vae_jax.runs.configuration.resolved import resolve

SMALL = {"epochs": 2, "hidden": (16,), "latent": 2}


def pictures(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.png")}


def train(out: Path, **choices) -> dict:
    train_command.main(Config(out=out, **{**SMALL, **choices}))
    return json.loads((out / "summary.json").read_text())


def test_an_autoencoder_says_what_is_not_defined(tmp_path, capsys):
    summary = train(tmp_path, loss="ae", likelihood="gaussian", epochs=1)
    test = summary["test"]
    assert test["rate"] is None and test["negative_elbo"] is None
    assert test["distortion"] == pytest.approx(0.5 * test["mean_squared_error"] + 32 * np.log(2 * np.pi), rel=1e-4)
    assert summary["proper_likelihood"]
    assert "not defined: the code is a point" in capsys.readouterr().out
    left = {"curves.png", "latent_scatter.png", "latent_plane.png", "interpolations.png", "samples_code_mixture.png"}
    assert left <= pictures(tmp_path)
    assert "NaN" not in "".join(path.read_text() for path in tmp_path.glob("*.json*"))


def test_a_conditional_model_draws_its_labels(tmp_path, capsys):
    summary = train(tmp_path, loss="cvae", prior="label", epochs=1)
    assert not summary["proper_likelihood"]
    assert "a loss, not a normalised likelihood" in capsys.readouterr().out
    assert {"labels.png", "swapped_labels.png"} <= pictures(tmp_path)


@pytest.mark.usefixtures("_no_pictures")
def test_a_loss_takes_its_hyperparameters(tmp_path):
    """γ so large that the rate is all that matters: it goes to C = 1."""
    summary = train(tmp_path, loss="capacity", epochs=20, set=("gamma=1e4", "capacity=1", "capacity_steps=0"))
    assert summary["test"]["rate"] == pytest.approx(1, abs=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("model", ["dense", "conv"])
def test_every_loss_trains_from_the_command(loss, model, tmp_path):
    summary = train(tmp_path, loss=loss, model=model, hidden=(32,), epochs=5)
    constant = 32 * np.log(2 * np.pi) if LOSSES[loss].likelihood == "gaussian" else 0.0  # of σ = 1, over 64 pixels
    assert np.isfinite(summary["test"]["loss"]) and summary["test"]["distortion"] - constant < 42


def test_pca_against_the_autoencoder(tmp_path):
    module = script("pca")
    module.main(module.PcaConfig(latents=(2,), epochs=60, out=tmp_path))
    (row,) = json.loads((tmp_path / "pca.json").read_text())
    assert 0 < row["autoencoder"] < row["pca"]
    assert pictures(tmp_path) == {"reconstructions-2.png"}


@pytest.mark.slow
def test_without_the_kl_term_sigma_shrinks(tmp_path):
    module = script("kl_term")
    module.main(module.KlTermConfig(epochs=40, out=tmp_path))
    found = json.loads((tmp_path / "kl_term.json").read_text())
    assert found["classifier_accuracy"] > 0.85
    without, with_kl = found["beta_0"], found["beta_1"]
    assert without["mean_posterior_sigma"] < 0.2 * with_kl["mean_posterior_sigma"]
    assert without["confidence_samples"] < with_kl["confidence_samples"]
    assert without["mmd2_to_prior"] > 3 * with_kl["mmd2_to_prior"]


@pytest.mark.slow
@pytest.mark.usefixtures("_no_pictures")
def test_conditional_codes_do_not_hold_the_label(tmp_path):
    module = script("conditional")
    module.main(module.ConditionalConfig(epochs=40, out=tmp_path))
    found = json.loads((tmp_path / "conditional.json").read_text())
    assert found["generated_as_asked"] > 0.95
    assert found["label_from_code_cvae"] < found["chance"] + 0.15 < found["label_from_code_vae"] - 0.2


@pytest.mark.slow
def test_densities(tmp_path, capsys):
    module = script("densities")
    module.main(module.Config(out=tmp_path, epochs=30, samples=50))
    found = json.loads((tmp_path / "densities.json").read_text())
    three = found["kl_three_ways"]
    assert three["quadrature"] == pytest.approx(three["closed_form"], abs=1e-5)
    assert abs(three["monte_carlo"] - three["closed_form"]) < 3 * three["monte_carlo_error"]
    assert found["identity"]["sum"] == pytest.approx(found["identity"]["log_p"], abs=1e-5)
    ring = found["mixtures"]["ring"]
    assert ring["finite_16"] > ring["finite_4"] > ring["finite_1"] and ring["vae"] > ring["finite_1"]
    assert pictures(tmp_path) == {"forward_and_reverse.png", "mixtures_line.png", "mixtures_ring.png"}


def test_linear_models_are_set_beside_the_exact_curve(tmp_path, capsys):
    """One β that keeps all three latents and one that keeps none."""
    module = script("linear")
    module.main(module.Config(betas=(0.6, 12.0), seeds=1, steps=2000, out=tmp_path))
    rows = json.loads((tmp_path / "summary.json").read_text())
    assert [row["beta"] for row in rows] == [0.6, 12.0] and not any(row["diverged"] for row in rows)
    for row in rows:
        assert row["active_units"] == row["exact"]["active_units"]
        assert row["negative_elbo"] == pytest.approx(row["rate"] + row["distortion"])
    assert pictures(tmp_path) == {"rate_distortion.png"}
    assert "largest difference of any model" in capsys.readouterr().out


@pytest.mark.slow
def test_a_sweep_of_linear_models_lands_on_the_exact_curve(tmp_path):
    """8 βs and 3 seeds by one sweep; rate, distortion and collapses without sampling."""
    subprocess.run([sys.executable, EXPERIMENTS / "linear.py", "--out", tmp_path], check=True, capture_output=True)
    rows = json.loads((tmp_path / "summary.json").read_text())
    assert len(rows) == 8 * 3 and {row["exact"]["active_units"] for row in rows} == {0, 1, 2, 3}
    for row in rows:
        assert row["rate"] == pytest.approx(row["exact"]["rate"], abs=2e-2)
        assert row["distortion"] == pytest.approx(row["exact"]["distortion"], abs=2e-2)
        assert row["active_units"] == row["exact"]["active_units"]
    assert (tmp_path / "rate_distortion.png").stat().st_size > 5000


REAL = os.environ.get("VAE_JAX_DATA")


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="set VAE_JAX_DATA to a folder that holds mnist/ and binarized_mnist/")
@pytest.mark.parametrize(
    ("flags", "published"),
    [
        ({"data": "binarized_mnist", "hidden": (500,)}, 103.60),
        ({"data": "mnist", "hidden": (400,)}, 105.59),
        ({"data": "mnist", "hidden": (400,), "initializer": "uniform"}, 105.59),
    ],
)
def test_published_numbers(flags, published, tmp_path, monkeypatch):
    """Test negative ELBO after 10 epochs, mean of three seeds, within 0.6 nats of Flax's and PyTorch's examples."""
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(tmp_path / "prepared"))
    source = Path(str(REAL)) / flags["data"]
    found = [
        train(tmp_path / str(seed), latent=20, epochs=10, seed=seed, manual_dir=source, **flags)["test"][
            "negative_elbo"
        ]
        for seed in range(3)
    ]
    assert np.mean(found) == pytest.approx(published, abs=0.6)


def test_a_published_row_is_trained_measured_and_kept(tmp_path, capsys, monkeypatch):
    module = script("reproduce")
    choices = {"data": "digits", "hidden": (16,), "latent": 2, "epochs": 2, "optimizer": "rmsprop"}
    row = module.Published(choices, {"negative_elbo": 30.0}, "nowhere", samples=20)
    monkeypatch.setattr(module, "ROWS", {"small": row})
    trained = []
    train = module.train_and_measure
    monkeypatch.setattr(module, "train_and_measure", lambda *a: trained.append(a[1]) or train(*a))
    for seeds in (2, 3):
        module.main(module.ReproduceConfig(seeds=seeds, out=tmp_path))
    assert trained == [0, 1, 2]
    found = json.loads((tmp_path / "reproduce.json").read_text())["small"]
    command = "python experiments/train.py --data digits --hidden 16 --latent 2 --epochs 2 --optimizer rmsprop"
    assert found["command"] == command and found["seeds"] == 3
    ours, models = found["ours"], found["models"]
    assert ours["negative_elbo"]["mean"] == pytest.approx(np.mean([model["negative_elbo"] for model in models]))
    assert ours["nll"]["interval"][0] < ours["nll"]["mean"] < ours["negative_elbo"]["mean"] + 0.5
    assert "published 30.00" in capsys.readouterr().out
    with pytest.raises(InputError, match="flax-mist: no such row"):
        module.main(module.ReproduceConfig(names=("flax-mist",), out=tmp_path))


def test_the_published_rows_are_commands_of_this_program():
    for row in script("reproduce").ROWS.values():
        resolve(Config(**row.choices))


def test_the_benchmark_gives_each_figure_beside_its_peer(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    module, contestants = script("benchmark"), script("contestants")
    turns = [0, 9], [20, 22, 30, 31], [40, 46, 50, 51], [60, 63, 70, 71]  # a warm-up; then 2, 6, 3 beside 1, 1, 1
    clock = iter([reading for turn in turns for reading in turn])
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    jobs = [
        contestants.Job("group", "slow", "quick", 6, "images", lambda: None, memory=lambda: 5_000_000),
        contestants.Job("group", "quick", "quick", 6, "images", lambda: None),
    ]
    slow, quick = module.timed("part", jobs, 3)
    assert (slow["seconds"], slow["per_second"], slow["speed_to_peer"], slow["memory"]) == (3, 2, 1 / 3, 5_000_000)
    assert (quick["seconds"], quick["speed_to_peer"], quick["memory"]) == (1, 1, None)
    assert "slow" in module.report([slow, quick]) and "0.33" in module.report([slow, quick])
    alone = module.rows_of(jobs[:1], [3.0])[0]
    assert alone["speed_to_peer"] is None
    with pytest.raises(InputError, match="--only trainings: expected some of training"):
        module.main(module.Config(only=("trainings",)))


@pytest.mark.slow
def test_the_benchmark_runs(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    monkeypatch.setattr(os, "cpu_count", jax.local_device_count)  # their number is fixed by now
    module, contestants = script("benchmark"), script("contestants")
    parts = tuple(part for part in module.GROUPS if part != "command")
    module.main(
        module.Config(only=parts, members=(2,), batches=(64,), images=256, repeats=1, peers=False, out=tmp_path)
    )
    rows = json.loads((tmp_path / "benchmark.json").read_text())["rows"]
    peers = {
        contestants.RESIDENT,
        contestants.SINGLE,
        contestants.PRODUCTS,
        contestants.EPOCH,
        contestants.PYTORCH,
        "the MNIST program",
    }
    assert {row["peer"] for row in rows} == peers
    assert all(row["speed_to_peer"] == 1 for row in rows if row["what"] == row["peer"])
    assert all(row["seconds"] > 0 and (row["speed_to_peer"] or 1) > 0 for row in rows)
    assert (tmp_path / "benchmark.png").exists()
