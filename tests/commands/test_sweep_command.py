"""experiments/sweep.py from its flags to its files: resumed, extended, killed, and over two processes."""

import csv
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from vae_jax import sweep
from vae_jax.commands import evaluate as evaluate_command
from vae_jax.commands import sweep as sweep_command
from vae_jax.commands import train as train_command
from vae_jax.commands.cli import run_command
from vae_jax.errors import InputError
from vae_jax.runs import Config, SweepConfig, trainer
from vae_jax.runs.configuration.cells import cells
from vae_jax.runs.storage.folder import RunFolder, read_config
from vae_jax.runs.storage.parts import read_parts
from vae_jax.writing import write_sealed

ROOT = Path(__file__).parents[2]
SMALL = ("--betas", "0.5", "2", "--seeds", "3", "--epochs", "6", "--hidden", "16", "--latent", "3", "--devices", "2")


PROGRAM = """
from vae_jax.commands import cli, sweep
sweep.draw = lambda *_, **__: None
from vae_jax.commands.command import COMMANDS
cli.run_command(sweep.main, COMMANDS["sweep"].flags, "")
"""  # as the script does, without the pictures


def command(*flags) -> list[str]:
    """The sweep in a process of its own, to be killed or to work with others."""
    return [sys.executable, "-c", PROGRAM, *map(str, flags)]


def script(*flags) -> subprocess.CompletedProcess:
    program = [sys.executable, str(ROOT / "experiments" / "sweep.py"), *map(str, flags)]
    return subprocess.run(program, capture_output=True, text=True, cwd=ROOT)


def run(*flags) -> None:
    """The sweep of these flags, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["sweep.py", *map(str, flags)])
        run_command(sweep_command.main, SweepConfig, "")


def table(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "results.csv").open()))


def parts(out: Path) -> dict[str, int]:
    """The parts of a sweep, and when each was last written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in (out / "checkpoints").glob("*/part.json")}


