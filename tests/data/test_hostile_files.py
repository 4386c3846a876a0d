"""Files from strangers: each is read rightly or refused in one plain line, before anything large is allocated."""

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from vae_jax import data
from vae_jax.data.sources import files
from vae_jax.errors import InputError

DTYPES = st.sampled_from(("?", "u1", "i1", "i4", "u8", "f2", "f4", "f8", ">f4", ">i8", "c8", "U3", "M8[s]", "O", "V3"))
SHAPES = arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=12)


def expect_right_or_refused(path: Path) -> None:
    """What comes back can be trained on; what does not is an `InputError` of one line that names the file."""
    try:
        found = data.load(str(path))
    except InputError as error:
        assert "\n" not in str(error) and str(path) in str(error)
        return
    for part in (found.train, found.validation, found.test):
        assert part.x.dtype in (np.uint8, np.float32) and part.x.size and np.isfinite(part.x).all()
        assert part.x.dtype == np.uint8 or part.x.ndim == 2 or (part.x.min() >= 0 and part.x.max() <= 1)
        assert part.y is None or (part.y.dtype == np.int32 and part.y.min() >= 0 and part.y.max() < found.classes)


def array(draw, shape=SHAPES) -> np.ndarray:
    dtype = np.dtype(draw(DTYPES))
    if dtype.hasobject:
        return np.array([{"a": 1}], dtype=object)
    size = draw(shape)
    content = np.random.RandomState(draw(st.integers(0, 99))).bytes(int(np.prod(size)) * dtype.itemsize)
    if dtype.kind in "fc" and draw(st.booleans()):
        return np.random.RandomState(0).random_sample(size).astype(dtype)
    return np.frombuffer(content, dtype).reshape(size)


def npy(content: np.ndarray) -> bytes:
    sink = io.BytesIO()
    np.lib.format.write_array(sink, content, allow_pickle=True)
    return sink.getvalue()


@st.composite
def hostile(draw) -> tuple[str, bytes]:
    """A suffix, and the bytes of a file: arrays of any kind, in any archive, damaged anywhere."""
    members = draw(
        st.dictionaries(st.sampled_from(["x", "y", "../x", "/etc/x", "z", "x.npy", ""]), st.just(0), max_size=3)
    )
    rows = st.tuples(st.integers(8, 14), *[st.integers(1, 4)] * draw(st.integers(0, 3)))
    x = npy(array(draw, rows))
    if draw(st.booleans()):
        suffix, content = ".npy", x
    else:
        sink = io.BytesIO()
        how = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]))
        with zipfile.ZipFile(sink, "w", how) as archive:
            for name in {"x": 0, **members} if draw(st.booleans()) else members:
                archive.writestr(f"{name}.npy", x if name == "x" else npy(array(draw)))
        suffix, content = ".npz", sink.getvalue()
    damage = draw(st.sampled_from(["no", "flip", "flip", "cut", "more", "noise"]))
    spot = draw(st.integers(0, max(len(content) - 1, 0)))
    if damage == "flip" and content:
        content = content[:spot] + bytes([content[spot] ^ 1 << draw(st.integers(0, 7))]) + content[spot + 1 :]
    if damage == "cut":
        content = content[:spot]
    if damage == "more":
        content += draw(st.binary(min_size=1, max_size=20))
    if damage == "noise":
        content = draw(st.binary(max_size=200))
    return draw(st.sampled_from([suffix, ".npz", ".npy"])), content


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("trials", [300, pytest.param(1000, marks=pytest.mark.slow)])
def test_any_file_is_right_or_refused(trials, tmp_path):
    @settings(max_examples=trials, deadline=None, database=None, derandomize=True, suppress_health_check=[*HealthCheck])
    @given(hostile())
    def throw(made):
        suffix, content = made
        path = tmp_path / f"hostile{suffix}"
        path.write_bytes(content)
        expect_right_or_refused(path)

    throw()


def header(shape: str, dtype: str = "|u1", version: bytes = b"\x01\x00") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (header("(10, 100000, 100000)") + b"\0" * 99, r"takes 100,000,000,000 bytes, and 99 are there"),
        (header("(-1, 4)") + b"\0" * 4, r"is not a NumPy file of plain numbers"),
        (header("(10, 4)", "|O") + b"\0" * 320, "Python objects"),
        (header("(10, 4)", version=b"\x09\x00"), "version"),
        (header("__import__('os').system('true')"), "is not a NumPy file"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535, "is not a NumPy file"),
    ],
)
def test_a_header_is_believed_only_where_the_bytes_are_there(content, said, tmp_path):
    (tmp_path / "x.npy").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(InputError, match=said):
        data.load(str(tmp_path / "x.npy"))
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


