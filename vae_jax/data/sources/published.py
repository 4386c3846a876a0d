"""Data sets with known factors, from the files that their authors published; `--manual-dir` says where they are."""

import math
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax.data.cache.arrays import atomic_array
from vae_jax.data.cache.kept import kept_arrays
from vae_jax.data.dataset import DATASETS, Dataset, Examples, Factors, rows, split
from vae_jax.data.sources.files import read_header
from vae_jax.data.sources.pictures import as_array
from vae_jax.errors import InputError, first_line
from vae_jax.progress import bar

READER = 1  # version of the kept arrays; raise it when they are made differently
SIDE = 64
MPI3D = ("object_color", "object_shape", "object_size", "camera_height", "background_color", "horizontal", "vertical")
MPI3D_SIZES = ((6, 6, 2, 3, 3, 40, 40), (4, 4, 2, 3, 3, 40, 40))  # the second is that of mpi3d_real_complex.npz
CARS3D, CARS3D_SIZES = ("object", "azimuth", "elevation"), (183, 24, 4)
SHAPES3D = ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
SHAPES3D_SIZES = (10, 10, 10, 8, 4, 15)
PARTS = (50_000, 2_000, 10_000)  # for training, validation and testing: a random part of a larger grid


@DATASETS.register("mpi3d", epochs=15)
def mpi3d(folder: Path | None) -> Dataset:
    """MPI3D, a robot arm at 64x64, seven factors: mpi3d_toy.npz, _realistic, _real or _real_complex in --manual-dir."""
    path = _file(folder, "mpi3d_*.npz", "mpi3d")
    arrays, _ = kept_arrays(_of(path), partial(_from_npz, path))
    sizes = next(sizes for sizes in MPI3D_SIZES if np.prod(sizes) == len(arrays["x"]))
    return gridded("mpi3d", arrays["x"], MPI3D, sizes, label="object_shape")


@DATASETS.register("cars3d", epochs=15)
def cars3d(folder: Path | None) -> Dataset:
    """Cars3D, renderings of 183 cars resized to 64x64, three factors: the .mat files of its archive in --manual-dir."""
    if folder is None or not list(folder.glob("*.mat")):
        raise InputError(
            f"`manual_dir={folder}`: expected the folder data/cars of nips2015-analogy-data, with .mat files."
        )
    files = sorted(folder.glob("*.mat"))
    arrays, _ = kept_arrays((SIDE, *map(_of, files)), partial(_from_meshes, files))
    return gridded("cars3d", arrays["x"], CARS3D, (len(files), *CARS3D_SIZES[1:]))


@DATASETS.register("shapes3d", epochs=15)
def shapes3d(folder: Path | None) -> Dataset:
    """3D Shapes at 64x64, six factors: 3dshapes.h5 in --manual-dir, read with h5py; else by TFDS, with TensorFlow."""
    if folder is None or not (folder / "3dshapes.h5").is_file():
        from vae_jax.data.sources.tfds import load_named

        return load_named("shapes3d", folder)
    path = folder / "3dshapes.h5"
    arrays, _ = kept_arrays(_of(path), partial(_from_h5, path))
    return gridded("shapes3d", arrays["x"], SHAPES3D, SHAPES3D_SIZES, label="shape")


def gridded(
    name: str, x: np.ndarray, names: tuple[str, ...], sizes: tuple[int, ...], *, label: str | None = None
) -> Dataset:
    """A data set of images of every combination of factors, in the order of the grid.

    Args:
      name: its name.
      x: `[n, height, width, channels]`, memory-mapped or not.
      names: the names of the factors.
      sizes: how many values each has; the last varies fastest.
      label: the factor that is the label; None for no labels.

    Raises:
      InputError: there is not one image for each combination.
    """
    if len(x) != np.prod(sizes):
        raise InputError(
            f"{name}: {len(x):,} images for {np.prod(sizes):,} combinations of factors; expected one each."
        )
    factors = Factors(names, sizes, lambda start, stop: x[start:stop])
    y = None if label is None else np.unravel_index(np.arange(len(x)), sizes)[names.index(label)].astype(np.int32)
    if len(x) < sum(PARTS):
        return split(name, Examples(x, y), validation=0.1, test=0.1)._replace(factors=factors)
    chosen = np.random.RandomState(0).permutation(len(x))[: sum(PARTS)]
    dealt = (rows(Examples(x, y), np.sort(part)) for part in np.split(chosen, np.cumsum(PARTS)[:2]))
    classes = 0 if label is None else sizes[names.index(label)]
    return Dataset(name, *dealt, classes=classes, factors=factors)


