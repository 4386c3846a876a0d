"""Stopped or killed at any moment: one plain line where there is time for it, and the same bytes after --resume."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import jax
import numpy as np
import pytest
from events import scalars

from vae_jax.runs.configuration.building import build
from vae_jax.runs.process import stopping
from vae_jax.runs.storage.folder import read_config
from vae_jax.runs.storage.parts import read_parts

ROOT = Path(__file__).parents[2]
FLAGS = {
    "train": ("--epochs", "24", "--hidden", "64", "--latent", "4"),
    "sweep": ("--betas", "0.5", "2", "--seeds", "1", "--epochs", "12", "--hidden", "16", "--latent", "3"),
}
ENDED = {signal.SIGTERM: (143, -signal.SIGTERM), signal.SIGINT: (130, -signal.SIGINT)}  # before Python listens, too


LASTS = 14  # seconds that an uncut command takes, about
PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
from vae_jax.commands import {name}
from vae_jax.commands.cli import run_command
from functools import partial
from vae_jax.runs import trainer
from vae_jax.trained import measures
trainer.SAVE_EVERY = 0.2
measures.prior_match = partial(measures.prior_match, num_samples=100)
{pictures}
from vae_jax.commands.command import COMMANDS
run_command({name}.main, COMMANDS["{name}"].flags, "")
"""  # as the script does, but with few codes, and saving so often that many moments are in a save

PICTURES = {
    True: "",
    False: """
import time
from vae_jax import plots
trainer.draw_epoch = lambda *_, **__: time.sleep(0.1)
plots.draw_all = plots.loss_curves = lambda *_, **__: None
""",  # an epoch is long enough to be stopped in
}


def start(name: str, *flags: object, pictures: bool = True) -> subprocess.Popen:
    command = [sys.executable, "-c", PROGRAM.format(name=name, pictures=PICTURES[pictures]), *map(str, flags)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=ROOT)


def finish(name: str, *flags: object, pictures: bool = True) -> None:
    process = start(name, *flags, pictures=pictures)
    _, errors = process.communicate()
    assert process.returncode == 0, errors


def states(out: Path) -> list[bytes]:
    """Everything in the newest checkpoint of each part."""
    experiment = build(read_config(out))
    restored = [part.restore(experiment) for part in read_parts(out / "checkpoints")]
    leaves = []
    for one in restored:
        assert one is not None
        epoch, tree = one
        leaves += [np.int64(epoch).tobytes(), *(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree))]
    return leaves


def expect_equal(out: Path, uncut: Path) -> None:
    """Rows, events, arrays of the last checkpoints, and results."""
    assert (out / "metrics.jsonl").read_bytes() == (uncut / "metrics.jsonl").read_bytes()
    assert states(out) == states(uncut)
    assert scalars(out) == scalars(uncut)
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in (out, uncut)]
    for summary in summaries:
        for name in ("seconds", "images_per_second"):
            summary.pop(name, None)
    assert summaries[0] == summaries[1]
    tables = [folder / "results.csv" for folder in (out, uncut)]
    assert tables[0].exists() == tables[1].exists() and len({t.read_bytes() for t in tables if t.exists()}) <= 1


def stop(name: str, flags: tuple, out: Path, number: signal.Signals, after: float) -> str:
    """Start a command, send it a signal after some seconds, and check how it ends; what it said."""
    process = start(name, *flags, "--out", out, *(["--resume"] if out.exists() else []))
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
    sent = time.monotonic()
    _, errors = process.communicate()
    assert process.returncode in (0, *ENDED[number]), errors
    assert time.monotonic() - sent < 15
    assert "Traceback" not in errors
    return errors


@pytest.fixture(scope="module")
def uncut(tmp_path_factory) -> Callable[[str], Path]:
    """The folder of a run or of a sweep that nothing stopped."""

    @cache
    def of(name: str) -> Path:
        out = tmp_path_factory.mktemp("uncut") / name
        finish(name, *FLAGS[name], "--out", out, pictures=False)
        return out

    return of