@pytest.fixture(scope="module")
def uncut(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("sweep") / "uncut"
    run(*SMALL, "--chunk", 3, "--out", out)
    return out


def test_a_sweep_leaves_the_contracts_files(uncut):
    rows = table(uncut)
    assert [(row["beta"], row["seed"]) for row in rows] == [(beta, seed) for beta in ("0.5", "2") for seed in "012"]
    for name in ("rate", "distortion", "negative_elbo", "active_units", "rate_per_latent", "learning_rate"):
        assert all(row[name] for row in rows), name
    assert {row["diverged"] for row in rows} == {"false"}
    rates = np.array([float(row["rate"]) for row in rows]).reshape(2, 3)
    distortions = np.array([float(row["distortion"]) for row in rows]).reshape(2, 3)
    assert rates[0].mean() > rates[1].mean() and distortions[0].mean() < distortions[1].mean()
    summary = json.loads((uncut / "summary.json").read_text())
    first = summary["settings"][0]
    assert summary["models"] == 6 and first["beta"] == 0.5 and first["seeds"] == 3
    np.testing.assert_allclose(first["rate"]["mean"], rates[0].mean(), rtol=1e-4)
    low, high = first["rate"]["interval"]
    assert low < first["rate"]["mean"] < high
    for picture in ("rate_distortion.png", "traversals.png"):
        assert (uncut / picture).stat().st_size > 5000
    ramp = "beta_steps=0,beta_period=0"
    names = {f"learning_rate=0.001,beta={beta},{ramp},seed={seed}" for beta in ("0.5", "2") for seed in "012"}
    lines = [json.loads(line) for line in (uncut / "metrics.jsonl").read_text().splitlines()]
    assert {(line["model"], line["epoch"]) for line in lines} == {(name, e) for name in names for e in range(1, 7)}
    assert len(lines) == 36 and all(line["validation"]["negative_elbo"] > 0 for line in lines)
    assert {path.name for path in (uncut / "tensorboard").iterdir()} == names
    drawn = {path.name for path in (uncut / "models").iterdir()}
    assert drawn == {name for name in names if name.endswith("seed=0")}


def test_every_model_can_be_loaded_and_is_the_one_in_the_table(uncut):
    from vae_jax.evaluation import evaluate_elbo

    model = sweep.load(uncut, beta=2.0, seed=1)
    measured, row = evaluate_elbo(model.recipe, model.params, model.experiment.keys.test, model.data.test), model.row
    assert (row["beta"], row["seed"]) == (2.0, 1) and measured["rate"] > 0
    rows = {(entry["beta"], entry["seed"]): entry for entry in table(uncut)}
    np.testing.assert_allclose(row["rate"], float(rows["2", "1"]["rate"]), rtol=1e-5)
    assert (row["rate"], row["distortion"]) == (measured["rate"], measured["distortion"])
    with pytest.raises(InputError, match=r"holds no finished model with beta=3.0; see its results.csv"):
        sweep.load(uncut, beta=3.0)
    with pytest.raises(InputError, match="holds no run and no sweep"):
        sweep.load(uncut / "checkpoints")


@pytest.mark.usefixtures("_no_pictures")
def test_a_single_run_with_the_same_seed_and_beta_agrees(uncut, tmp_path):
    train_command.main(Config(beta=0.5, seed=1, epochs=6, hidden=(16,), latent=3, out=tmp_path / "one"))
    single = json.loads((tmp_path / "one" / "summary.json").read_text())["test"]
    row = next(row for row in table(uncut) if (row["beta"], row["seed"]) == ("0.5", "1"))
    for name in ("rate", "distortion", "negative_elbo"):
        np.testing.assert_allclose(float(row[name]), single[name], rtol=1e-3)


@pytest.mark.usefixtures("_no_pictures")
def test_killed_and_resumed_gives_the_bytes_of_an_uncut_sweep(uncut, tmp_path):
    """Killed twice, once between its two parts and once within one: nothing finished is trained again."""
    out = tmp_path / "cut"
    finished = {}
    for wait_for in (1, 2):
        process = subprocess.Popen(
            command(*SMALL, "--chunk", 3, "--out", out, *(["--resume"] if wait_for > 1 else [])),
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 240
        while len(parts(out)) < wait_for and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = [path for path in (out / "checkpoints").glob("*/part.json") if json.loads(path.read_text())["results"]]
        finished.update({path.parent.name: path.stat().st_mtime_ns for path in done})
    assert not (out / "results.csv").exists()
    run(*SMALL, "--chunk", 3, "--out", out, "--resume")
    assert (out / "results.csv").read_bytes() == (uncut / "results.csv").read_bytes()
    assert {name: parts(out)[name] for name in finished} == finished


def test_a_part_goes_on_from_its_last_checkpoint(tmp_path, monkeypatch):
    """Stopped within a part, a checkpoint behind it: the epochs before are not run again, the numbers are the same."""
    config = SweepConfig(betas=(0.5, 2.0), seeds=2, epochs=8, hidden=(8,), latent=2, batch_size=100, resume=True)
    (cell,) = cells(config)
    train = partial(trainer.train_cell, cell=cell, devices=None, over=None, chunk=None)
    (whole,) = train(RunFolder(tmp_path / "whole", config))
    fit = trainer.fit

    def stopping(*args, **rest):
        for word in fit(*args, **rest):
            yield word
            if word.done == 5:
                raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(trainer, "fit", stopping)
    with pytest.raises(KeyboardInterrupt):
        train(RunFolder(tmp_path / "cut", config))
    monkeypatch.setattr(trainer, "fit", fit)
    (part,) = read_parts(tmp_path / "cut" / "checkpoints")
    assert part.rows is None and part.store.steps() == [4, 5]
    (resumed,) = train(RunFolder(tmp_path / "cut", config))
    assert resumed.epochs == 3 and resumed.part.rows == whole.part.rows
    jax.tree.map(np.testing.assert_array_equal, resumed.population.states(), whole.population.states())
    rows = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "cut")]
    assert rows[0] == rows[1]


