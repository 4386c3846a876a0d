"""The commands as a person runs them: what they leave, how they resume, and one line for each mistake."""

import contextlib
import errno
import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import matplotlib.image
import numpy as np
import pytest
from quick import few_codes

import vae_jax
from vae_jax import plots
from vae_jax.commands import train as train_command
from vae_jax.commands.cli import run_command
from vae_jax.errors import InputError
from vae_jax.plots.labels import draw_swapped_labels
from vae_jax.runs import Config, build
from vae_jax.runs.storage.folder import RunFolder, free_folder
from vae_jax.runs.storage.models import Models
from vae_jax.trained import Evaluation, Trained
from vae_jax.training import init, train_one

ROOT = Path(__file__).parents[2]


def train(*flags: object) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / "experiments" / "train.py", *map(str, flags)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that draws everything, and what it said."""
    out, said = tmp_path_factory.mktemp("runs") / "whole", io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        few_codes(patch)
        train_command.main(Config(epochs=4, latent=3, hidden=(16,), out=out))
    return out, said.getvalue()


def states_of(folder: Path):
    """`(epochs done, states and what is beside them)` of the newest checkpoint."""
    models = Models(folder)
    (part,) = models.parts
    return part.restore(build(models.config))


def test_a_run_leaves_the_contracts_files(run):
    out, said = run
    config = json.loads((out / "config.json").read_text())
    assert config["latent"] == 3 and config["hidden"] == [16]
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    summary = json.loads((out / "summary.json").read_text())
    test = summary["test"]
    assert test["negative_elbo"] == pytest.approx(test["distortion"] + test["rate"])
    assert {"active_units", "examples"} <= test.keys()
    assert summary["steps"] == rows[-1]["step"] == 4 * 9
    assert summary["seconds"] > 0 and summary["images_per_second"] > 0
    for name in ("samples", "reconstructions"):
        pictures = sorted(path.name for path in (out / name).iterdir())
        assert pictures == [f"epoch-000{epoch}.png" for epoch in (1, 2, 3, 4)]
    for picture in [*out.glob("*/*.png"), out / "curves.png"]:
        assert matplotlib.image.imread(picture).std() > 0.01  # drawn upon
    assert any((out / "checkpoints").iterdir()) and any((out / "tensorboard").iterdir())
    assert "negative ELBO" in said and str(out / "samples") in said


def test_training_learns(run):
    out, _ = run
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["validation"]["negative_elbo"] < rows[0]["validation"]["negative_elbo"] - 2


@pytest.mark.usefixtures("_no_pictures")
def test_cut_and_resumed_is_uncut_to_the_byte(run, tmp_path):
    whole, _ = run
    config = Config(epochs=2, latent=3, hidden=(16,), out=tmp_path / "cut")
    train_command.main(config)
    with (tmp_path / "cut" / "metrics.jsonl").open("a") as file:  # as if cut between a row and its checkpoint
        file.write('{"epoch": 3, "step": 27, "train": {}, "validation": {}}\n')
    train_command.main(replace(config, epochs=4, resume=True))
    assert (tmp_path / "cut" / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    states = [states_of(folder) for folder in (whole, tmp_path / "cut")]
    assert states[0][0] == 4
    assert jax.tree.structure(states[0]) == jax.tree.structure(states[1])
    for one, other in zip(*map(jax.tree.leaves, states), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in (whole, tmp_path / "cut")]
    assert summaries[0]["test"] == summaries[1]["test"]


@pytest.mark.usefixtures("_no_pictures")
def test_a_speed_that_nobody_wrote_down_is_left_out(tmp_path, monkeypatch, capsys):
    """Cut after the last checkpoint and before the summary: the time of training is not known any more."""
    config = Config(epochs=1, latent=3, hidden=(16,), out=tmp_path / "run")

    def cut(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train_command, "test_metrics", cut)
        train_command.main(config)
    train_command.main(replace(config, resume=True))
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["epochs"] == 1 and not {"seconds", "images_per_second"} & summary.keys()
    assert "active units" in (said := capsys.readouterr().out) and "images a second" not in said


def test_a_run_is_not_overwritten_and_not_resumed_as_another(run):
    out, _ = run
    before = (out / "metrics.jsonl").read_bytes()
    refused = train("--epochs", 4, "--latent", 3, "--hidden", 16, "--out", out)
    assert refused.returncode != 0 and "holds a run already; pass --resume" in refused.stderr
    with pytest.raises(InputError, match="latent was 3, now 5"):
        train_command.main(Config(epochs=4, latent=5, hidden=(16,), out=out, resume=True))
    assert (out / "metrics.jsonl").read_bytes() == before


MISTAKES = {
    "--data digit": "no data set 'digit'; did you mean 'digits'?",
    "--loss vea": "--loss vea: no such loss; did you mean 'vae'? Choose from: ae, ",
    "--likelihood bernuli": "did you mean 'bernoulli'? Choose from: bernoulli, continuous",
    "--beta -1": "--beta -1: expected a finite number of at least 0.",
    "--beta nan": "--beta nan: expected a finite number",
    "--beta much": "Error parsing --beta: 'much' is no FLOAT; see --help.",
    "--latent 0": "--latent 0: expected a whole number of at least 1.",
    "--hidden 40 0": "--hidden 40 0: expected widths of at least 1.",
    "--batch-size 9999": "digits has 1258 training images",
    "--learning-rate 0": "expected a finite number above 0",
    "--latent 1000000000000": "GB in training, and the device has",
    "--latent 99999999999999999999": "a model of these sizes has more parameters than an array can hold",
    "--epochs 100000000000000": "steps in all; expected fewer than 2,147,483,648",
    "--on-nonfinite go": "--on-nonfinite go: expected one of stop, skip.",
    "--seed -1": "--seed -1: expected a whole number",
    "--latnet 2": "Unrecognized options: --latnet, 2; did you mean --latent?",
    "--model linear --hidden 3": "the linear model has no hidden layers",
    "--data missing.npz": "no file missing.npz",
}


@pytest.mark.parametrize("flags", MISTAKES)
def test_a_mistake_is_one_plain_line_before_any_training(flags, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["train.py", *flags.split(), "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as stop:
        run_command(train_command.main, Config, "")
    message = str(stop.value.code)
    assert message.startswith("error: ") and "\n" not in message
    assert MISTAKES[flags] in message
    assert capsys.readouterr().err == ""
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_refused(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(sys, "argv", ["train.py", "--out", str(tmp_path / "file" / "out")])
    with pytest.raises(SystemExit, match="cannot be written"):
        run_command(train_command.main, Config, "")


def test_a_full_disk_anywhere_is_one_plain_line(monkeypatch, tmp_path):
    """Here while rows are written; what a name holds does not break the line."""

    def full(self, row):
        raise OSError(errno.ENOSPC, "No space left on device", str(self.path / "metrics\n.jsonl"))

    monkeypatch.setattr(RunFolder, "append", full)
    monkeypatch.setattr(sys, "argv", ["train.py", "--epochs", "2", "--hidden", "8", "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as stop:
        run_command(train_command.main, Config, "")
    said = str(stop.value.code)
    assert said.startswith(f"error: {tmp_path / 'out'}/metrics .jsonl: No space left on device. Nothing that was saved")
    RunFolder(tmp_path / "out", Config(epochs=2, hidden=(8,), out=tmp_path / "out", resume=True)).close()  # not held


@pytest.mark.parametrize("name", ["a[b]c", "bad\udcff"])
def test_a_folder_that_no_checkpoint_could_be_written_to_is_refused(name, tmp_path):
    with pytest.raises(InputError, match=r"cannot be written to a path with \[, \] or bytes that are no text"):
        RunFolder(tmp_path / name, Config(out=tmp_path / name))
    assert not any(tmp_path.iterdir())


def test_fewer_epochs_than_there_are_is_refused_and_changes_nothing(run):
    config = Config(epochs=2, latent=3, hidden=(16,), out=run[0], resume=True)
    before = {path: path.read_bytes() for path in run[0].rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=r"--epochs 2: .* has 4 already; expected at least that many"):
        train_command.main(config)
    part = next(path for path in before if path.name == "part.json")
    assert {path: path.read_bytes() for path in before} == before, part


def test_labels_of_a_small_set_are_swapped(tmp_path):
    file, x = tmp_path / "small.npz", np.random.RandomState(0).randint(0, 255, (60, 8, 8)).astype(np.uint8)
    np.savez(file, x=x, y=np.arange(60) % 3)
    experiment = build(Config(data=str(file), loss="cvae", batch_size=16, hidden=(8,)))
    params = init(experiment.recipe, experiment.keys.train, experiment.data.train).params
    draw_swapped_labels(Trained(experiment, params), tmp_path / "swapped.png", Evaluation({}))
    assert (tmp_path / "swapped.png").exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "f"), "f: No space left on device. Nothing that was saved is lost"),
        (ArithmeticError("diverged"), "diverged"),
        (InputError("two\nlines"), "two lines"),
    ],
)
def test_an_error_of_the_user_or_the_disk_is_one_line(error, said, monkeypatch):
    def main(config):
        raise error

    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(SystemExit) as stop:
        run_command(main, Config, "")
    assert str(stop.value.code).startswith(f"error: {said}")


def test_an_error_of_ours_is_not_hidden(monkeypatch):
    def main(config):
        raise OSError("a bug")

    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(OSError, match="a bug"):
        run_command(main, Config, "")


@pytest.mark.usefixtures("_no_pictures")
def test_other_data_than_it_was_trained_on_are_refused(tmp_path):
    file, x = tmp_path / "own.npz", np.zeros((60, 4), np.uint8)
    np.savez(file, x=x, y=np.arange(60) % 3)
    config = Config(data=str(file), out=tmp_path / "run", batch_size=16, epochs=1, latent=2, hidden=(4,))
    train_command.main(config)
    np.savez(file, x=x, y=np.arange(60) % 2)
    for go_on in (lambda: train_command.main(replace(config, epochs=2, resume=True)), lambda: vae_jax.load(config.out)):
        with pytest.raises(InputError, match="is another run's: data was"):
            go_on()


def test_a_run_without_its_configuration_is_not_written_over(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "bare")
    (tmp_path / "bare" / "config.json").unlink()
    with pytest.raises(InputError, match="holds a run whose config"):
        RunFolder(tmp_path / "bare", Config(out=tmp_path / "bare"))


def test_what_cannot_be_printed_is_a_question_mark():
    program = """
