"""One folder, one writer; and what is in it that no command wrote."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from events import scalars

from vae_jax.errors import InputError
from vae_jax.runs import Config, SweepConfig
from vae_jax.runs.configuration.resolved import resolve
from vae_jax.runs.storage.folder import RunFolder, default_folder, read_config

HOLD = """
import sys
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire(timeout=10)
print("held", flush=True)
input()
"""


def test_a_second_writer_is_refused_and_the_lock_of_a_dead_one_is_free(tmp_path):
    config = Config(out=tmp_path / "run", resume=True)
    with (
        RunFolder(tmp_path / "run", config),
        pytest.raises(InputError, match=r"another process is writing to .*run; wait until it has ended, or choose"),
    ):
        RunFolder(tmp_path / "run", config)
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run" / ".lock")],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == "held\n"
    with pytest.raises(InputError, match="another process is writing"):
        RunFolder(tmp_path / "run", config)
    other.kill()
    other.communicate()
    RunFolder(tmp_path / "run", config).close()


def test_a_refused_folder_stays_as_it_is_and_is_not_held(tmp_path):
    with RunFolder(tmp_path, Config(out=tmp_path)):
        before = (tmp_path / "config.json").read_bytes()
    for other in (Config(out=tmp_path), Config(out=tmp_path, latent=3, resume=True)):
        with pytest.raises(InputError, match=r"holds a run already|latent was 10, now 3"):
            RunFolder(tmp_path, other)
        assert (tmp_path / "config.json").read_bytes() == before
    RunFolder(tmp_path, Config(out=tmp_path, resume=True)).close()


@pytest.mark.parametrize("config", [Config(hidden=(3, 4), beta=2), SweepConfig(betas=(1,), vary=("latent=2,3",))])
def test_a_configuration_is_read_back_as_it_was(config, tmp_path):
    config = replace(config, out=tmp_path)
    with RunFolder(tmp_path, config):
        assert read_config(tmp_path) == config


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("latent", "ten"),
        ("latent", True),
        ("latent", 2.5),
        ("beta", "4"),
        ("beta", [4.0]),
        ("hidden", 64),
        ("hidden", ["a"]),
        ("hidden", [[3]]),
        ("loss", None),
        ("data", {"$ref": "x"}),
        ("out", 3),
        ("resume", "yes"),
        ("set", "beta=1"),
        ("unknown", 1),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_name(name, value, tmp_path):
    with RunFolder(tmp_path, Config(out=tmp_path)):
        saved = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**saved, name: value}))
    with pytest.raises(InputError, match=rf"config.json(: {name} is|.*\('{name}'\))"):
        resolve(read_config(tmp_path))


@pytest.mark.parametrize("text", ["", "null", "[]", "[" * 10_000, '"' + "x" * 2_000_000 + '"', '{"format": 2}'])
def test_what_is_no_configuration_is_refused(text, tmp_path):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match="is not what a command"):
        read_config(tmp_path)
    with pytest.raises(InputError):
        RunFolder(tmp_path, Config(out=tmp_path, resume=True))
    assert (tmp_path / "config.json").read_text() == text


ROW = {"epoch": 1, "step": 9, "train": {"loss": 1.0, "rate": None}, "validation": {"loss": 1.0}}


@pytest.mark.parametrize(
    "line",
    [
        "[" * 200_000,
        "null",
        "{}",
        json.dumps({**ROW, "model": [1]}),
        json.dumps({"epoch": 1, "train": {"loss": 1.0}, "validation": {}}),
        json.dumps({**ROW, "step": 10**30}),
        json.dumps({**ROW, "epoch": True}),
        json.dumps({**ROW, "train": {"loss": "a"}}),
        json.dumps({**ROW, "train": 3}),
        json.dumps({"epoch": 1, "step": 9, "train": {}}),
        json.dumps({**ROW, "train": {"\udcff": 1.0}}),
        json.dumps(ROW).replace("1.0", "1" + "0" * 400),
        json.dumps(ROW).replace("1.0", "NaN"),
    ],
)
def test_a_row_that_no_command_wrote_is_refused(line, tmp_path):
    with RunFolder(tmp_path, Config(out=tmp_path)) as folder:
        (tmp_path / "metrics.jsonl").write_text(json.dumps(ROW) + "\n" + line + "\n")
        for read in (folder.rows, lambda: folder.rewind([""], 9)):
            with pytest.raises(InputError, match=r"metrics.jsonl is not what a command wrote \("):
                read()


def test_rows_that_are_not_as_they_were_are_said(tmp_path, capsys):
    with RunFolder(tmp_path, Config(out=tmp_path)) as folder:
        for epoch in (1, 2):
            folder.append({**ROW, "epoch": epoch, "step": 9 * epoch})
        written, file = folder.written(), tmp_path / "metrics.jsonl"
        whole = file.read_text()
        folder.append({**ROW, "epoch": 3, "step": 27})
        folder.rewind([""], 2, written)
        assert file.read_text() == whole and capsys.readouterr().err == ""
        for changed in (whole.replace("1.0", "1.5", 1), whole.splitlines()[0] + "\n", ""):
            file.write_text(changed)
            folder.rewind([""], 2, written)
            assert "does not hold the rows up to epoch 2 as they were written" in capsys.readouterr().err


def test_a_refused_folder_is_free_while_the_refusal_is_looked_at(tmp_path):
    RunFolder(tmp_path, Config(out=tmp_path)).close()
    with pytest.raises(InputError) as kept:
        RunFolder(tmp_path, Config(out=tmp_path))
    RunFolder(tmp_path, Config(out=tmp_path, resume=True)).close()
    assert kept.tb


def test_a_long_file_is_no_configuration(tmp_path):
    RunFolder(tmp_path, Config(out=tmp_path)).close()
    file = tmp_path / "config.json"
    file.write_text(file.read_text() + " " * 1_000_000)
    with pytest.raises(InputError, match="over 1,000,000 bytes"):
        read_config(tmp_path)


def test_rows_of_other_models_stay_and_half_a_row_goes(tmp_path):
    with RunFolder(tmp_path, Config(out=tmp_path)) as folder:
        for epoch in (1, 2):
            for model in "ab":
                folder.append({**ROW, "model": model, "epoch": epoch, "step": epoch})
        with (tmp_path / "metrics.jsonl").open("a") as file:
            file.write('{"model": "a", "ep')
        folder.rewind(["a"], 1)
        left = [("a", 1), ("b", 1), ("b", 2)]
        assert [(row["model"], row["epoch"]) for row in folder.rows()] == left
    assert sorted((model, step) for model, step, tag, _ in scalars(tmp_path) if tag == "loss/train") == left


@pytest.mark.parametrize(
    ("data", "name"),
    [("digits", "digits"), ("emnist/letters", "letters"), ("my images.npz", "my-images"), ("hf:user/x", "x")],
)
def test_the_default_folder_is_named_after_the_data(data, name):
    assert default_folder(Config(data=data), "vae") == Path("runs") / f"{name}-vae"


def test_the_default_folder_of_a_folder(tmp_path, monkeypatch):
    (tmp_path / "photos one [x].v2").mkdir()
    monkeypatch.chdir(tmp_path / "photos one [x].v2")
    for data in (".", str(tmp_path / "photos one [x].v2") + "/"):
        assert default_folder(Config(data=data), "sweep") == Path("runs") / "photos-one-x-.v2-sweep"