def test_a_member_of_a_sweep_is_the_single_run_to_the_bit(tmp_path):
    """One after another, on two devices: parameters, optimiser state and metrics."""
    config = SweepConfig(betas=(0.5, 2.0), seeds=2, epochs=3, hidden=(8,), latent=2)
    (cell,) = cells(config)
    train = partial(trainer.train_cell, over=None, chunk=None)
    (both,) = train(RunFolder(tmp_path / "sweep", config), cell, devices=jax.devices()[:2])
    lines = [json.loads(line) for line in (tmp_path / "sweep" / "metrics.jsonl").read_text().splitlines()]
    for index in (0, 3):
        named = cell.members.named(index)
        alone = Config(beta=named["beta"], seed=named["seed"], epochs=3, hidden=(8,), latent=2)
        (own,) = cells(alone)
        folder = RunFolder(tmp_path / str(index), alone)
        (single,) = train(folder, own, devices=None)
        found = jax.tree.map(lambda leaf: leaf[0], single.population.states())
        member = jax.tree.map(lambda leaf, i=index: leaf[i], both.population.states())
        jax.tree.map(np.testing.assert_array_equal, member, found)
        mine = [{k: v for k, v in line.items() if k != "model"} for line in lines[index::4]]
        assert mine == folder.rows()


def test_a_damaged_checkpoint_is_named_and_no_wrong_model(uncut, tmp_path, capsys):
    """A flipped bit, a truncated file and a missing one: each is seen, in every file."""
    out = tmp_path / "damaged"
    shutil.copytree(uncut, out)
    part = next(part for part in read_parts(out / "checkpoints") if part.runs[0]["beta"] == 2.0)
    (epoch,) = part.store.steps()
    folder = part.path / "states" / str(epoch)
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        whole = path.read_bytes()
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :] if whole else b"x"
        for damaged in (flipped, whole[:middle] if whole else b"xx"):
            path.write_bytes(damaged)
            assert part.store.verify(epoch) == [str(path.relative_to(folder))]
        path.write_bytes(whole)
    assert part.store.verify(epoch) == []
    files[-1].unlink()
    with pytest.raises(InputError, match="has no checkpoint that is whole; train it again"):
        sweep.load(out, beta=2.0)
    assert f"the checkpoint of epoch {epoch}" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["a byte", "deleted"])
def test_a_finished_sweep_whose_checkpoint_is_not_whole_is_trained_again(uncut, tmp_path, damage, capsys, monkeypatch):
    out = tmp_path / "damaged"
    shutil.copytree(uncut, out)
    part = next(part for part in read_parts(out / "checkpoints") if part.runs[0]["beta"] == 2.0)
    if damage == "deleted":
        shutil.rmtree(part.path / "states")
    else:
        path = next(path for path in (part.path / "states").rglob("*") if path.is_file() and path.stat().st_size > 99)
        path.write_bytes(b"x" + path.read_bytes()[1:])
    with pytest.raises(InputError, match="no checkpoint that is whole"):
        sweep.load(out, beta=2.0)
    monkeypatch.setattr(sweep_command, "draw", lambda *_, **__: None)
    config = replace(read_config(out), out=out, resume=True)
    sweep_command.main(config)
    assert "the checkpoint of the results in" in capsys.readouterr().err
    for name in ("results.csv", "metrics.jsonl"):
        assert sorted((out / name).read_text().splitlines()) == sorted((uncut / name).read_text().splitlines())
    assert sweep.load(out, beta=2.0).epoch == 6


def test_an_incomplete_sweep_is_not_evaluated(uncut, tmp_path):
    out = tmp_path / "incomplete"
    shutil.copytree(uncut, out)
    shutil.rmtree(next((out / "checkpoints").iterdir()))
    with pytest.raises(InputError, match=r"lists 6 models in results.csv and holds 3; train what is missing"):
        evaluate_command.main(evaluate_command.EvaluateConfig(run=out))


