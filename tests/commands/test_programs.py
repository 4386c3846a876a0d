"""Where compiled programs are kept."""

import os

import jax
import pytest

from vae_jax.commands import compilation_cache as programs


@pytest.fixture
def updates(monkeypatch, tmp_path):
    """What is asked of JAX, with an empty home and none of its variables set."""
    asked = {}
    monkeypatch.setattr(jax.config, "update", asked.__setitem__)
    for name in [name for name in os.environ if name.startswith(("JAX_COMPILATION", "JAX_PERSISTENT", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return asked


def test_they_are_kept_in_the_users_cache_folder(updates, tmp_path):
    programs.keep_programs()
    folder = tmp_path / ".cache" / "vae_jax" / "programs"
    assert folder.is_dir() and updates["jax_compilation_cache_dir"] == str(folder)
    assert updates["jax_compilation_cache_max_size"] > 0 and updates["jax_persistent_cache_min_compile_time_secs"] < 1


def test_another_cache_folder_is_that_of_the_system(updates, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    programs.keep_programs()
    assert updates["jax_compilation_cache_dir"] == str(tmp_path / "elsewhere" / "vae_jax" / "programs")


def test_a_folder_that_the_user_named_stays(updates, tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "mine"))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "3")
    programs.keep_programs()
    assert updates == {} and not (tmp_path / ".cache").exists()


def test_without_a_place_to_write_nothing_is_kept(updates, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    programs.keep_programs()
    assert "jax_compilation_cache_dir" not in updates


def test_a_user_without_a_home_compiles_each_time(updates, monkeypatch):
    monkeypatch.setattr(programs.os.path, "expanduser", lambda path: path)  # what Python does for an unknown user id
    programs.keep_programs()
    assert "jax_compilation_cache_dir" not in updates
