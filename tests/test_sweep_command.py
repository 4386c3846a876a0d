"""experiments/sweep.py from its flags to its files: resumed, extended, killed, and over two processes."""

import csv
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from vae_jax import sweep
from vae_jax.errors import InputError
from vae_jax.sweep import folder
from vae_jax.sweep.cells import SweepConfig, cells
from vae_jax.sweep.folder import read_chunks

ROOT = Path(__file__).parent.parent
SMALL = ("--betas", "0.5", "2", "--seeds", "3", "--epochs", "6", "--hidden", "16", "--latent", "3", "--devices", "2")


def command(*flags, **rest) -> list[str]:
    return [sys.executable, str(ROOT / "experiments" / "sweep.py"), *map(str, flags)]


def run(*flags) -> subprocess.CompletedProcess:
    return subprocess.run(command(*flags), capture_output=True, text=True, cwd=ROOT)


def table(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "results.csv").open()))


def chunks(out: Path) -> dict[str, int]:
    """The parts of a sweep, and when each was last written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in (out / "checkpoints").glob("*/population.json")}


@pytest.fixture(scope="module")
def uncut(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("sweep") / "uncut"
    done = run(*SMALL, "--chunk", 3, "--out", out)
    assert done.returncode == 0, done.stderr
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


def test_every_model_can_be_loaded_and_is_the_one_in_the_table(uncut):
    from vae_jax.evaluation import evaluate_elbo

    experiment, params, row = sweep.load(uncut, beta=2.0, seed=1)
    measured = evaluate_elbo(experiment.recipe, params, experiment.keys.test, experiment.data.test)
    assert (row["beta"], row["seed"]) == (2.0, 1) and measured["rate"] > 0
    rows = {(entry["beta"], entry["seed"]): entry for entry in table(uncut)}
    np.testing.assert_allclose(row["rate"], float(rows["2", "1"]["rate"]), rtol=1e-5)
    np.testing.assert_allclose(row["distortion"], measured["distortion"], rtol=1e-2)  # another key for z
    with pytest.raises(InputError, match=r"holds no finished model with beta=3.0; see its results.csv"):
        sweep.load(uncut, beta=3.0)
    with pytest.raises(InputError, match="holds no sweep"):
        sweep.load(uncut / "checkpoints")


def test_a_single_run_with_the_same_seed_and_beta_agrees(uncut, tmp_path):
    flags = (
        "--beta",
        "0.5",
        "--seed",
        "1",
        "--epochs",
        "6",
        "--hidden",
        "16",
        "--latent",
        "3",
        "--out",
        tmp_path / "one",
    )
    program = [sys.executable, str(ROOT / "experiments" / "train.py"), *map(str, flags)]
    subprocess.run(program, check=True, capture_output=True, cwd=ROOT)
    single = json.loads((tmp_path / "one" / "summary.json").read_text())["test"]
    row = next(row for row in table(uncut) if (row["beta"], row["seed"]) == ("0.5", "1"))
    for name in ("rate", "distortion", "negative_elbo"):
        np.testing.assert_allclose(float(row[name]), single[name], rtol=1e-3)


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
        while len(chunks(out)) < wait_for and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = [
            path for path in (out / "checkpoints").glob("*/population.json") if json.loads(path.read_text())["results"]
        ]
        finished.update({path.parent.name: path.stat().st_mtime_ns for path in done})
    assert not (out / "results.csv").exists()
    done = run(*SMALL, "--chunk", 3, "--out", out, "--resume")
    assert done.returncode == 0, done.stderr
    assert (out / "results.csv").read_bytes() == (uncut / "results.csv").read_bytes()
    assert {name: chunks(out)[name] for name in finished} == finished


def test_a_part_goes_on_from_its_last_checkpoint(tmp_path, monkeypatch):
    """Stopped within a part, a checkpoint behind it: the epochs before are not run again, the numbers are the same."""
    config = SweepConfig(betas=(0.5, 2.0), seeds=2, epochs=40, hidden=(8,), latent=2, batch_size=100)
    (cell,) = cells(config)
    devices = jax.local_devices()
    whole = folder.train_cell(tmp_path / "whole", cell, config, devices)

    started, train = [], folder.train

    def stopping(*args, start, **rest):
        started.append(0 if start is None else start[0])
        for done, population in train(*args, start=start, **rest):
            yield done, population
            if len(started) == 1 and done == 16:
                raise KeyboardInterrupt

    monkeypatch.setattr(folder, "train", stopping)
    monkeypatch.setattr(folder, "SAVE_EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        folder.train_cell(tmp_path / "cut", cell, config, devices)
    assert [chunk.rows for chunk in read_chunks(tmp_path / "cut")] == [None]
    assert folder.train_cell(tmp_path / "cut", cell, config, devices) == whole
    assert started == [0, 16]


def test_a_damaged_file_is_an_error_and_no_wrong_model(uncut, tmp_path):
    out = tmp_path / "damaged"
    shutil.copytree(uncut, out)
    path = next(chunk.path for chunk in read_chunks(out / "checkpoints") if chunk.runs[0]["beta"] == 2.0) / "states.npz"
    whole = path.read_bytes()
    middle = len(whole) // 2
    for damaged in (whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :], whole[:middle], b""):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"states.npz cannot be read .* trained anew"):
            sweep.load(out, beta=2.0)
    np.savez(path, pickled=np.array([{"code": "of a stranger"}], object))
    with pytest.raises(InputError, match=r"states.npz cannot be read .*allow_pickle=False"):
        sweep.load(out, beta=2.0)
    np.savez(path, other=np.zeros(3))
    with pytest.raises(InputError, match="holds arrays of other names, shapes or types"):
        sweep.load(out, beta=2.0)


def test_another_beta_trains_the_new_models_alone(uncut, tmp_path):
    out = tmp_path / "more"
    shutil.copytree(uncut, out)
    before = chunks(out)
    done = run(*SMALL, "--betas", "0.5", "8", "--chunk", 3, "--out", out, "--resume")
    assert done.returncode == 0, done.stderr
    after = chunks(out)
    assert len(after) == len(before) + 1 and all(after[name] == before[name] for name in before)
    rows = table(out)
    assert [row["beta"] for row in rows] == ["0.5"] * 3 + ["2"] * 3 + ["8"] * 3
    assert rows[:6] == table(uncut)


def test_resuming_with_other_choices_is_refused(uncut):
    done = run(*SMALL, "--latent", 4, "--out", uncut, "--resume")
    assert done.returncode == 1 and "latent was 3, now 4" in done.stderr
    done = run(*SMALL, "--out", uncut)
    assert done.returncode == 1 and "holds a run already; pass --resume" in done.stderr


def test_sizes_and_losses_go_cell_by_cell(tmp_path):
    flags = (
        "--epochs",
        2,
        "--hidden",
        8,
        "--seeds",
        1,
        "--vary",
        "latent=2,3",
        "loss=vae,capacity",
        "learning_rate=1e-3,1e-2",
    )
    done = run(*flags, "--betas", "1", "--out", tmp_path / "cells")
    assert done.returncode == 1 and "loss 'capacity' has no hyperparameter 'beta'" in done.stderr
    done = run(*flags, "--out", tmp_path / "cells")
    assert done.returncode == 0, done.stderr
    rows = table(tmp_path / "cells")
    counts = {(row["latent"], row["loss"]): 0 for row in rows}
    for row in rows:
        counts[row["latent"], row["loss"]] += 1
    assert counts == {("2", "vae"): 12, ("3", "vae"): 12, ("2", "capacity"): 2, ("3", "capacity"): 2}
    assert all(len(row["rate_per_latent"].split()) == int(row["latent"]) for row in rows)


def test_two_processes_give_the_table_of_one(uncut, tmp_path):
    """Under jax.distributed each trains its share; the first writes the table."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    out = tmp_path / "shared"
    flags = (*SMALL, "--chunk", 3, "--out", out, "--coordinator", address, "--processes", 2, "--process")
    both = [
        subprocess.Popen(command(*flags, index), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for index in (0, 1)
    ]
    printed = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    assert (out / "results.csv").read_bytes() == (uncut / "results.csv").read_bytes()
    shares = {0: set(), 1: set()}
    for chunk in read_chunks(out / "checkpoints"):
        shares[chunk.process] |= {(run["beta"], run["seed"]) for run in chunk.runs}
    assert shares == {0: {(0.5, 0), (0.5, 2), (2.0, 1)}, 1: {(0.5, 1), (2.0, 0), (2.0, 2)}}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--betas", "-1"], "beta -1.0: expected finite numbers of at least 0"),
        (["--betas", "nan"], "beta nan: expected finite numbers of at least 0"),
        (["--betas", "1", "2", "1"], "beta: 1.0 is given twice; expected each value once"),
        (["--betas", "one"], "--betas"),
        (["--seeds", "0"], "--seeds 0: expected how many, at least 1"),
        (["--beta", "2"], "--beta 2: a sweep takes --betas"),
        (["--vary", "latent"], "--vary latent: expected NAME=VALUE,VALUE"),
        (["--vary", "latent=2,x"], "'x' is no number; expected whole numbers"),
        (["--vary", "latent=2,2"], "a value is given twice"),
        (["--vary", "gama=1"], "loss 'vae' has no hyperparameter 'gama'"),
        (["--vary", "loss=vae,vea"], "--loss vea: no such loss; did you mean 'vae'"),
        (["--chunk", "0"], "--chunk 0: expected a whole number of at least 1"),
        (["--coordinator", "127.0.0.1:1"], "go together: give all three, or none"),
        (["--distributed"], "no other processes could be joined"),
    ],
)
def test_what_makes_no_sense_is_one_plain_line(flags, said, tmp_path):
    done = run(*flags, "--out", tmp_path / "none")
    assert done.returncode == 1
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "none").exists()


def test_models_without_a_rate_have_a_table_all_the_same(tmp_path):
    flags = ("--loss", "sparse", "--vary", "weight=0.1,10", "--seeds", 2, "--epochs", 2, "--hidden", 8)
    done = run(*flags, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    rows = table(tmp_path / "out")
    assert [row["weight"] for row in rows] == ["0.1", "0.1", "10", "10"]
    assert {row["rate"] for row in rows} == {"nan"} and all(float(row["distortion"]) > 0 for row in rows)
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["settings"][0]["rate"]["mean"] is None


def test_the_exact_curve_is_drawn_for_linear_models(tmp_path):
    random = np.random.RandomState(0)
    np.savez(tmp_path / "rows.npz", x=np.clip(0.5 + 0.1 * random.randn(200, 6), 0, 1).astype(np.float32))
    flags = ("--data", tmp_path / "rows.npz", "--model", "linear", "--likelihood", "gaussian", "--latent", "2")
    done = run(
        *flags, "--betas", "0.1", "1", "--seeds", "1", "--epochs", "2", "--batch-size", "50", "--out", tmp_path / "out"
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "rate_distortion.png").exists() and not (tmp_path / "out" / "traversals.png").exists()
