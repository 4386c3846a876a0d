"""Command lines and configurations of any kind: each is right, or refused in one plain line."""

import json
import sys
from dataclasses import fields

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from vae_jax.commands.cli import run_command
from vae_jax.errors import InputError
from vae_jax.runs import Config, SweepConfig
from vae_jax.runs.configuration.cells import cells
from vae_jax.runs.configuration.resolved import resolve
from vae_jax.runs.storage.folder import RunFolder, read_config

SETTINGS = {"deadline": None, "database": None, "derandomize": True, "suppress_health_check": [*HealthCheck]}
TRIALS = [25, pytest.param(500, marks=pytest.mark.slow)]
FLAGS = [f"--{field.name.replace('_', '-')}" for field in fields(SweepConfig)]
WORDS = st.one_of(
    st.sampled_from(("1", "0", "-1", "1e999", "nan", "inf", "1e-400", "0x10", "1_000", "9" * 20, "normal", "label")),
    st.sampled_from(("vae", "ae", "iwae", "cvae", "point", "bernoulli", "dense", "conv", "linear", "[]", "skip")),
    st.sampled_from(("beta=1", "gamma=nan", "latent=2,3", "loss=vae,ae", "learning_rate=1e-3,1e30", "=1", "a=", ",")),
    st.sampled_from(("digits", "missing.npz", "/dev/null", "missing/", ".", "--help", "--")),
    st.text(max_size=8),
    st.floats().map(repr),
    st.integers().map(str),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=5,
)


@pytest.mark.parametrize("kind", [pytest.param(Config, marks=pytest.mark.slow), SweepConfig])  # which has all its flags
@pytest.mark.parametrize("trials", TRIALS)
def test_any_command_line_is_right_or_refused(kind, trials, monkeypatch, capsys):
    @settings(max_examples=trials, **SETTINGS)
    @given(st.lists(st.tuples(st.sampled_from(FLAGS), st.lists(WORDS, max_size=2)), min_size=1, max_size=3))
    @example([("--hidden", ["99999999999999999999"])])
    @example([("--epochs", ["1e999"])])
    @example([("--data", ["\0"])])
    def throw(flags):
        words = [word for flag, values in flags for word in (flag, *values)]
        monkeypatch.setattr(sys, "argv", ["train.py", *words])
        try:
            run_command(lambda config: resolve(config) and None, kind, "")
        except SystemExit as stop:
            if stop.code:
                assert str(stop.code).startswith("error: ") and "\n" not in str(stop.code)
                assert capsys.readouterr().err == ""

    throw()


@pytest.mark.parametrize("kind", [Config, SweepConfig])
@pytest.mark.parametrize("trials", TRIALS)
def test_any_configuration_is_right_or_refused(kind, trials, tmp_path):
    with RunFolder(tmp_path, kind(out=tmp_path)):
        saved = json.loads((tmp_path / "config.json").read_text())

    @settings(max_examples=trials, **SETTINGS)
    @given(st.one_of(st.dictionaries(st.sampled_from([*saved, "new"]), VALUES, min_size=1, max_size=3), VALUES))
    @example({"hidden": [10**30]})
    @example({"set": ["beta=1"]})
    @example({"vary": ["latent=2"]})
    @example({"seed": -1})
    def throw(changed):
        content = {**saved, **changed} if isinstance(changed, dict) else changed
        (tmp_path / "config.json").write_text(json.dumps(content))
        try:
            config = read_config(tmp_path)
            resolve(config)
            if config.data == "digits" and max(config.hidden or (1,)) < 100 and config.latent < 100:
                cells(config)
        except InputError as error:
            assert "\n" not in str(error)

    throw()
