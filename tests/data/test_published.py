"""Cars3D, MPI3D and 3D Shapes: small files made here in the published formats."""

import h5py
import numpy as np
import pytest
import scipy.io

from vae_jax import data
from vae_jax.data.sources import published
from vae_jax.errors import InputError


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def expect_grid(found: data.Dataset, names, sizes, n: int) -> None:
    assert found.factors is not None and (found.factors.names, found.factors.sizes) == (names, sizes)
    assert found.factors.total == n == sum(len(part.x) for part in found[1:4])


def test_mpi3d_comes_in_the_order_of_its_grid(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "MPI3D_SIZES", ((2, 3, 2, 1, 1, 2, 2),))
    images = np.arange(48, dtype=np.uint8)[:, None, None, None] * np.ones((1, 64, 64, 3), np.uint8)
    np.savez_compressed(tmp_path / "mpi3d_toy.npz", images=images)
    for _ in range(2):
        found = data.load("mpi3d", tmp_path)
        expect_grid(found, published.MPI3D, (2, 3, 2, 1, 1, 2, 2), 48)
        assert found.factors is not None
        np.testing.assert_array_equal(found.factors.images(5, 9)[:, 0, 0, 0], [5, 6, 7, 8])
        shape = np.unravel_index(found.test.x[:, 0, 0, 0], (2, 3, 2, 1, 1, 2, 2))[1]
        np.testing.assert_array_equal(found.test.y, shape)
        assert found.classes == 3
    with pytest.raises(InputError, match=r"read from one mpi3d_\*\.npz; found none"):
        data.load("mpi3d", None)
    np.savez(tmp_path / "mpi3d_toy.npz", images=images[:10])
    with pytest.raises(InputError, match="holds 10 images; expected 1,036,800"):
        data.load("mpi3d", tmp_path)
    np.savez(tmp_path / "mpi3d_toy.npz", other=images)
    with pytest.raises(InputError, match="is not the published file"):
        data.load("mpi3d", tmp_path)


def test_cars3d_has_a_file_for_each_car(tmp_path):
    for car in range(2):
        views = np.arange(96, dtype=np.uint8).reshape(24, 4) + 100 * car
        im = np.broadcast_to(views, (128, 128, 3, 24, 4)).astype(np.uint8)
        scipy.io.savemat(tmp_path / f"car_{car:03}_mesh.mat", {"im": im})
    found = data.load("cars3d", tmp_path)
    expect_grid(found, ("object", "azimuth", "elevation"), (2, 24, 4), 192)
    assert found.factors is not None
    shown = found.factors.images(0, 192)
    assert shown.shape == (192, 64, 64, 3)
    np.testing.assert_array_equal(shown[:, 0, 0, 0], np.concatenate([np.arange(96), np.arange(96) + 100]))
    (tmp_path / "car_002_mesh.mat").write_bytes(b"no mesh")
    with pytest.raises(InputError, match=r"car_002_mesh\.mat is not one of Cars3D"):
        data.load("cars3d", tmp_path)
    with pytest.raises(InputError, match="expected the folder data/cars"):
        data.load("cars3d", None)


def test_shapes3d_is_read_from_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "SHAPES3D_SIZES", (2, 2, 1, 2, 4, 2))
    with h5py.File(tmp_path / "3dshapes.h5", "w") as file:
        file["images"] = np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None, None, None], (64, 64, 64, 3))
    found = data.load("shapes3d", tmp_path)
    expect_grid(found, published.SHAPES3D, (2, 2, 1, 2, 4, 2), 64)
    assert found.classes == 4


def test_of_a_large_grid_a_random_part_is_trained_on(monkeypatch):
    monkeypatch.setattr(published, "PARTS", (50, 10, 20))
    x = np.arange(200, dtype=np.uint8).reshape(200, 1, 1, 1)
    found = published.gridded("grid", x, ("a", "b"), (10, 20), label="a")
    seen = np.concatenate([part.x.ravel() for part in found[1:4]])
    assert [len(part.x) for part in found[1:4]] == [50, 10, 20] and len(set(seen)) == 80
    np.testing.assert_array_equal(found.train.y, found.train.x.ravel() // 20)
    with pytest.raises(InputError, match="200 images for 100 combinations"):
        published.gridded("grid", x, ("a", "b"), (10, 10))
