"""Command lines and configurations of any kind: each is right, or refused in one plain line."""

import hashlib
import json
import shutil
import sys
import time
from dataclasses import fields
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from quick import few_codes, no_pictures

import vae_jax
from vae_jax.commands import sweep as sweep_command
from vae_jax.commands.cli import run_command
from vae_jax.commands.parsing import read_flags
from vae_jax.errors import InputError
from vae_jax.runs import Config, SweepConfig
from vae_jax.runs.configuration.cells import cells
from vae_jax.runs.configuration.resolved import resolve
from vae_jax.runs.storage.folder import RunFolder, read_config
from vae_jax.runs.storage.parts import _digest
from vae_jax.writing import read_sealed, write_sealed

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


BOMB = "a: &a [1,1,1,1,1,1,1,1]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 8)}]\n" for before, after in pairwise("abcdefghij")
)
FLAG_FILES = {
    "aliases": (BOMB, "it has an alias; write the value itself"),
    "deep": ("a: " + "[" * 5000, "is no file of flags"),
    "a list": ("- 1\n- 2\n", "holds no names with values"),
    "an object": ("!!python/object/apply:os.system ['true']", "is no file of flags"),
}


@pytest.mark.parametrize("kind", FLAG_FILES)
def test_files_of_flags_of_any_kind_are_refused_in_a_line(kind, tmp_path):
    text, said = FLAG_FILES[kind]
    (tmp_path / "flags.yaml").write_text(text)
    started = time.monotonic()
    with pytest.raises(InputError, match=said) as caught:
        read_flags(tmp_path / "flags.yaml", Config)
    assert "\n" not in str(caught.value) and time.monotonic() - started < 5


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        few_codes(patch)
        no_pictures(patch)
        small = {"epochs": 1, "hidden": (8,), "latent": 2}
        sweep_command.main(SweepConfig(betas=(1.0,), seeds=1, devices=1, vary=("latent=2",), out=folder / "s", **small))
    return folder / "s"


STRANGE = {
    "choices are a list": lambda part: part.update(choices=[1]),
    "a choice is unknown": lambda part: part.update(choices={"vocabulary": 3}),
    "a choice is a list": lambda part: part.update(choices={"latent": [2]}),
    "a member is a number": lambda part: part.update(members=[3]),
    "a member has words": lambda part: part["members"][0].update(beta="large"),
    "a seed is beyond any": lambda part: part["members"][0].update(seed=2**63),
    "a member has no seed": lambda part: part["members"][0].pop("seed"),
    "a seed is a fraction": lambda part: part["members"][0].update(seed=0.5),
    "members are many": lambda part: part.update(members=part["members"] * 2),
    "results are words": lambda part: part.update(results="good"),
    "results are numbers": lambda part: part.update(results=[1.0]),
    "a result has no seed": lambda part: part["results"][0].pop("seed"),
    "a measure is a word": lambda part: part["results"][0].update(rate="low"),
    "a setting is a list": lambda part: part["results"][0].update(beta=[1.0]),
    "a number is missing": lambda part: part["results"][0].pop("beta"),
    "results are too few": lambda part: part.update(results=[]),
    "the epoch is a word": lambda part: part.update(epoch="last"),
    "the epoch is not there": lambda part: part.update(epoch=99),
}
OF_DATA = {
    "shape of words": lambda data: data.update(shape=["a", "b", "c"]),
    "no shape": lambda data: data.update(shape=[]),
    "a huge shape": lambda data: data.update(shape=[10**9, 10**9, 1]),
    "no examples": lambda data: data.update(examples=[0, 0, 0]),
    "another dtype": lambda data: data.update(dtype="object"),
    "another meaning": lambda data: data.update(meaning="MOOD"),
    "bounds of words": lambda data: data.update(bounds=["low", "high"]),
    "units of words": lambda data: data.update(units={"mean": "x", "scale": "y"}),
    "units of another size": lambda data: data.update(units={"mean": [1.0], "scale": [1.0]}),
    "more fields": lambda data: data.update(colour="red"),
    "classes of words": lambda data: data.update(classes="ten"),
}


def resealed(folder, change, of_data=None):
    """A copy of a folder, changed and sealed again, as a stranger can."""
    copy = folder.parent / f"copy-{time.monotonic_ns()}"
    shutil.copytree(folder, copy)
    (path,) = copy.glob("checkpoints/*/part.json")
    part = read_sealed(path)
    if of_data is not None:
        model = read_sealed(path.with_name("model.json"))
        of_data(model["data"])
        write_sealed(path.with_name("model.json"), model)
        part["model"] = hashlib.sha256(path.with_name("model.json").read_bytes()).hexdigest()
    else:
        change(part)
    write_sealed(path, part)
    if isinstance(part["choices"], dict) and isinstance(part["members"], list):
        path.parent.rename(path.parent.with_name(_digest(part["choices"], part["members"])))
    return copy


@pytest.mark.parametrize("kind", STRANGE)
def test_a_folder_that_a_stranger_sealed_is_refused_in_a_line(kind, trained):
    """A run from the Hub is exactly that."""
    with pytest.raises(InputError) as caught:
        vae_jax.load(resealed(trained, STRANGE[kind]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", OF_DATA)
def test_a_strange_description_of_the_data_is_not_used(kind, trained, capsys):
    """The data themselves are, where they are there."""
    copy = resealed(trained, None, OF_DATA[kind])
    if kind == "a huge shape":
        with pytest.raises(InputError, match="in training, and the device has"):
            vae_jax.load(copy)
        return
    assert vae_jax.load(copy).shape == (8, 8, 1)
    assert "model.json is damaged" in capsys.readouterr().err
