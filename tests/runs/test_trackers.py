"""Trackers: what they are told, and that one that fails costs no run."""

import json
from typing import ClassVar

import pytest
from quick import few_codes, no_pictures

from vae_jax.commands import sweep as sweep_command
from vae_jax.commands import train as train_command
from vae_jax.errors import InputError
from vae_jax.runs import Config, SweepConfig
from vae_jax.runs.process.trackers import TRACKERS, expect_installed

SMALL = {"hidden": (8,), "latent": 2, "epochs": 2}


class Listening:
    """Remembers what it is told."""

    package = "json"
    told: ClassVar[list] = []

    def __init__(self, folder, config):
        self.told.append((folder.name, config["latent"]))

    def log(self, step, metrics):
        self.told.append((step, dict(metrics)))

    def close(self):
        self.told.append("closed")


class Failing(Listening):
    def log(self, step, metrics):
        raise ConnectionError("no route\nto the host")


@pytest.fixture(autouse=True)
def _trackers(monkeypatch):
    few_codes(monkeypatch)
    no_pictures(monkeypatch)
    Listening.told.clear()
    assert "wandb" in TRACKERS
    for name, kind in (("listening", Listening), ("failing", Failing)):
        monkeypatch.setitem(TRACKERS._entries, name, kind)


def test_every_row_is_logged_once(tmp_path):
    train_command.main(Config(tracker=("listening",), out=tmp_path / "run", **SMALL))
    begun, *rows, closed = Listening.told
    assert begun == ("run", 2) and closed == "closed" and len(rows) == 2
    written = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    for (step, metrics), row in zip(rows, written, strict=True):
        assert step == row["step"] and metrics["rate/validation"] == row["validation"]["rate"]


def test_models_of_a_sweep_have_names(tmp_path):
    sweep = {"betas": (1.0, 2.0), "seeds": 1, "devices": 1}
    sweep_command.main(SweepConfig(tracker=("listening",), out=tmp_path / "sweep", **sweep, **SMALL))
    names = {name.rsplit("/", 2)[0] for _, metrics in Listening.told[1:-1] for name in metrics}
    assert len(names) == 2 and all("beta=" in name for name in names)


def test_one_that_fails_is_left_out_and_the_run_goes_on(tmp_path, capsys):
    train_command.main(Config(tracker=("failing", "listening"), out=tmp_path / "run", **SMALL))
    assert capsys.readouterr().err.count("--tracker failing failed (no route) and is left out now.") == 1
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 2 and Listening.told[-1] == "closed"


def test_what_cannot_be_started_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="--tracker wandbb: no such tracker; did you mean 'wandb'"):
        train_command.main(Config(tracker=("wandbb",), out=tmp_path / "run", **SMALL))
    monkeypatch.setattr(Listening, "package", "not_there_at_all")
    with pytest.raises(InputError, match="--tracker listening needs its package; pip install not_there_at_all"):
        train_command.main(Config(tracker=("listening",), out=tmp_path / "run", **SMALL))
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(Listening, "package", "json")
    expect_installed("listening")

    def broken(*_):
        raise RuntimeError("no key")

    monkeypatch.setattr(Listening, "__init__", broken)
    with pytest.raises(InputError, match="--tracker listening could not be started"):
        train_command.main(Config(tracker=("listening",), out=tmp_path / "run", **SMALL))
    assert not (tmp_path / "run" / "config.json").exists()