from vae_jax.commands.cli import run_command
from vae_jax.runs import Config
run_command(lambda config: print("1.0 ± 0.1"), Config, "")
"""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False
    )
    assert (result.returncode, result.stdout) == (0, "1.0 ? 0.1\n"), result.stderr


@pytest.mark.usefixtures("_no_pictures")
def test_going_on_with_what_is_finished_keeps_its_speed(run, tmp_path):
    out = tmp_path / "again"
    shutil.copytree(run[0], out)
    before = json.loads((out / "summary.json").read_text())
    train_command.main(Config(epochs=4, latent=3, hidden=(16,), out=out, resume=True))
    assert json.loads((out / "summary.json").read_text()) == before


def test_default_folders_are_numbered(tmp_path):
    base = tmp_path / "digits-vae"
    assert free_folder(base, resume=False) == free_folder(base, resume=True) == base
    base.mkdir()
    assert free_folder(base, resume=False) == tmp_path / "digits-vae-2"
    assert free_folder(base, resume=True) == base
    (tmp_path / "digits-vae-2").mkdir()
    assert free_folder(base, resume=True).name == "digits-vae-2"


def test_help_teaches_every_flag():
    text = train("--help").stdout
    flags = "data manual-dir preprocess loss likelihood prior model hidden latent beta epochs batch-size learning-rate"
    for flag in (*flags.split(), "seed", "out", "resume"):
        assert f"--{flag}" in text


@pytest.mark.parametrize("flags", [{"model": "conv", "hidden": (16,)}, {"likelihood": "gaussian-learned"}])
def test_rows_of_features_and_other_models_train(flags, tmp_path):
    np.save(tmp_path / "x.npy", np.random.RandomState(0).rand(60, 6, 6, 1))
    experiment = build(Config(data=str(tmp_path / "x.npy"), latent=2, batch_size=16, epochs=1, **flags))
    params = train_one(experiment.recipe, experiment.members, experiment.data.train, epochs=1)
    plots.draw_epoch(Trained(experiment, params), tmp_path, 1)
    assert (tmp_path / "samples" / "epoch-0001.png").exists()


def test_a_folder_of_version_0_1_is_refused(run, tmp_path):
    """The same seed drew other numbers there: neither resumed nor read."""
    out = tmp_path / "old"
    shutil.copytree(run[0], out)
    config = Config(epochs=4, latent=3, hidden=(16,), out=out)
    written = json.loads((out / "config.json").read_text())
    del written["format"]
    (out / "config.json").write_text(json.dumps(written))
    with pytest.raises(InputError, match=r"written by version 0\.1, where a seed draws other random numbers"):
        train_command.main(replace(config, resume=True))
    with pytest.raises(InputError, match=r"written by version 0\.1"):
        vae_jax.load(out)


def test_a_run_is_loaded_in_three_lines(run):
    out, _ = run
    model = vae_jax.load(out)
    codes = model.encode(model.data.test.x[:5])
    assert codes.mean.shape == (5, 3) and model.decode(codes.mean).shape == (5, 8, 8, 1)
    assert model.sample(4).shape == (4, 8, 8, 1) and model.row["seed"] == 0
    codes = model.encode(model.data.test.x)
    rate = vae_jax.losses.kl_standard_normal(codes.mean, codes.log_var)
    summary = json.loads((out / "summary.json").read_text())
    np.testing.assert_allclose(rate.sum(axis=1).mean(), summary["test"]["rate"], rtol=1e-5)
    with pytest.raises(InputError, match=r"x has shape \(8, 8, 1\); expected \[n, 8, 8, 1\]"):
        model.encode(model.data.test.x[0])
    with pytest.raises(InputError, match=r"z has shape \(3,\); expected \[n, 3\]"):
        model.decode(codes.mean[0])
    with pytest.raises(InputError, match="is a run of one model, which is not one with beta=4"):
        vae_jax.load(out, beta=4.0)
    with pytest.raises(InputError, match="holds no run and no sweep"):
        vae_jax.load(out / "samples")


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("config.json", b"null", "is not what a command of this version wrote"),
        ("config.json", b"\xff", "is not what a command wrote .* choose another --out"),
        ("metrics.jsonl", b"garbage\n", "is not what a command wrote .* delete it, and its rows begin anew"),
    ],
)
def test_a_file_that_no_command_wrote_is_refused(run, tmp_path, file, content, said):
    """In one plain line, and left as it is."""
    out = tmp_path / "spoilt"
    shutil.copytree(run[0], out)
    (path,) = out.rglob(file)
    path.write_bytes(content)
    config = Config(epochs=4, latent=3, hidden=(16,), out=out, resume=True)
    with pytest.raises(InputError, match=said):
        train_command.main(config)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("name", "flags"),
    [("train", ()), pytest.param("sweep", ("--betas", "1", "--seeds", "1"), marks=pytest.mark.slow)],
)
def test_the_scripts_run_from_beginning_to_end(name, flags, tmp_path):
    """As a user calls them, each in a process of its own."""
    command = [
        sys.executable,
        ROOT / "experiments" / f"{name}.py",
        "--epochs",
        "1",
        "--latent",
        "4",
        *flags,
        "--out",
        tmp_path / "out",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "per image" in done.stdout or "per test image" in done.stdout
    assert (tmp_path / "out" / "summary.json").exists()
