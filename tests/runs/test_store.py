"""Checkpoints damaged, cut short, of something else, or too large for the disk: none is restored as if whole."""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from vae_jax.errors import InputError
from vae_jax.runs.process import hosts
from vae_jax.runs.storage.store import Store
from vae_jax.writing import read_sealed, write_sealed

ABOUT = {"config": {"latent": 3, "loss": "vae"}, "data": "ab" * 32}


def tree(value: float, rows: int = 40) -> dict[str, Any]:
    """Two members."""
    return {"w": np.full((2, rows, 5), value, np.float32), "step": np.array([7, 7], np.int32)}


TEMPLATE = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), tree(0))


@pytest.fixture
def store(tmp_path) -> Store:
    """With checkpoints of epochs 1 and 2."""
    made = Store(tmp_path / "states")
    for epoch in (1, 2):
        made.save(epoch, tree(epoch), ABOUT)
    return made


def restored(store: Store, template: Any = TEMPLATE, about: Any = ABOUT) -> tuple[int, float] | None:
    found = store.restore(template, count=2, about=about)
    if found is None:
        return None
    epoch, leaves = found
    assert np.all(leaves["w"] == leaves["w"][0, 0, 0]) and np.all(leaves["step"] == 7)
    return epoch, float(leaves["w"][0, 0, 0])


def files_of(store: Store, epoch: int) -> list[Path]:
    """The files of a checkpoint, its manifest among them."""
    inside = (path for path in (store.folder / str(epoch)).rglob("*") if path.is_file())
    return [*inside, store.folder / f"{epoch}.json"]


def flip(path: Path, chance: random.Random) -> Callable[[], None]:
    """Flip a bit of a file at random, and say how to undo that; of an empty file, write one."""
    whole = path.read_bytes()
    damaged = bytearray(whole or b"\0")
    damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    path.write_bytes(bytes(damaged))
    return lambda: path.write_bytes(whole) and None


@pytest.mark.parametrize("trials", [40, pytest.param(400, marks=pytest.mark.slow)])
def test_no_flipped_bit_is_restored(store, trials, capsys):
    """Anywhere in a checkpoint, in large files as often as in small ones; the one before it is named and taken."""
    chance = random.Random(trials)
    for _ in range(trials):
        undo = flip(chance.choice(files_of(store, 2)), chance)
        assert restored(store) == (1, 1.0)
        said = capsys.readouterr().err
        assert f"the checkpoint of epoch 2 in {store.folder} is not whole (" in said
        assert said.endswith("): going back to epoch 1.\n") and said.count("\n") == 1
        undo()
    assert restored(store) == (2, 2.0) and capsys.readouterr().err == ""