@pytest.mark.usefixtures("_no_pictures")
def test_another_beta_trains_the_new_models_alone(uncut, tmp_path):
    out = tmp_path / "more"
    shutil.copytree(uncut, out)
    before = parts(out)
    run(*SMALL, "--betas", "0.5", "8", "--chunk", 3, "--out", out, "--resume")
    after = parts(out)
    assert len(after) == len(before) + 1 and all(after[name] == before[name] for name in before)
    rows = table(out)
    assert [row["beta"] for row in rows] == ["0.5"] * 3 + ["2"] * 3 + ["8"] * 3
    assert rows[:6] == table(uncut)


def test_resuming_with_other_choices_is_refused(uncut):
    done = script(*SMALL, "--latent", 4, "--out", uncut, "--resume")
    assert done.returncode == 1 and "latent was 3, now 4" in done.stderr
    with pytest.raises(SystemExit, match="holds a run already; pass --resume"):
        run(*SMALL, "--out", uncut)


def test_sizes_and_losses_go_cell_by_cell(tmp_path, monkeypatch):
    vary = ("latent=2,3", "loss=vae,capacity")
    config = SweepConfig(epochs=2, hidden=(8,), seeds=1, vary=vary, devices=2, out=tmp_path / "cells")
    with pytest.raises(InputError, match="loss 'capacity' has no hyperparameter 'beta'"):
        sweep_command.main(replace(config, betas=(1.0,)))
    monkeypatch.setattr(sweep_command, "draw", lambda *_, **__: None)
    sweep_command.main(config)
    rows = table(tmp_path / "cells")
    counts = {(row["latent"], row["loss"]): 0 for row in rows}
    for row in rows:
        counts[row["latent"], row["loss"]] += 1
    assert counts == {("2", "vae"): 6, ("3", "vae"): 6, ("2", "capacity"): 1, ("3", "capacity"): 1}
    assert all(len(row["rate_per_latent"].split()) == int(row["latent"]) for row in rows)


