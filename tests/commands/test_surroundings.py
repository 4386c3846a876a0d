"""Commands in surroundings that are not a terminal of a user at home: closed streams, an ASCII locale, no home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import EXPERIMENTS

SMALL = ("--epochs", "1", "--hidden", "8", "--latent", "2")


def run(name: str, *flags: object, closed: str = "", **surroundings: str) -> subprocess.CompletedProcess:
    program = [sys.executable, str(EXPERIMENTS / f"{name}.py"), *map(str, flags)]
    shell = ["bash", "-c", f'exec "$@" {closed}', "bash", *program]
    return subprocess.run(shell, capture_output=True, env={**os.environ, **surroundings}, check=False)


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-"])
def test_a_closed_stream_is_no_matter(closed, tmp_path):
    """Else the next file that is opened gets its number, and what is printed goes into it."""
    assert run("train", *SMALL, "--out", tmp_path / "run", closed=closed).returncode == 0
    assert (tmp_path / "run" / "summary.json").exists()
    assert run("train", "--latent", "0", closed=closed).returncode == 1


def test_an_ascii_locale_and_no_home(tmp_path):
    """As in a container under a foreign user id."""
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "HOME": "/nowhere"}
    assert run("train", *SMALL, "--out", tmp_path / "run", **plain).returncode == 0
    done = run("export", tmp_path / "run", "--to", "card", "safetensors", **plain)
    assert done.returncode == 0, done.stderr
    assert "−log p(x|z)" in Path(tmp_path / "run" / "export" / "README.md").read_text(encoding="utf-8")


def test_a_link_into_a_folder_with_brackets_is_refused_before_training(tmp_path):
    (tmp_path / "runs[1]").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "runs[1]")
    done = run("train", *SMALL, "--out", tmp_path / "link" / "run")
    assert done.returncode == 1 and b"checkpoints cannot be written to a path with [, ]" in done.stderr
    assert b"image/s" not in done.stderr