def test_a_bomb_and_what_is_too_large_for_the_machine_are_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BOMB", 1_000_000)
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((2000, 1000), np.uint8))
    np.savez(tmp_path / "black.npz", x=np.zeros((2000, 1000), np.uint8))
    with pytest.raises(InputError, match=r"bomb.npz: x unpacks to more than 250 times its size.*np.savez"):
        data.load(str(tmp_path / "bomb.npz"))
    assert data.load(str(tmp_path / "black.npz")).train.x.shape == (1600, 1000)
    monkeypatch.setattr(files, "SHARE", 1e-6)
    with pytest.raises(InputError, match=r"x takes 0.0 GB; expected at most .* half of this machine's memory"):
        data.load(str(tmp_path / "black.npz"))


def test_nothing_but_x_and_y_is_read(tmp_path):
    np.savez(tmp_path / "more.npz", x=np.zeros((20, 4), np.uint8), meta=np.array([{"a": 1}], dtype=object))
    assert data.load(str(tmp_path / "more.npz")).train.x.shape == (16, 4)


@pytest.mark.parametrize("label", [2**16, 2**31, 2**40, 2**63])
def test_labels_that_no_class_has_are_refused(label, tmp_path):
    y = np.arange(20).astype(np.uint64)
    y[3] = label
    np.savez(tmp_path / "labels.npz", x=np.zeros((20, 4), np.uint8), y=y)
    with pytest.raises(InputError, match=rf"y goes up to {label}; expected labels counted from 0, below 65,536"):
        data.load(str(tmp_path / "labels.npz"))


def test_more_bytes_than_the_header_says_are_refused(tmp_path):
    (tmp_path / "x.npy").write_bytes(header("(10, 4)") + b"\0" * 41)
    with pytest.raises(InputError, match="takes 40 bytes, and 41 are there"):
        data.load(str(tmp_path / "x.npy"))


def test_a_small_black_archive_is_no_bomb_and_a_long_reason_is_one_line(tmp_path):
    np.savez_compressed(tmp_path / "black.npz", x=np.zeros((2000, 1000), np.uint8))
    assert data.load(str(tmp_path / "black.npz")).train.x.shape == (1600, 1000)
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535)
    with pytest.raises(InputError) as refused:
        data.load(str(tmp_path / "x.npy"))
    assert "\n" not in str(refused.value)


def test_a_header_is_not_read_before_its_length_is(tmp_path):
    """Version 2 of the format lets a header claim four gigabytes."""
    claim = b"\x93NUMPY\x02\x00" + (2**31).to_bytes(4, "little")
    (tmp_path / "x.npy").write_bytes(claim + b" " * 10**7)
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", claim + b" " * 10**7)
    for name in ("x.npy", "x.npz"):
        tracemalloc.start()
        with pytest.raises(InputError, match="its header claims 2,147,483,648 bytes"):
            data.load(str(tmp_path / name))
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
        tracemalloc.stop()
    np.lib.format.write_array(io.BytesIO(), np.zeros(3), version=(2, 0))
    with (tmp_path / "fine.npy").open("wb") as file:
        np.lib.format.write_array(file, np.random.RandomState(0).rand(20, 4), version=(2, 0))
    assert data.load(str(tmp_path / "fine.npy")).train.x.shape == (16, 4)


@pytest.mark.parametrize("kind", ["eps", "ps", "pdf", "renamed"])
def test_images_go_to_no_other_program(kind, tmp_path, monkeypatch):
    """Pillow hands PostScript to Ghostscript."""
    from PIL import EpsImagePlugin

    def ran(*args, **options):
        raise AssertionError("Ghostscript")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", ran)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(12):
        name = folder / f"{index}.{'png' if kind == 'renamed' else kind}"
        name.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n")
    with pytest.raises(InputError, match=r"holds no images|cannot be read"):
        data.load(str(folder))


def test_an_image_that_claims_too_much_is_not_decoded(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("L", (11_000, 11_000)).save(folder / "0.png")
    for index in range(1, 12):
        Image.new("L", (8, 8), index).save(folder / f"{index:02}.png")
    with pytest.raises(InputError, match=r"0\.png cannot be read \(11,000×11,000 pixels, over 100,000,000\)"):
        data.load(str(folder))
    assert data.load(str(folder), skip_broken=True).train.x.shape[1:] == (8, 8, 1)
