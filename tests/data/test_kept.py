"""Kept arrays: whatever happens to their files they are made again, for every source, with nothing said but a line."""

import os
import shutil
from pathlib import Path

import datasets
import h5py
import numpy as np
import pytest
from PIL import Image

from vae_jax import data
from vae_jax.caching import cache_folder
from vae_jax.data.cache import arrays as arrays_module
from vae_jax.data.cache import kept
from vae_jax.data.sources import published
from vae_jax.errors import InputError


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def folder_of_images(tmp_path: Path, monkeypatch, request) -> data.Dataset:
    if not (tmp_path / "photos").exists():
        for name in ("a", "b"):
            (tmp_path / "photos" / name).mkdir(parents=True)
            for index in range(20):
                Image.new("L", (4, 4), 5 * index).save(tmp_path / "photos" / name / f"{index:02}.png")
    return data.load(str(tmp_path / "photos"))


def hugging_face(tmp_path: Path, monkeypatch, request) -> data.Dataset:
    if not (tmp_path / "set").exists():
        kinds = {"kind": datasets.ClassLabel(names=["a", "b"]), "picture": datasets.Image()}
        rows = {"kind": [i % 2 for i in range(40)], "picture": [Image.new("L", (4, 4), 5 * i) for i in range(40)]}
        made = datasets.Dataset.from_dict(rows, features=datasets.Features(kinds))
        datasets.DatasetDict({"train": made}).save_to_disk(tmp_path / "set")
    return data.load(f"hf:{tmp_path / 'set'}")


def shapes3d(tmp_path: Path, monkeypatch, request) -> data.Dataset:
    monkeypatch.setattr(published, "SHAPES3D_SIZES", (2, 2, 1, 2, 4, 2))
    if not (tmp_path / "3dshapes.h5").exists():
        with h5py.File(tmp_path / "3dshapes.h5", "w") as file:
            file["images"] = np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None, None, None], (64, 64, 64, 3))
    return data.load("shapes3d", tmp_path)


def mnist(tmp_path: Path, monkeypatch, request) -> data.Dataset:
    source, _ = request.getfixturevalue("tfds_files")
    return data.load("mnist", source)


SOURCES = {made.__name__: made for made in (folder_of_images, hugging_face, shapes3d, mnist)}


def _write(content: bytes):
    return lambda path: path.write_bytes(content)


def _cut(share: float):
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def _flip(bit: int):
    """One bit, counted from the start or, where negative, from the end."""

    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        place = bit % (8 * len(content))
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)

    return damage


def _folder(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


def _zero_page(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:128] + bytes(len(content) - 128))


DAMAGES = {
    "gone": lambda path: path.unlink(),
    "empty": _write(b""),
    "text": _write(b"hello\n"),
    "deep": _write(b"[" * 100_000),
    "zip": _write(b"PK\x03\x04" + bytes(100)),
    "pickle": _write(b"\x80\x04K\x01."),
    "null": _write(b"null"),
    "half": _cut(0.5),
    "almost": _cut(0.99),
    "zeroed": _zero_page,
    "folder": _folder,
    "link": _link,
    **{f"bit {bit}": _flip(bit) for bit in (3, 50, 66, 83, 200, 333, 480, 601, 777, 1023, -1, -77, -300)},
}
FEW = ("gone", "half", "zeroed", "bit 83", "bit -1", "folder")


def same(one: data.Dataset, other: data.Dataset) -> None:
    for before, after in zip(one[1:4], other[1:4], strict=True):
        np.testing.assert_array_equal(before.x, after.x)
        if before.y is None:
            assert after.y is None
        else:
            np.testing.assert_array_equal(before.y, after.y)
    assert one.class_names == other.class_names and one.classes == other.classes


