"""Data sets: the real path through TFDS on files made here, the user's own files, and what is refused."""

import gzip
import hashlib
import os
import struct
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import data
from vae_jax.data import mnist
from vae_jax.errors import InputError

REAL = os.environ.get("VAE_JAX_DATA")  # a folder with mnist/, fashion_mnist/ and binarized_mnist/


def _idx(array: np.ndarray) -> bytes:
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}i", *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)


@pytest.fixture
def tfds_files(tmp_path, monkeypatch):
    """Small files in the original formats, registered with their own checksums, and a TFDS folder of their own."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import checksums

    source = tmp_path / "source"
    source.mkdir()
    random = np.random.RandomState(0)
    contents, truth = {}, {}
    for prefix, n in (("train", 120), ("t10k", 20)):
        images = random.randint(0, 256, (n, 28, 28)).astype(np.uint8)
        labels = (np.arange(n) % 10).astype(np.uint8)
        truth[prefix] = images, labels
        contents[f"{prefix}-images-idx3-ubyte.gz"] = _idx(images)
        contents[f"{prefix}-labels-idx1-ubyte.gz"] = _idx(labels)
    for part, n in (("train", 30), ("valid", 10), ("test", 10)):
        images = random.randint(0, 2, (n, 784))
        truth[f"binarized {part}"] = images
        text = "\n".join(" ".join(map(str, row)) for row in images) + "\n"
        contents[f"binarized_mnist_{part}.amat"] = text.encode()
    for name, content in contents.items():
        (source / name).write_bytes(content)
    for name in ("mnist", "binarized_mnist"):
        builder = tfds.builder_cls(name)
        infos = {
            url: checksums.UrlInfo(
                size=len(contents[info.filename]),
                checksum=hashlib.sha256(contents[info.filename]).hexdigest(),
                filename=info.filename,
            )
            for url, info in builder.url_infos.items()
        }
        monkeypatch.setattr(builder, "url_infos", infos)
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(prepared))
    return source, truth


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
    with pytest.raises(InputError, match=r"mnist is not on this machine .* --manual-dir.*--data digits works"):
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


def test_digits_are_scikit_learns(key):
    del key
    from sklearn.datasets import load_digits

    found = data.load("digits")
    x = np.concatenate([part.x for part in (found.train, found.validation, found.test)])
    assert x.shape == (1797, 8, 8, 1) and x.dtype == np.uint8 and found.classes == 10
    assert sorted(x.reshape(1797, -1).sum(1)) == sorted(np.round(load_digits().data * 255 / 16).sum(1))
    assert not {row.tobytes() for row in found.test.x} & {row.tobytes() for row in found.train.x}


def test_every_part_of_a_split_is_disjoint_and_the_same_each_time():
    x = np.arange(100, dtype=np.float32)[:, None] / 100
    parts = [data.split("x", data.checked(x, None, "x"), validation=0.1, test=0.2) for _ in range(2)]
    for found in parts:
        assert [len(part.x) for part in found[1:4]] == [70, 10, 20]
        assert len(np.unique(np.concatenate([part.x for part in found[1:4]]))) == 100
    np.testing.assert_array_equal(parts[0].test.x, parts[1].test.x)


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(20, 6), (20, 4, 5), (20, 4, 5, 3)])
def test_own_files_in_all_their_forms(dtype, shape, tmp_path):
    x = np.random.RandomState(0).randint(0, 2, shape).astype(dtype)
    np.savez(tmp_path / "own.npz", x=x, y=np.arange(20) % 3)
    np.save(tmp_path / "own.npy", x)
    found = data.load(str(tmp_path / "own.npz"))
    assert found.classes == 3 and found.train.y.dtype == np.int32
    pixels = jax.vmap(data.grey, (None, 0))(jax.random.key(0), jnp.asarray(found.train.x))
    assert pixels.dtype == jnp.float32
    assert pixels.max() == (1 if dtype != np.uint8 else np.float32(1 / 255))
    assert pixels.ndim == max(len(shape), 4 if len(shape) == 3 else 0)
    np.testing.assert_array_equal(data.load(str(tmp_path / "own.npy")).train.x, found.train.x)


BAD = {
    "goes from 0 to 255": lambda x: x * 255.0,
    "goes from -1 to": lambda x: 2 * x - 1,
    "image 3 of x holds NaN": lambda x: np.where(np.arange(20)[:, None, None] == 3, np.nan, x),
    "x is int64; expected uint8": lambda x: x.astype(np.int64),
    "x is complex64": lambda x: x.astype(np.complex64),
    "x has shape": lambda x: x[0, 0],
    "x is empty": lambda x: x[:0],
    "too few to train": lambda x: x[:4],
    "x has 2 channels": lambda x: np.stack([x, x], -1),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_arrays_are_refused_with_what_to_do(message, tmp_path):
    x = np.linspace(0, 1, 20 * 16).reshape(20, 4, 4)
    np.savez(tmp_path / "bad.npz", x=BAD[message](x))
    with pytest.raises(InputError, match=message):
        data.load(str(tmp_path / "bad.npz"))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(19, int), r"expected 20 integers"),
        (np.zeros(20), r"y is float64"),
        (np.full(20, -1), r"y goes down to -1"),
    ],
)
def test_bad_labels_are_refused(y, message, tmp_path):
    np.savez(tmp_path / "bad.npz", x=np.zeros((20, 4), np.uint8), y=y)
    with pytest.raises(InputError, match=message):
        data.load(str(tmp_path / "bad.npz"))


def test_files_that_are_no_data_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "other.npz", images=np.zeros(3))
    np.savez(tmp_path / "pickled.npz", x=np.array([{"a": 1}], dtype=object))
    for name, message in (("text", "is not a NumPy file"), ("other", "holds images; expected"), ("pickled", "plain")):
        with pytest.raises(InputError, match=message):
            data.load(str(tmp_path / f"{name}.npz"))
    with pytest.raises(InputError, match="no file"):
        data.load(str(tmp_path / "missing.npy"))


def test_unknown_names_get_the_nearest():
    with pytest.raises(InputError, match="no data set 'mnits'; did you mean 'mnist'"):
        data.load("mnits")


def test_other_tfds_sets_say_what_they_need():
    pytest.importorskip("tensorflow_datasets")
    try:
        import tensorflow  # noqa: F401
    except ImportError:
        with pytest.raises(InputError, match=r"vae-jax\[tensorflow\]"):
            data.load("cifar10")


def test_idx_reader_reads_its_own_header(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "a.gz").write_bytes(_idx(array))
    np.testing.assert_array_equal(mnist.read_idx(tmp_path / "a.gz"), array)


class TestPreprocess:
    x = jnp.array([0, 100, 200, 255], jnp.uint8)

    def test_dynamic_draws_each_time_with_the_grey_value_as_probability(self, key):
        draws = jax.vmap(data.dynamic, (0, None))(jax.random.split(key, 20_000), self.x)
        assert set(np.unique(draws)) == {0.0, 1.0}
        np.testing.assert_allclose(draws.mean(0), self.x / 255, atol=0.015)

    def test_static_is_a_threshold(self, key):
        np.testing.assert_array_equal(data.static(key, self.x), [0, 0, 1, 1])

    def test_floats_stay(self, key):
        np.testing.assert_array_equal(data.grey(key, jnp.array([0.25])), [0.25])