def start_two(out: Path) -> list[subprocess.Popen]:
    """The sweep in two processes under `jax.distributed`, from the start or from where it stands."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    flags = (*SMALL, "--chunk", 3, "--out", out, "--coordinator", address, "--processes", 2)
    resume = ["--resume"] if out.exists() else []
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return [subprocess.Popen(command(*flags, "--process", i, *resume), cwd=ROOT, **pipes) for i in (0, 1)]


def lose(out: Path, killed: int) -> None:
    """Kill one of two processes in the middle of an epoch; the other says so in one line, and ends."""
    both, rows = start_two(out), out / "metrics.jsonl"
    changes = {rows.stat().st_mtime_ns if rows.exists() else 0}
    while len(changes) < 3:  # sooner, the other takes half a minute to see that it cannot connect
        assert both[0].poll() is None and both[1].poll() is None
        changes.add(rows.stat().st_mtime_ns if rows.exists() else 0)
    both[killed].kill()
    lost = time.monotonic()
    _, said = both[1 - killed].communicate(timeout=120)
    both[killed].communicate()
    assert both[1 - killed].returncode == 1 and time.monotonic() - lost < 100  # JAX's own heartbeat
    assert said.splitlines()[-1].startswith("error: another process of this job has ended; what is saved is whole.")
    assert "Traceback" not in said and "stack trace" not in said


@pytest.mark.slow
@pytest.mark.parametrize("asked", [[0], [0, 1]])
def test_two_processes_are_stopped_and_go_on(asked, uncut, tmp_path):
    """The coordinator alone, as by hand, or both, as a cluster does."""
    both, rows = start_two(tmp_path / "out"), tmp_path / "out" / "metrics.jsonl"
    while not rows.exists():
        time.sleep(0.01)
    for index in asked:
        both[index].send_signal(signal.SIGTERM)
    said = [process.communicate(timeout=30)[1] for process in both]
    assert both[0].returncode == 143 and both[1].returncode in (143, 1), said
    assert "Traceback" not in "".join(said)
    assert [process.wait() for process in start_two(tmp_path / "out")] == [0, 0]
    for name in ("results.csv", "metrics.jsonl"):
        assert (tmp_path / "out" / name).read_bytes() == (uncut / name).read_bytes()


@pytest.mark.slow
def test_what_two_processes_have_left_goes_on_in_one(uncut, tmp_path):
    lose(tmp_path / "lost", killed=1)
    lose(tmp_path / "lost", killed=0)
    run(*SMALL, "--chunk", 3, "--out", tmp_path / "lost", "--resume")
    for name in ("results.csv", "metrics.jsonl"):
        assert (tmp_path / "lost" / name).read_bytes() == (uncut / name).read_bytes()


@pytest.mark.slow
def test_two_processes_give_the_table_of_one(uncut, tmp_path):
    """Under jax.distributed: one population over the devices of both, one checkpoint; the first writes the rest.

    One of them is killed, and both are started again.
    """
    out = tmp_path / "shared"
    lose(out, killed=1)
    both = start_two(out)
    said = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    for name in ("results.csv", "metrics.jsonl"):
        assert (out / name).read_bytes() == (uncut / name).read_bytes()
    alone, shared = (read_parts(folder / "checkpoints") for folder in (uncut, out))
    assert [part.rows for part in alone] == [part.rows for part in shared]
    row = shared[0].rows[-1]
    theirs, ours = (sweep.load(folder, **{name: row[name] for name in ("beta", "seed")}) for folder in (out, uncut))
    jax.tree.map(np.testing.assert_array_equal, theirs.params, ours.params)  # saved by two processes, read by one
    assert theirs.row.identity == row.identity


def test_how_members_are_laid_out_is_passed_on(monkeypatch, tmp_path):
    """The numbers are the same whichever way, so that no other test would see it."""

    def stop(*_, **how):
        raise KeyError(how)

    monkeypatch.setattr(sweep_command, "train_cell", stop)
    with pytest.raises(KeyError) as stopped:
        sweep_command.main(SweepConfig(over="pmap", chunk=2, devices=2, hidden=(4,), out=tmp_path / "out"))
    (how,) = stopped.value.args
    assert how == {"over": "pmap", "chunk": 2, "devices": (*jax.devices()[:2],)}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--betas", "-1"], "--betas -1: expected a finite number of at least 0"),
        (["--betas", "nan"], "--betas nan: expected a finite number of at least 0"),
        (["--betas", "1", "2", "1"], "beta: 1.0 is given twice; expected each value once"),
        (["--betas", "one"], "--betas"),
        (["--seeds", "0"], "--seeds 0: expected a whole number of at least 1"),
        (["--beta", "2"], "--beta 2: a sweep takes --betas"),
        (["--vary", "latent"], "--vary latent: expected NAME=VALUE,VALUE"),
        (["--vary", "latent=2,x"], "--vary latent=x: expected a whole number of at least 1"),
        (["--vary", "latent=2,2"], "--vary latent=2,2: 2 is given twice; expected each value once"),
        (
            ["--vary", "critic_learning_rate=-1", "--loss", "factor"],
            "--vary critic_learning_rate=-1: expected a finite",
        ),
        (["--seed", str(2**32 - 1), "--seeds", "3"], "expected seeds up to 2^32"),
        (["--set", "beta_steps=1", "beta_steps=2"], "--set beta_steps=2: beta_steps is given twice"),
        (["--over", "vmap"], "--over vmap: expected one of shard_map, pmap"),
        (["--vary", "gama=1"], "loss 'vae' has no hyperparameter 'gama'"),
        (["--vary", "loss=vae,vea"], "--loss vea: no such loss; did you mean 'vae'"),
        (["--chunk", "0"], "--chunk 0: expected a whole number of at least 1"),
    ],
)
def test_what_makes_no_sense_is_one_plain_line(flags, said, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["sweep.py", "--devices", "2", *flags, "--out", str(tmp_path / "none")])
    monkeypatch.setattr(jax.config, "update", lambda *_, **__: None)  # the devices of this process are there already
    with pytest.raises(SystemExit) as stop:
        run_command(sweep_command.main, SweepConfig, "")
    assert said in str(stop.value.code) and "\n" not in str(stop.value.code)
    assert capsys.readouterr().err == ""
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--coordinator", "127.0.0.1:1"], "go together: give all three, or none"),
        (["--distributed"], "no other processes could be joined"),
    ],
)
def test_processes_that_are_not_there_are_one_plain_line(flags, said, tmp_path):
    done = script(*flags, "--out", tmp_path / "none")
    assert done.returncode == 1
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "none").exists()


def test_models_without_a_rate_have_a_table_all_the_same(tmp_path):
    flags = ("--loss", "sparse", "--vary", "weight=0.1,10", "--seeds", 2, "--epochs", 2, "--hidden", 8)
    run(*flags, "--devices", 2, "--out", tmp_path / "out")
    rows = table(tmp_path / "out")
    assert [row["weight"] for row in rows] == ["0.1", "0.1", "10", "10"]
    assert {row["rate"] for row in rows} == {"nan"} and all(float(row["distortion"]) > 0 for row in rows)
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["settings"][0]["rate"]["mean"] is None


def test_the_exact_curve_is_drawn_for_linear_models(tmp_path):
    random = np.random.RandomState(0)
    np.savez(tmp_path / "rows.npz", x=np.clip(0.5 + 0.1 * random.randn(200, 6), 0, 1).astype(np.float32))
    flags = ("--data", tmp_path / "rows.npz", "--model", "linear", "--likelihood", "gaussian", "--latent", "2")
    rest = ("--betas", "0.1", "1", "--seeds", "1", "--epochs", "2", "--batch-size", "50", "--devices", "2")
    run(*flags, *rest, "--out", tmp_path / "out")
    assert (tmp_path / "out" / "rate_distortion.png").exists() and not (tmp_path / "out" / "traversals.png").exists()


def test_a_run_is_not_resumed_as_a_sweep(uncut, tmp_path):
    shutil.copytree(uncut, tmp_path / "sweep")
    config = Config(epochs=6, hidden=(16,), latent=3, out=tmp_path / "sweep", resume=True)
    with pytest.raises(InputError, match="does not hold a run of this version; choose another --out"):
        RunFolder(tmp_path / "sweep", config)
    assert "betas" in json.loads((tmp_path / "sweep" / "config.json").read_text())


def test_models_that_agree_to_six_digits_have_rows_of_their_own(tmp_path):
    config = SweepConfig(betas=(0.1234567, 0.1234568), seeds=1, epochs=1, hidden=(8,), latent=2)
    (cell,) = cells(config)
    folder = RunFolder(tmp_path / "close", config)
    trainer.train_cell(folder, cell, devices=None, over=None, chunk=1)
    assert len({row["model"] for row in folder.rows()}) == 2


def test_a_part_whose_members_were_changed_is_refused(uncut, tmp_path):
    out = tmp_path / "changed"
    shutil.copytree(uncut, out)
    path = next((out / "checkpoints").glob("*/part.json"))
    content = json.loads(path.read_text())
    content["members"][0]["beta"] += 1
    content.pop("sha256")
    for write, said in (
        (lambda: path.write_text(json.dumps(content)), "its checksum is not that of its content"),
        (lambda: write_sealed(path, content), "its members are not those of its folder's name"),
    ):
        write()
        with pytest.raises(InputError, match=rf"{said}.*go on with --resume"):
            sweep.load(out)