def _file(folder: Path | None, pattern: str, name: str) -> Path:
    found = sorted(folder.glob(pattern)) if folder else []
    if len(found) != 1:
        has = f"{len(found)} such files" if found else "none"
        raise InputError(f"`manual_dir={folder}`: {name} is read from one {pattern}; found {has}. Give its folder.")
    return found[0]


def _of(path: Path) -> tuple:
    status = path.stat()
    return READER, path.name, status.st_size, status.st_mtime_ns


def _not_published(path: Path, kept: Path, error: Exception) -> Exception:
    """What to say of a file that cannot be read; what went wrong in the cache folder is said as it is."""
    in_cache = isinstance(error, OSError) and str(error.filename or "").startswith(str(kept))
    if in_cache or isinstance(error, InputError):
        return error
    return InputError(f"{path} is not the published file ({first_line(error)}); expected images [n, 64, 64, 3].")


def _from_npz(path: Path, kept: Path) -> Mapping[str, Any]:
    """The array `images`, unpacked as it is read, since it may be larger than the memory."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("images.npy") as source:
            shape, fortran, dtype = read_header(source)
            if fortran or dtype != np.uint8 or shape[-3:] != (SIDE, SIDE, 3):
                raise ValueError(f"{dtype} {shape}")
            shape = (math.prod(shape[:-3]), *shape[-3:])
            if shape[0] not in map(math.prod, MPI3D_SIZES):
                raise InputError(f"{path} holds {shape[0]:,} images; expected 1,036,800, or 460,800 of real_complex.")
            with atomic_array(kept / "x.npy", shape, np.uint8) as array:
                for index in bar(range(len(array)), desc=f"reading {path.name}", unit="image", leave=False):
                    array[index] = np.frombuffer(source.read(array[index].nbytes), np.uint8).reshape(shape[1:])
    except Exception as error:  # RuntimeError: it is encrypted; zlib has its own
        raise _not_published(path, kept, error) from error
    return {"of": str(path), "rows": {"x": len(array)}}


def _from_meshes(files: list[Path], kept: Path) -> Mapping[str, Any]:
    """Each file holds `im`, `[height, width, 3, azimuth, elevation]`, of one car."""
    from PIL import Image
    from scipy.io import loadmat

    views = CARS3D_SIZES[1] * CARS3D_SIZES[2]
    with atomic_array(kept / "x.npy", (len(files) * views, SIDE, SIDE, 3), np.uint8) as array:
        for index, path in enumerate(bar(files, desc="reading cars3d", unit="car", leave=False)):
            try:
                mesh = loadmat(path)["im"]
                images = mesh.transpose(3, 4, 0, 1, 2).reshape(views, *mesh.shape[:3])
            except Exception as error:  # SciPy has its own errors
                raise InputError(f"{path} is not one of Cars3D ({error}); expected im [h, w, 3, 24, 4].") from error
            for view, image in enumerate(images):
                array[index * views + view] = as_array(Image.fromarray(image), size=SIDE, channels=3)
    return {"of": str(files[0].parent), "rows": {"x": len(array)}}


def _from_h5(path: Path, kept: Path) -> Mapping[str, Any]:
    try:
        import h5py
    except ImportError:
        raise InputError("3dshapes.h5 is read with h5py; pip install h5py.") from None
    expected = (math.prod(SHAPES3D_SIZES), SIDE, SIDE, 3)
    try:
        with h5py.File(path) as file:
            images: Any = file["images"]
            if images.shape != expected or images.dtype != np.uint8:
                raise ValueError(f"{images.dtype} {images.shape}")
            with atomic_array(kept / "x.npy", images.shape, np.uint8) as array:
                for start in bar(range(0, len(images), 1000), desc="reading shapes3d", unit="thousand", leave=False):
                    array[start : start + 1000] = images[start : start + 1000]
    except Exception as error:  # a group has no shape; h5py raises OSError, KeyError and RuntimeError for damage
        raise _not_published(path, kept, error) from error
    return {"of": str(path), "rows": {"x": len(array)}}
