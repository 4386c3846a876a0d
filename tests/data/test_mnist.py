"""MNIST and its kin: the real path through TFDS on files made here, and what is refused."""

import gzip
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from idx import idx

from vae_jax import data
from vae_jax.data.cache.arrays import atomic_array
from vae_jax.data.sources import mnist, tfds
from vae_jax.errors import InputError

REAL = os.environ.get("VAE_JAX_DATA")  # a folder with mnist/, fashion_mnist/ and binarized_mnist/


def test_mnist_comes_through_tfds_in_its_own_order(tfds_files):
    source, truth = tfds_files
    for folder in (source, None):  # the second time from the .npy files, memory-mapped
        found = data.load("mnist", folder)
        train = np.concatenate([found.train.x, found.validation.x])[..., 0]
        np.testing.assert_array_equal(train, truth["train"][0])
        np.testing.assert_array_equal(found.test.x[..., 0], truth["t10k"][0])
        np.testing.assert_array_equal(found.test.y, truth["t10k"][1])
        assert len(found.validation.x) == 2 and found.classes == 10
    assert isinstance(found.train.x, np.memmap)


def test_of_two_that_prepare_it_at_once_the_second_waits(tfds_files, monkeypatch, capsys):
    source, truth = tfds_files
    prepare, calls = tfds._prepare, []

    def slowly(*args):
        calls.append(1)
        time.sleep(1)
        prepare(*args)

    monkeypatch.setattr(tfds, "_prepare", slowly)
    with ThreadPoolExecutor(2) as both:
        found = list(both.map(lambda _: data.load("mnist", source), range(2)))
    assert len(calls) == 1
    assert capsys.readouterr().err.count("mnist is being prepared by another process; waiting for it.") == 1
    for one in found:
        np.testing.assert_array_equal(one.test.x[..., 0], truth["t10k"][0])


def test_what_is_prepared_needs_no_lock(tfds_files, monkeypatch):
    """As in a folder that can only be read."""
    source, _ = tfds_files
    data.load("mnist", source)
    monkeypatch.setattr(tfds, "FileLock", None)
    assert data.load("mnist").classes == 10


def test_a_packed_file_that_does_not_end_is_refused(tfds_files):
    source, _ = tfds_files
    for file in source.glob("*.amat"):
        Path(f"{file}.gz").write_bytes(gzip.compress(file.read_bytes() + b"0" * 3_000_000))
        file.unlink()
    with pytest.raises(InputError, match=r"binarized_mnist_\w+.amat.gz is not the original \(over [\d,]+ bytes\)"):
        data.load("binarized_mnist", source)


@pytest.mark.parametrize("packed", [False, True])
def test_binarized_mnist_is_black_and_white_and_has_its_three_parts(tfds_files, packed):
    source, truth = tfds_files
    if packed:
        for file in source.glob("*.amat"):
            Path(f"{file}.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
    found = data.load("binarized_mnist", source)
    for part, name in ((found.train, "train"), (found.validation, "valid"), (found.test, "test")):
        np.testing.assert_array_equal(part.x.reshape(-1, 784), 255 * truth[f"binarized {name}"])
        assert part.y is None


def test_a_changed_file_is_refused_by_its_checksum(tfds_files):
    source, _ = tfds_files
    file = source / "t10k-images-idx3-ubyte.gz"
    content = bytearray(file.read_bytes())
    content[30] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"t10k-images-idx3-ubyte.gz is not the original of mnist"):
        data.load("mnist", source)


def test_missing_files_are_named(tfds_files):
    source, _ = tfds_files
    (source / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match=r"lacks train-labels-idx1-ubyte.gz of mnist"):
        data.load("mnist", source)


def test_no_network_is_said_at_once(tfds_files, monkeypatch):
    del tfds_files

    def refuse(*args, **kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr("socket.create_connection", refuse)
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(InputError, match=r"mnist is not on this machine .* .manual_dir.*the set digits works"):
        data.load("mnist")


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "binarized_mnist"])
def test_the_original_files(name, tmp_path, monkeypatch):
    if not REAL or not (Path(REAL) / name).is_dir():
        pytest.skip(f"set VAE_JAX_DATA to a folder that holds {name}/ with the original files")
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(tmp_path))
    found = data.load(name, Path(REAL) / name)
    assert sum(len(part.x) for part in (found.train, found.validation, found.test)) == 70_000
    assert len(found.test.x) == 10_000
    mean = found.test.x.mean() / 255
    assert mean == pytest.approx({"mnist": 0.1325, "fashion_mnist": 0.2868, "binarized_mnist": 0.1325}[name], abs=2e-3)


def test_idx_reader_reads_its_own_header(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "a.gz").write_bytes(idx(array))
    np.testing.assert_array_equal(mnist.read_idx(tmp_path / "a.gz"), array)


@pytest.mark.parametrize("damage", ["cut", "flip", "text"])
def test_a_packed_file_that_is_damaged_is_refused(damage, tfds_files):
    source, _ = tfds_files
    for file in source.glob("*.amat"):
        packed = bytearray(gzip.compress(file.read_bytes()))
        if damage == "flip":
            packed[len(packed) // 2] ^= 0xFF
        Path(f"{file}.gz").write_bytes(packed[:-20] if damage == "cut" else b"hello" if damage == "text" else packed)
        file.unlink()
    with pytest.raises(InputError, match=r"amat.gz is not the original"):
        data.load("binarized_mnist", source)


def test_checksums_are_forced_and_a_full_disk_is_said(tfds_files, monkeypatch):
    import tensorflow_datasets

    (source, _), seen = tfds_files, []

    def full(self, *, download_config):
        seen.append(download_config)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tensorflow_datasets.builder_cls("mnist"), "download_and_prepare", full)
    with pytest.raises(InputError, match=r"mnist could not be prepared in .*No space left"):
        data.load("mnist", source)
    assert seen[0].force_checksums_validation


def test_a_folder_of_tfds_that_cannot_be_written_is_refused(tfds_files, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(tmp_path / "file"))
    with pytest.raises(InputError, match="set TFDS_DATA_DIR to a folder"):
        data.load("mnist", tfds_files[0])


def test_an_array_that_could_not_be_stacked_is_not_left(tmp_path):
    with pytest.raises(RuntimeError), atomic_array(tmp_path / "a.npy", (3,), np.uint8):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["cut", "gone", "bits"])
def test_damaged_records_are_named(damage, tfds_files, tmp_path, monkeypatch):
    source, _ = tfds_files
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data.load("mnist", source)
    shutil.rmtree(tmp_path / "cache")
    for path in (tmp_path / "prepared").rglob("*.array_record*"):
        content = bytearray(path.read_bytes())
        if damage == "gone":
            path.unlink()
        elif damage == "cut":
            path.write_bytes(content[: len(content) // 2])
        else:
            path.write_bytes(bytes(255 - byte for byte in content))
    with pytest.raises(InputError, match=r"cannot be read.*to prepare it again"):
        data.load("mnist", source)
