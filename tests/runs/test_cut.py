"""A run and a sweep cut at every kind of point of training and saving: taken up again, they come to the same bytes.

What cuts them is an exception that no handler of theirs takes, so that nothing is cleaned up, as with SIGKILL. Real
signals at random moments are in tests/commands/test_stopping.py.
"""

import importlib
import json
import random
import shutil
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from events import scalars

from vae_jax.runs import Config, SweepConfig, trainer
from vae_jax.runs.configuration.cells import Cell, cells
from vae_jax.runs.process import stopping
from vae_jax.runs.storage.folder import RunFolder
from vae_jax.runs.storage.parts import read_parts

SMALL: dict[str, Any] = {"epochs": 4, "hidden": (8,), "latent": 2, "resume": True}
CONFIGS = {"run": Config(**SMALL), "sweep": SweepConfig(betas=(0.5, 2.0), seeds=1, **SMALL)}
POINTS = (  # what is called, and when it cuts: at its start, or at its end
    ("vae_jax.runs.storage.folder.RunFolder.append", "start"),
    ("vae_jax.runs.storage.events.Events.append", "start"),
    ("vae_jax.runs.storage.events.Events.append", "end"),
    ("orbax.checkpoint.v1.save", "start"),
    ("orbax.checkpoint.v1.save", "end"),
    ("vae_jax.runs.storage.store.write_sealed", "start"),
    ("vae_jax.writing.os.replace", "start"),
    ("vae_jax.writing.os.replace", "end"),
    ("vae_jax.runs.storage.store.Store._drop_old", "start"),
    ("vae_jax.runs.storage.store.shutil.rmtree", "start"),
    ("vae_jax.runs.storage.store.shutil.rmtree", "end"),
    ("vae_jax.runs.storage.store.Store.clean_up", "start"),
)


class Cut(BaseException):
    """The process is gone."""


@cache
def cell_of(name: str) -> Cell:
    return cells(CONFIGS[name])[0]


def train(name: str, out: Path) -> None:
    with RunFolder(out, replace(CONFIGS[name], out=out)) as folder:
        trainer.train_cell(folder, cell_of(name), devices=jax.devices()[:1], over=None, chunk=None)


def cut_at(monkeypatch: pytest.MonkeyPatch, point: str, when: str, count: int) -> None:
    """Have a function cut everything off at its call number `count`."""
    path, _, attribute = point.rpartition(".")
    try:
        owner: Any = importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        owner = getattr(importlib.import_module(module), name)
    function, calls = getattr(owner, attribute), []

    def cutting(*args, **rest):
        calls.append(1)
        if len(calls) == count and when == "start":
            raise Cut
        result = function(*args, **rest)
        if len(calls) == count:
            raise Cut
        return result

    monkeypatch.setattr(owner, attribute, cutting)


def content(name: str, out: Path) -> dict[str, Any]:
    """Everything that must be equal to the byte."""
    parts = read_parts(out / "checkpoints")
    restored = [part.restore(cell_of(name).experiment) for part in parts]
    return {
        "rows": (out / "metrics.jsonl").read_bytes(),
        "events": scalars(out),
        "results": [part.rows for part in parts],
        "epochs": [one and one[0] for one in restored],
        "arrays": [np.asarray(leaf).tobytes() for one in restored for leaf in jax.tree.leaves(one and one[1])],
    }


@pytest.fixture(scope="module")
def uncut(tmp_path_factory):
    @cache
    def of(name: str) -> dict[str, Any]:
        out = tmp_path_factory.mktemp("uncut") / name
        with pytest.MonkeyPatch.context() as patch:
            prepare(patch)
            train(name, out)
        return content(name, out)

    return of


def prepare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(trainer, "draw_epoch", lambda *_, **__: None)


def each_point() -> list:
    """Every point for a run and for a sweep, which go by the same code: in turns quick, and slow for the other."""
    return [
        pytest.param(name, *point, marks=() if index % 2 == turn else pytest.mark.slow)
        for index, point in enumerate(POINTS)
        for turn, name in enumerate(CONFIGS)
    ]


@pytest.mark.parametrize(("name", "point", "when"), each_point())
def test_cut_anywhere_it_comes_to_the_same_bytes(name, point, when, uncut, monkeypatch, tmp_path):
    """At the first, a middle and a late call, one after another on the same folder."""
    prepare(monkeypatch)
    cuts = 0
    for count in (1, 3, 2):
        with monkeypatch.context() as patch:
            cut_at(patch, point, when, count)
            try:
                train(name, tmp_path / "out")
            except Cut:
                cuts += 1
    assert cuts
    train(name, tmp_path / "out")
    assert content(name, tmp_path / "out") == uncut(name)
    left = {path.name for path in (tmp_path / "out" / "checkpoints").glob("*/states/*")}
    assert left == {"3", "3.json", "4", "4.json", "newest.json"} and not list((tmp_path / "out").rglob("*.part"))


