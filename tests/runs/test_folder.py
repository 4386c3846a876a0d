"""One folder, one writer; and what is in it that no command wrote."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from vae_jax.errors import InputError
from vae_jax.runs import Config, SweepConfig
from vae_jax.runs.config import check_config
from vae_jax.runs.folder import Folder, read_config

HOLD = """
import sys
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
input()
"""


def test_a_second_writer_is_refused_and_the_lock_of_a_dead_one_is_free(tmp_path):
    config = Config(out=tmp_path / "run", resume=True)
    with (
        Folder(tmp_path / "run", config),
        pytest.raises(InputError, match=r"another process is writing to .*run; wait until it has ended, or choose"),
    ):
        Folder(tmp_path / "run", config)
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run" / ".lock")],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == "held\n"
    with pytest.raises(InputError, match="another process is writing"):
        Folder(tmp_path / "run", config)
    other.kill()
    other.communicate()
    Folder(tmp_path / "run", config).close()


def test_a_refused_folder_stays_as_it_is_and_is_not_held(tmp_path):
    with Folder(tmp_path, Config(out=tmp_path)):
        before = (tmp_path / "config.json").read_bytes()
    for other in (Config(out=tmp_path), Config(out=tmp_path, latent=3, resume=True)):
        with pytest.raises(InputError, match=r"holds a run already|latent was 10, now 3"):
            Folder(tmp_path, other)
        assert (tmp_path / "config.json").read_bytes() == before
    Folder(tmp_path, Config(out=tmp_path, resume=True)).close()


@pytest.mark.parametrize("config", [Config(hidden=(3, 4), beta=2), SweepConfig(betas=(1,), vary=("latent=2,3",))])
def test_a_configuration_is_read_back_as_it_was(config, tmp_path):
    config = replace(config, out=tmp_path)
    with Folder(tmp_path, config):
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
    with Folder(tmp_path, Config(out=tmp_path)):
        saved = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**saved, name: value}))
    with pytest.raises(InputError, match=rf"config.json(: {name} is|.*\('{name}'\))"):
        check_config(read_config(tmp_path))


@pytest.mark.parametrize("text", ["", "null", "[]", "[" * 10_000, '"' + "x" * 2_000_000 + '"', '{"format": 2}'])
def test_what_is_no_configuration_is_refused(text, tmp_path):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match="is not what a command"):
        read_config(tmp_path)
    with pytest.raises(InputError):
        Folder(tmp_path, Config(out=tmp_path, resume=True))
    assert (tmp_path / "config.json").read_text() == text