@pytest.mark.parametrize("name", ["train", pytest.param("sweep", marks=pytest.mark.slow)])
def test_stopped_between_epochs_it_saves_and_goes_on(name, uncut, tmp_path):
    flags, out = FLAGS[name], tmp_path / name
    process = start(name, *flags, "--out", out, pictures=False)
    rows = out / "metrics.jsonl"
    while not rows.exists() or rows.read_text().count("\n") < 2:  # what is slow the first time is over
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 143 and "Traceback" not in errors
    assert "stopping: what is written is whole" in errors and "which is saved" in errors
    done = max(json.loads(line)["epoch"] for line in (out / "metrics.jsonl").read_text().splitlines())
    (part,) = read_parts(out / "checkpoints")
    assert part.store.steps()[-1] == done  # not the ten seconds since the last checkpoint are lost
    finish(name, *flags, "--out", out, "--resume", pictures=False)
    expect_equal(out, uncut(name))


def expect_to_go_on(name: str, out: Path, uncut: Path) -> None:
    """Go on with what was cut, or begin; it comes to the bytes of the uncut one, and the folder is deleted."""
    finish(name, *FLAGS[name], "--out", out, *(["--resume"] if (out / "config.json").exists() else []))
    expect_equal(out, uncut)
    shutil.rmtree(out, ignore_errors=True)


def kill(name: str, flags: tuple, out: Path, after: float) -> None:
    """Start a command, or go on with it, and kill it after some seconds."""
    process = start(name, *flags, "--out", out, *(["--resume"] if (out / "config.json").exists() else []))
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    assert process.returncode in (0, -signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "trials"), [("train", 30), ("sweep", 30)])
def test_stopped_at_random_moments_it_goes_on_to_the_same_bytes(name, trials, uncut, tmp_path):
    """Moments from the start of the process to its end; every third time by Ctrl-C, else by SIGTERM."""
    flags, chance = FLAGS[name], random.Random(name)
    for trial in range(trials):
        out = tmp_path / str(trial)
        number = signal.SIGINT if trial % 3 == 2 else signal.SIGTERM
        stop(name, flags, out, number, chance.uniform(0.05, LASTS))
        expect_to_go_on(name, out, uncut(name))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "trials"), [("train", 50), ("sweep", 20)])
def test_killed_at_random_moments_it_goes_on_to_the_same_bytes(name, trials, uncut, tmp_path):
    """Every third is killed twice."""
    flags, chance = FLAGS[name], random.Random(name)
    for trial in range(trials):
        out = tmp_path / str(trial)
        for _ in range(2 if trial % 3 == 2 else 1):
            kill(name, flags, out, chance.uniform(0.05, LASTS))
        expect_to_go_on(name, out, uncut(name))


BUSY = """
import hashlib
from vae_jax.runs.process import stopping
stopping.GRACE = {grace}
with stopping.listening():
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)  # outside of Python for minutes, as XLA is while it compiles
"""


@pytest.mark.parametrize(("number", "grace", "times"), [(signal.SIGTERM, 0.5, 1), (signal.SIGINT, 60, 2)])
def test_what_does_not_listen_is_cut_off_after_the_grace_or_at_the_second_signal(number, grace, times):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", BUSY.format(grace=grace)], **pipes)
    try:
        assert process.stdout.readline() == "ready\n"
        for _ in range(times):
            process.send_signal(number)
            time.sleep(0.3)
        _, errors = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert errors.strip() == "stopping: what is written is whole, and a run goes on with --resume."


LEAVING = """
import atexit, sys, time
from vae_jax.commands.main import main
atexit.register(lambda: (print("leaving", flush=True), time.sleep(1)))
sys.argv = ["vae-jax", "--version"]
main()
"""


@pytest.mark.parametrize("number", stopping.SIGNALS)
def test_a_signal_while_the_interpreter_ends_changes_nothing(number):
    with subprocess.Popen([sys.executable, "-c", LEAVING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() and process.stdout.readline() == "leaving\n"
        process.send_signal(number)
    assert process.returncode == 0


def test_what_was_asked_of_one_command_is_not_asked_of_the_next():
    with pytest.raises(SystemExit) as stop, stopping.listening():
        os.kill(os.getpid(), signal.SIGINT)
        while not stopping.asked():
            time.sleep(0.01)
        raise stopping.Stopped("stopped")
    assert stop.value.code == 130
    with stopping.listening():
        assert not stopping.asked()


def test_an_abort_of_jax_is_one_line():
    program = "import os; from vae_jax.runs.process import hosts; hosts._answer_aborts(); os.abort()"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1 and ended.stderr.startswith("error: another process of this job has ended;")
    assert ended.stderr.count("\n") == 1