def truncate(store: Store) -> None:
    for path in files_of(store, 2):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE: dict[str, Callable[[Store], Any]] = {
    "truncated": truncate,
    "data deleted": lambda store: shutil.rmtree(store.folder / "2"),
    "manifest deleted": lambda store: (store.folder / "2.json").unlink(),
    "all of it deleted": lambda store: [shutil.rmtree(store.folder / "2"), (store.folder / "2.json").unlink()],
    "emptied": lambda store: [shutil.rmtree(store.folder / "2"), (store.folder / "2").mkdir()],
    "an empty folder like a step": lambda store: [shutil.rmtree(store.folder / "2"), (store.folder / "3").mkdir()],
    "a file more": lambda store: (store.folder / "2" / "more").write_text("x"),
    "not ours": lambda store: (store.folder / "2.json").write_text('{"files": {}}'),
    "a list": lambda store: (store.folder / "2.json").write_text("[1]"),
    "nested": lambda store: (store.folder / "2.json").write_text("[" * 100_000),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_checkpoint_that_is_not_whole_is_passed_over(store, damage, capsys):
    DAMAGE[damage](store)
    assert restored(store) == (1, 1.0)
    assert "is not whole (" in capsys.readouterr().err
    store.clean_up(newest=1)
    assert sorted(path.name for path in store.folder.iterdir()) == ["1", "1.json", "newest.json"]
    store.save(2, tree(2), ABOUT)
    assert restored(store) == (2, 2.0)


def test_where_none_is_whole_that_is_said(store, capsys):
    for epoch in (1, 2):
        flip(store.folder / f"{epoch}.json", random.Random(0))
    assert restored(store) is None
    said = capsys.readouterr().err
    assert "epoch 2" in said and "epoch 1" in said and said.endswith("no other is whole.\n")


def test_names_that_are_no_numbers_are_no_checkpoints(store):
    for name in ("²", "x.json", "9.json.part", "7.orbax-checkpoint-tmp"):
        (store.folder / name).mkdir()
    assert store.steps() == [1, 2] and restored(store) == (2, 2.0)


def test_every_save_replaces_what_is_too_old_and_no_more(store):
    for epoch in (5, 9):
        store.save(epoch, tree(epoch), ABOUT)
    assert store.steps() == [5, 9]


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({**ABOUT, "config": {"latent": 4, "loss": "vae"}}, "latent was 3, now 4"),
        ({**ABOUT, "config": {"latent": 3, "loss": "vae", "new": 1}}, "new was None, now 1"),
        ({**ABOUT, "data": "cd" * 32}, "data was abababababab…, now cdcdcdcdcdcd…"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused_with_the_difference(store, about, said):
    with pytest.raises(InputError, match=f"is another run's: {said}. Choose another --out"):
        restored(store, about=about)


@pytest.mark.parametrize(
    "template",
    [
        {**TEMPLATE, "w": jax.ShapeDtypeStruct((40, 5), np.float16)},
        {**TEMPLATE, "w": jax.ShapeDtypeStruct((40, 5), np.float64)},
        {**TEMPLATE, "w": jax.ShapeDtypeStruct((5, 40), np.float32)},
        {"w": TEMPLATE["w"]},
        {**TEMPLATE, "more": TEMPLATE["w"]},
    ],
)
def test_arrays_of_another_model_are_refused_not_cast(store, template):
    with pytest.raises(InputError, match="holds the checkpoint of another model: 1 arrays differ, such as"):
        store.restore(template, count=2, about=ABOUT)


def test_a_save_that_lost_arrays_is_no_success(store, monkeypatch):
    """As Orbax has been seen to do from a second process."""
    from orbax.checkpoint import v1 as ocp

    save = ocp.save
    monkeypatch.setattr(ocp, "save", lambda path, arrays, **how: save(path, {"w": arrays["w"]}, **how))
    with pytest.raises(InputError, match=r"epoch 3 could not be written .*not all arrays are there"):
        store.save(3, tree(3), ABOUT)
    assert store.steps() == [1, 2] and not (store.folder / "3").exists()


def test_any_change_of_a_sealed_file_is_seen(tmp_path):
    path = tmp_path / "sealed.json"
    content = {"results": [{"rate": 0.1, "none": None}], "name": "β"}
    write_sealed(path, content)
    assert read_sealed(path) == content
    whole = path.read_bytes()
    for at in range(len(whole)):
        for bit in range(8):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            with pytest.raises(ValueError, match=r"checksum|can't decode"):
                read_sealed(path)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of two megabytes."""
    path = tmp_path / "small"
    path.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(path)], capture_output=True, text=True)
    if mount.returncode:
        pytest.skip(f"no small file system can be mounted here: {mount.stderr.strip()}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.mark.parametrize("looks", [True, False], ids=["looked at before", "met while writing"])
def test_a_full_disk_is_an_error_of_that_save_and_nothing_is_lost(small_disk, looks, monkeypatch):
    store, noise = Store(small_disk / "states"), np.random.RandomState(0)
    fresh = lambda: {"w": noise.randn(2, 40, 5000).astype(np.float32), "step": np.array([7, 7], np.int32)}
    template = {**TEMPLATE, "w": jax.ShapeDtypeStruct((40, 5000), np.float32)}
    monkeypatch.setattr("vae_jax.runs.storage.store.ROOM", 10_000)
    monkeypatch.setattr("vae_jax.runs.storage.store.KEPT", 1)
    first = fresh()
    with pytest.raises(InputError, match="could not be written"):  # 1.6 MB in 2, and it does not fit beside itself
        for epoch in (1, 2):
            store.save(epoch, first if epoch == 1 else fresh(), ABOUT)
    assert store.steps() == [1]
    if not looks:
        monkeypatch.setattr(Store, "_expect_room", lambda *_, **__: None)
    for _ in range(2):
        with pytest.raises(InputError, match=r"epoch 2 could not be written .*before it are whole"):
            store.save(2, fresh(), ABOUT)
        assert sorted(path.name for path in store.folder.iterdir()) == ["1", "1.json", "newest.json"]
        epoch, found = store.restore(template, count=2, about=ABOUT) or (0, None)
        assert epoch == 1 and np.array_equal(found["w"], first["w"])
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    store.save(2, fresh(), ABOUT)
    assert store.steps() == [2]


def test_only_the_first_process_speaks(store, monkeypatch, capsys):
    (store.folder / "2.json").unlink()
    monkeypatch.setattr(hosts, "is_first", lambda: False)
    assert restored(store) == (1, 1.0) and capsys.readouterr().err == ""


def test_room_is_looked_at_before_anything_is_written(store, monkeypatch):
    monkeypatch.setattr("vae_jax.runs.storage.store.ROOM", 10**18)
    with pytest.raises(InputError, match=r"\(.* MB are free, and it takes up to"):
        store.save(3, tree(3), ABOUT)
    assert store.steps() == [1, 2]


def test_later_ones_than_the_one_just_saved_go(store):
    for epoch in (5, 9, 3):
        store.save(epoch, tree(epoch), ABOUT)
    assert store.steps() == [3]


def test_a_changed_word_of_the_manifest_is_seen(store, capsys):
    path = store.folder / "2.json"
    for was, now in (("vae", "vaf"), ("float32", "float64")):
        whole = path.read_text()
        path.write_text(whole.replace(was, now, 1))
        assert restored(store) == (1, 1.0) and "(2.json)" in capsys.readouterr().err
        path.write_text(whole)


def test_as_many_members_as_are_asked_for_and_no_more_than_there_are(store):
    _, leaves = store.restore(TEMPLATE, count=1, about=ABOUT)
    assert leaves["w"].shape == (1, 40, 5)
    with pytest.raises(InputError, match="holds the checkpoint of another model: 2 arrays differ"):
        store.restore(TEMPLATE, count=3, about=ABOUT)


def test_every_file_is_on_disk_before_the_manifest(store, monkeypatch):
    synced, fsync = set(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: synced.add(os.readlink(f"/proc/self/fd/{number}")) or fsync(number))
    store.save(3, tree(3), ABOUT)
    assert {str(path.resolve()) for path in files_of(store, 3)[:-1]} <= synced


def test_that_another_process_is_lost_is_no_error_of_the_disk(store, monkeypatch):
    from orbax.checkpoint import v1 as ocp

    def lost(*args, **how):
        raise RuntimeError("Gloo: Connection closed by peer")

    monkeypatch.setattr(ocp, "save", lost)
    monkeypatch.setattr(hosts, "joined", lambda: True)
    with pytest.raises(RuntimeError, match="Gloo"):
        store.save(3, tree(3), ABOUT)


def test_an_epoch_that_is_saved_again_has_no_manifest_until_it_is_there(store, monkeypatch):
    from orbax.checkpoint import v1 as ocp

    def cut(*args, **how):
        raise KeyboardInterrupt

    monkeypatch.setattr(ocp, "save", cut)
    with pytest.raises(KeyboardInterrupt):
        store.save(2, tree(2), ABOUT)
    assert store.steps() == [1]
