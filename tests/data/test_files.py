"""The user's own files: all their forms, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import data
from vae_jax.data.dataset import fingerprint
from vae_jax.errors import InputError


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
    assert pixels.max() == 1
    assert pixels.ndim == max(len(shape), 4 if len(shape) == 3 else 0)
    np.testing.assert_array_equal(data.load(str(tmp_path / "own.npy")).train.x, found.train.x)


BAD = {
    "goes from 0 to 255": lambda x: x * 255.0,
    "goes from -1 to": lambda x: 2 * x - 1,
    "x: image 3 holds NaN": lambda x: np.where(np.arange(20)[:, None, None] == 3, np.nan, x),
    "x is int64; expected uint8": lambda x: x.astype(np.int64),
    "x is complex64": lambda x: x.astype(np.complex64),
    "x has shape": lambda x: x[0, 0],
    "x is empty": lambda x: x[:0],
    "too few to train": lambda x: x[:4],
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


@pytest.mark.parametrize(("value", "said"), [(np.nan, "x: image 4500 holds NaN"), (2.0, "goes from 0 to 2")])
def test_every_image_is_looked_at(value, said):
    x = np.zeros((5000, 2, 2, 1), np.float32)
    x[4500, 1] = value
    with pytest.raises(InputError, match=said):
        data.checked(x, None, "x")


def test_a_fingerprint_is_of_every_part_with_its_labels_shape_and_type():
    part = lambda n, at: data.Examples(np.full((n, 4), at, np.uint8), np.zeros(n, np.int32))
    made = data.Dataset("x", part(9, 1), part(5, 2), part(5, 3), 1)
    others = [made, made._replace(train=made.train._replace(y=None))]
    others += [made._replace(train=made.train._replace(x=made.train.x.reshape(9, 2, 2)))]
    for name in ("train", "validation", "test"):
        for field in ("x", "y"):
            array = getattr(getattr(made, name), field).copy()
            array[-1] += 1
            others.append(made._replace(**{name: getattr(made, name)._replace(**{field: array})}))
    assert len({fingerprint(other) for other in others}) == 9


@pytest.mark.parametrize("name", ["", " ", None, 3, "a" * 300, "a" * 300 + ".npy", "/x/" + "b" * 5000])
def test_what_is_no_name_of_data_is_refused(name):
    with pytest.raises(InputError, match=r"expected .*(name|path)"):
        data.load(name)


@pytest.mark.parametrize("size", [0, -3, 2.5, "8", True])
def test_a_size_is_a_whole_number(size, tmp_path):
    with pytest.raises(InputError, match="expected a whole number of at least 1"):
        data.load(str(tmp_path), size=size)


def test_a_path_is_a_name_and_an_empty_array_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.random.RandomState(0).rand(20, 4))
    assert data.load(tmp_path / "x.npy").train.x.shape == (16, 4)
    np.save(tmp_path / "none.npy", np.zeros((0, 4)))
    with pytest.raises(InputError, match="x is empty"):
        data.load(tmp_path / "none.npy")
