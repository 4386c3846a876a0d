"""Going on: with a run by its folder alone, for longer, or from another model's weights with other data."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from quick import few_codes, no_pictures

import vae_jax
from vae_jax.commands import sweep as sweep_command
from vae_jax.commands import train as train_command
from vae_jax.commands.parsing import parse
from vae_jax.errors import InputError
from vae_jax.runs import Config, SweepConfig

RANDOM = np.random.RandomState(0)
FRAME = pd.DataFrame(RANDOM.randn(60, 3) * [1, 20, 3] + [0, 500, 7], columns=["age", "dose", "mass"])
SMALL: dict[str, Any] = {"hidden": (8,), "latent": 2, "batch_size": 16, "data": "table.csv"}


@pytest.fixture(autouse=True)
def _quick(tmp_path, monkeypatch):
    few_codes(monkeypatch)
    no_pictures(monkeypatch)
    monkeypatch.chdir(tmp_path)
    FRAME.to_csv("table.csv", index=False)


def train(*arguments: str) -> None:
    train_command.main(parse(Config, "", list(arguments)))


def test_resume_alone_takes_all_flags_from_the_folder():
    train_command.main(Config(**SMALL, epochs=2, beta=2.0, out=Path("run")))
    train_command.main(Config(**SMALL, epochs=4, beta=2.0, out=Path("whole")))
    train("--resume", "--out", "run", "--epochs", "4")
    assert Path("run/metrics.jsonl").read_bytes() == Path("whole/metrics.jsonl").read_bytes()
    with pytest.raises(InputError, match=r"beta was 2\.0, now 3\.0"):
        train("--resume", "--out", "run", "--beta", "3")
    with pytest.raises(InputError, match="epochs 1: run has 4 already"):
        train("--resume", "--out", "run", "--epochs", "1")


def test_a_sweep_goes_on_by_its_folder_alone():
    flags: dict[str, Any] = {**SMALL, "epochs": 2, "betas": (0.5, 2.0), "seeds": 1, "devices": 1}
    sweep_command.main(SweepConfig(**flags, out=Path("sweep")))
    given = parse(SweepConfig, "", ["--resume", "--out", "sweep", "--seeds", "2"])
    assert given.betas == (0.5, 2.0) and given.seeds == 2 and given.hidden == (8,) and given.devices is None
    sweep_command.main(given)
    assert len(Path("sweep/results.csv").read_text().splitlines()) == 1 + 4


def test_what_was_chosen_from_the_data_is_in_the_folder():
    train("--data", "table.csv", "--out", "run", "--hidden", "8")
    config = json.loads(Path("run/config.json").read_text())
    assert config["steps"] == 5000 and config["likelihood"] == "gaussian-learned" and config["standardise"] is True
    assert config["batch_size"] == 16 and config["patience"] == 167 and config["split"] == "stratified"
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["epochs"] - summary["best_epoch"] == 167 < 1667
    train("--resume", "--out", "run")  # nothing is left to do, and nothing is refused


def test_a_run_of_before_the_split_had_a_name_keeps_its_rows(capsys):
    np.savez("own.npz", x=RANDOM.rand(50, 4), y=np.repeat([0, 1], 25))
    train_command.main(Config(**{**SMALL, "data": "own.npz"}, epochs=2, split="random", out=Path("run")))
    config = json.loads(Path("run/config.json").read_text())
    for name in ("id", "label", "columns", "drop", "validation", "test", "split", "from_"):
        del config[name]
    Path("run/config.json").write_text(json.dumps(config))
    model = vae_jax.load("run")
    assert model.data.ids is not None
    np.testing.assert_array_equal(model.data.ids[2], np.sort(np.random.RandomState(0).permutation(50)[5:10]))
    train("--resume", "--out", "run", "--epochs", "3")
    assert vae_jax.load("run").epoch == 3


def test_training_starts_from_another_models_weights_in_its_units():
    train_command.main(Config(**SMALL, epochs=5, standardise=True, likelihood="gaussian-learned", out=Path("one")))
    (FRAME[["mass", "age", "dose"]] * 2).to_csv("other.csv", index=False)
    train(
        "--data",
        "other.csv",
        "--from",
        "one",
        "--batch-size",
        "16",
        "--epochs",
        "1",
        "--learning-rate",
        "1e-9",
        "--out",
        "two",
    )
    one, two = vae_jax.load("one"), vae_jax.load("two")
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), one.params, two.params)
    rows = FRAME.to_numpy()
    np.testing.assert_allclose(one.encode(rows).mean, two.encode(rows).mean, atol=1e-5)
    assert two.description.feature_names == ("age", "dose", "mass") and two.experiment.config["from_"] == "one"
    np.testing.assert_array_equal(two.description.units.mean, one.description.units.mean)
    with pytest.raises(InputError, match=r"the (encoder|decoder) of the model to start from is of another shape"):
        train(
            "--data",
            "other.csv",
            "--from",
            "one",
            "--hidden",
            "9",
            "--batch-size",
            "16",
            "--epochs",
            "1",
            "--out",
            "three",
        )
    with pytest.raises(InputError, match="none holds no run"):
        train("--data", "other.csv", "--from", "none", "--out", "four")
    assert not Path("four").exists()


def test_a_sweep_starts_from_another_models_weights():
    train_command.main(Config(**SMALL, epochs=2, standardise=True, likelihood="gaussian-learned", out=Path("one")))
    flags = [
        "--data",
        "table.csv",
        "--from",
        "one",
        "--betas",
        "1",
        "4",
        "--seeds",
        "1",
        "--devices",
        "1",
        "--batch-size",
        "16",
    ]
    sweep_command.main(parse(SweepConfig, "", [*flags, "--epochs", "1", "--learning-rate", "1e-9", "--out", "sweep"]))
    for beta in (1.0, 4.0):
        found = vae_jax.load("sweep", beta=beta).params
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), vae_jax.load("one").params, found)