@pytest.mark.parametrize("source", SOURCES)
def test_whatever_is_damaged_is_made_again(source, tmp_path, monkeypatch, request, capsys):
    """Every file of the kept arrays, damaged in every way."""
    load = lambda: SOURCES[source](tmp_path, monkeypatch, request)
    first = load()
    (place,) = (path.parent for path in cache_folder("images").glob("*/about.json"))
    files = sorted(path.name for path in place.iterdir() if path.name != kept.LOCK)
    assert kept.ABOUT in files and len(files) >= 2
    for name in files:
        for damage in DAMAGES if source == "folder_of_images" else FEW:
            before = (place / name).read_bytes()
            DAMAGES[damage](place / name)
            (place / "x.npy.part").write_bytes(b"left by a process that was killed")
            same(load(), first)
            assert (place / name).read_bytes() == before, (name, damage)
            assert not (place / "x.npy.part").exists()
    assert "is not as it was written: reading the images again" in capsys.readouterr().err


def test_a_full_disk_is_said_before_an_array_is_filled(tmp_path, monkeypatch):
    """A sparse file would end the process at the first page that does not fit."""

    def full(descriptor: int, start: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(arrays_module.os, "posix_fallocate", full)
    with pytest.raises(InputError, match=r"No space left on device.*set XDG_CACHE_HOME"):
        folder_of_images(tmp_path, monkeypatch, None)
    left = [path.name for path in cache_folder("images").glob("*/*")]
    assert set(left) <= {kept.LOCK}


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounts a small disk")
def test_on_a_disk_that_is_really_full(tmp_path, monkeypatch):
    small = tmp_path / "small"
    small.mkdir()
    if os.system(f"mount -t tmpfs -o size=64k tmpfs {small}"):
        pytest.skip("mounting is not allowed here")
    try:
        monkeypatch.setenv("XDG_CACHE_HOME", str(small))
        (tmp_path / "photos").mkdir()
        for index in range(40):
            Image.new("RGB", (64, 64), (index, 0, 0)).save(tmp_path / "photos" / f"{index:02}.png")
        with pytest.raises(InputError, match="No space left on device"):
            data.load(str(tmp_path / "photos"))
    finally:
        os.system(f"umount {small}")


PUBLISHED = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "text": lambda path: path.write_text("no file of that kind"),
    "empty": lambda path: path.write_bytes(b""),
    "folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", [*PUBLISHED, "group", "many", "floats"])
def test_a_damaged_h5_file_is_named(damage, tmp_path, monkeypatch):
    monkeypatch.setattr(published, "SHAPES3D_SIZES", (2, 2, 1, 2, 4, 2))
    path = tmp_path / "3dshapes.h5"
    with h5py.File(path, "w") as file:
        if damage == "group":
            file.create_group("images")
        elif damage == "many":
            file.create_dataset("images", (10**9, 64, 64, 3), np.uint8, chunks=(1, 64, 64, 3))
        else:
            file["images"] = np.zeros((64, 64, 64, 3), np.float32 if damage == "floats" else np.uint8)
    if damage == "folder":
        PUBLISHED[damage](path)
        with pytest.raises(InputError):
            published.shapes3d(tmp_path)
        return
    if damage in PUBLISHED:
        PUBLISHED[damage](path)
    with pytest.raises(InputError, match=r"3dshapes\.h5 is not the published file"):
        data.load("shapes3d", tmp_path)


@pytest.mark.parametrize("damage", [*PUBLISHED, "encrypted", "many"])
def test_a_damaged_npz_file_is_named(damage, tmp_path, monkeypatch):
    monkeypatch.setattr(published, "MPI3D_SIZES", ((2, 3, 2, 1, 1, 2, 2),))
    path = tmp_path / "mpi3d_toy.npz"
    if damage == "many":
        np.savez_compressed(path, images=np.zeros((500, 64, 64, 3), np.uint8))
    elif damage == "encrypted":
        np.savez(path, images=np.zeros((48, 64, 64, 3), np.uint8))
        content = bytearray(path.read_bytes())
        for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag of both headers
            content[content.index(mark) + place] |= 1
        path.write_bytes(content)
    else:
        np.savez(path, images=np.zeros((48, 64, 64, 3), np.uint8))
        PUBLISHED[damage](path)
    with pytest.raises(InputError, match=r"mpi3d_toy\.npz (is not the published file|holds 500 images)"):
        data.load("mpi3d", tmp_path)
