"""The command line: groups, choices, files of flags, and the installed command."""

import json
import re
import signal
import subprocess
import sys

import pytest
from quick import few_codes, no_pictures

from vae_jax.commands import main as installed
from vae_jax.commands import train as train_command
from vae_jax.commands.command import COMMANDS
from vae_jax.commands.parsing import parse
from vae_jax.errors import InputError
from vae_jax.losses import LOSSES
from vae_jax.runs import Config, SweepConfig
from vae_jax.runs.configuration.config import flag
from vae_jax.training import OPTIMIZERS


def shown(config, capsys, monkeypatch, columns: str = "100") -> str:
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit) as stop:
        parse(config, COMMANDS["train"].description, ["--help"])
    assert not stop.value.code
    return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)


@pytest.mark.parametrize("config", [Config, SweepConfig])
def test_help_names_every_flag_in_its_group_with_its_choices(config, capsys, monkeypatch):
    text = shown(config, capsys, monkeypatch)
    for name in config.__dataclass_fields__:
        assert flag(name) in text, name
    for word in ("What is learned from", "How it is trained", "Where results go", "Flags in a file"):
        assert word in text
    flat = re.sub(r"[\s│]+", "", text)
    for table in (LOSSES, OPTIMIZERS):
        assert "{" + ",".join(table) + "}" in flat
    assert max(map(len, text.splitlines())) <= 100


def test_a_file_of_flags_lies_beneath_those_on_the_command_line(tmp_path, capsys):
    with pytest.raises(SystemExit):
        parse(Config, "", ["--beta", "4", "--hidden", "32", "16", "--print-config", "--resume"])
    printed = capsys.readouterr().out
    (tmp_path / "flags.json").write_text(printed)
    assert json.loads(printed)["hidden"] == [32, 16]
    found = parse(Config, "", ["--config", str(tmp_path / "flags.json"), "--latent", "3"])
    assert (found.beta, found.hidden, found.latent, found.resume) == (4.0, (32, 16), 3, True)
    (tmp_path / "flags.yaml").write_text("beta: 2\nlearning-rate: 0.01\ntracker: []\nmanual_dir: there\n")
    found = parse(Config, "", [f"--config={tmp_path / 'flags.yaml'}", "--beta", "1"])
    assert (found.beta, found.learning_rate, str(found.manual_dir)) == (1.0, 0.01, "there")
    (tmp_path / "more.yaml").write_text("learning_rate: 1e-3\nepochs: 3\nout: there\n")
    found = parse(Config, "", ["--config", str(tmp_path / "flags.json"), "--config", str(tmp_path / "more.yaml")])
    assert (found.beta, found.learning_rate, str(found.out)) == (None, 1e-3, "there")
    found = parse(Config, "", ["--config", str(tmp_path / "more.yaml"), "--steps", "5"])
    assert (found.epochs, found.steps) == (None, 5)
    assert parse(SweepConfig, "", ["--betas", "1", "2", "--seeds", "2"]) == SweepConfig(betas=(1.0, 2.0), seeds=2)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", '{"latnet": 1}', "no flag 'latnet'; did you mean 'latent'"),
        ("a.json", '{"latent": "ten"}', "latent is 'ten'; expected int"),
        ("a.json", "[1]", "holds no names with values"),
        ("a.json", "{", "is no file of flags"),
        ("a.yaml", "a: b: c", "is no file of flags"),
        ("missing.json", None, "No such file"),
    ],
)
def test_a_file_that_holds_no_flags_is_refused(name, text, said, tmp_path):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=re.escape(said)):
        parse(Config, "", ["--config", str(tmp_path / name)])


def test_a_runs_config_starts_the_same_run_again(tmp_path, monkeypatch):
    few_codes(monkeypatch)
    no_pictures(monkeypatch)
    flags = ["--hidden", "8", "--epochs", "2", "--schedule", "cosine", "--ema", "0.9", "--clip-norm", "5"]
    first, second = tmp_path / "first", tmp_path / "second"
    train_command.main(parse(Config, "", [*flags, "--out", str(first)]))
    train_command.main(parse(Config, "", ["--config", str(first / "config.json"), "--out", str(second)]))
    assert (first / "metrics.jsonl").read_bytes() == (second / "metrics.jsonl").read_bytes()
    summaries = [json.loads((out / "summary.json").read_text())["test"] for out in (first, second)]
    assert summaries[0] == summaries[1]


def test_help_whose_reader_has_gone_is_no_traceback():
    program = "import sys; sys.argv = ['vae-jax', '--help']; from vae_jax.commands.main import main; main()"
    with open("/dev/full", "w") as full:
        ended = subprocess.run([sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr


def test_the_installed_command(capsys, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # this process goes on after it

    def said(*arguments):
        monkeypatch.setattr(sys, "argv", ["vae-jax", *arguments])
        installed.main()
        return capsys.readouterr().out

    text = said("--help")
    assert said() == text and all(name in text for name in COMMANDS) and "Train one model" in text
    assert re.match(r"\d+\.\d+", said("--version"))
    with pytest.raises(SystemExit, match="no such command; did you mean 'train'"):
        said("trian")
    with pytest.raises(SystemExit) as stop:
        said("sweep", "--help")
    assert not stop.value.code and "vae-jax sweep" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"^error: --latent 0"):
        said("train", "--latent", "0")