def test_a_damaged_part_is_taken_up_from_its_checkpoints(uncut, monkeypatch, tmp_path, capsys):
    prepare(monkeypatch)
    train("sweep", tmp_path / "out")
    path = next((tmp_path / "out" / "checkpoints").glob("*/part.json"))
    whole = path.read_bytes()
    for damaged in (whole.replace(b"0.5", b"0.6", 1), whole[:-9], b"{}", b""):
        path.write_bytes(damaged)
        capsys.readouterr()
        train("sweep", tmp_path / "out")
        assert f"{path} is damaged (" in capsys.readouterr().err
        assert content("sweep", tmp_path / "out") == uncut("sweep") and path.read_bytes() == whole


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("trials", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_a_flipped_bit_is_named_and_the_bytes_are_those_of_an_uncut_run(
    name, trials, uncut, monkeypatch, tmp_path, capsys
):
    """Anywhere in what belongs to the newest checkpoint: its arrays, its manifest, the list of its members."""
    prepare(monkeypatch)
    out, chance = tmp_path / "out", random.Random(name)
    train(name, out)
    for _ in range(trials):
        (unmeasured,) = read_parts(out / "checkpoints")
        unmeasured.rows = None  # as if a sweep had been cut before its results were in; else it asks for no checkpoint
        unmeasured.write()
        part = unmeasured.path
        newest = [path for path in (part / "states" / "4").rglob("*") if path.is_file() and path.stat().st_size]
        path = chance.choice([*newest, part / "states" / "4.json", part / "part.json"])
        damaged = bytearray(path.read_bytes())
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(damaged))
        capsys.readouterr()
        train(name, out)
        said = capsys.readouterr().err
        taken = f"{path} is damaged" if path.name == "part.json" else "going back to epoch 3"
        assert taken in said and content(name, out) == uncut(name)


def test_rows_of_a_run_that_was_ahead_of_its_checkpoint_are_not_there_twice(uncut, monkeypatch, tmp_path):
    prepare(monkeypatch)
    out = tmp_path / "out"
    train("run", out)
    shutil.rmtree(next((out / "checkpoints").glob("*/states/4")))
    train("run", out)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    steps = [step for _, step, tag, _ in scalars(out) if tag == "loss/train"]
    assert steps == [row["step"] for row in rows]


@pytest.mark.parametrize("counts", [(2, 1), pytest.param((1, 2), marks=pytest.mark.slow)])
def test_saved_on_some_devices_it_goes_on_with_others(counts, monkeypatch, tmp_path):
    """The numbers are those of one device throughout."""
    prepare(monkeypatch)
    config = SweepConfig(betas=(0.5, 2.0), seeds=2, **SMALL)
    (cell,) = cells(config)
    go = partial(trainer.train_cell, cell=cell, over=None, chunk=None)
    with RunFolder(tmp_path / "whole", config) as folder:
        go(folder, devices=jax.devices()[:1])
    with RunFolder(tmp_path / "cut", config) as folder:
        with monkeypatch.context() as patch:
            cut_at(patch, "vae_jax.runs.storage.store.Store._drop_old", "end", 2)
            with pytest.raises(Cut):
                go(folder, devices=jax.devices()[: counts[0]])
        go(folder, devices=jax.devices()[: counts[1]])
    whole, cut = (read_parts(tmp_path / name / "checkpoints") for name in ("whole", "cut"))
    assert [part.rows for part in whole] == [part.rows for part in cut]
    assert (tmp_path / "whole" / "metrics.jsonl").read_bytes() == (tmp_path / "cut" / "metrics.jsonl").read_bytes()
    states = [part.restore(cell.experiment) for part in (*whole, *cut)]
    jax.tree.map(np.testing.assert_array_equal, states[0], states[1])


@pytest.mark.parametrize("name", CONFIGS)
def test_asked_to_stop_it_saves_after_the_epoch(name, uncut, monkeypatch, tmp_path):
    prepare(monkeypatch)
    out, asked = tmp_path / "out", iter([False, True])
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "SAVE_EVERY", 1e9)
        patch.setattr(stopping, "asked", lambda: next(asked))
        with pytest.raises(stopping.Stopped, match="stopped after epoch 2 of 4, which is saved"):
            train(name, out)
    (part,) = read_parts(out / "checkpoints")
    assert part.store.steps() == [2]
    train(name, out)
    assert content(name, out) == uncut(name)


def test_a_damaged_checkpoint_is_gone_before_training_goes_on(monkeypatch, tmp_path):
    prepare(monkeypatch)
    out = tmp_path / "out"
    train("run", out)
    (part,) = read_parts(out / "checkpoints")
    (part.path / "states" / "4" / "more").write_text("x")
    with monkeypatch.context() as patch, pytest.raises(Cut):
        cut_at(patch, "vae_jax.runs.storage.folder.RunFolder.append", "start", 1)
        train("run", out)
    assert {path.name for path in (part.path / "states").iterdir()} == {"3", "3.json", "newest.json"}
