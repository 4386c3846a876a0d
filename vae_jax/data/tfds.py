"""Data sets of tensorflow-datasets: fetched and checked by TFDS, stacked once into memory-mapped `.npy` files."""

import gzip
import os
import socket
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from filelock import FileLock, Timeout

from vae_jax.data.table import DATASETS, Dataset, Examples, Factors, checked, count_classes, rows, split
from vae_jax.errors import InputError, nearest

# Sets whose images are all combinations of known factors: the factors, and which of them is the label.
FACTORS = {
    "dsprites": (("shape", "scale", "orientation", "x_position", "y_position"), "shape"),
    "shapes3d": (("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"), "shape"),
    "smallnorb": (("category", "elevation", "azimuth", "lighting"), "category"),  # with 10 toys in every category
}
ASIDE = {"dsprites": ("shape",)}  # what the published MIG of Chen et al. leaves out
OFFLINE = "Offline, --data digits works, and so does an .npz file of your own"


def load_named(name: str, manual_dir: Path | None) -> Dataset:
    """Any image data set of TFDS by its name; the stock builders read with TensorFlow, the `[tensorflow]` extra.

    Raises:
      InputError: no such data set, TensorFlow missing, or no images in it.
    """
    import tensorflow_datasets as tfds

    builders = tfds.list_builders(with_community_datasets=False)
    if name.partition("/")[0].partition(":")[0] not in builders:
        close = nearest(name, [*DATASETS, *builders]).partition("Choose")[0]
        known = ", ".join(DATASETS)
        raise InputError(
            f"no data set {name!r}; {close}Choose from: {known}, an image data set of TFDS, or an .npz or .npy file."
        )
    try:
        import tensorflow  # noqa: F401  # pyright: ignore[reportMissingImports, reportMissingModuleSource]
    except ImportError:
        raise InputError(
            f"TFDS reads {name!r} with TensorFlow, which is not installed; pip install 'vae-jax[tensorflow]'. "
            f"Without it: {', '.join(DATASETS)}, or an .npz or .npy file."
        ) from None
    return load_builder(tfds.builder_cls(name), manual_dir)


def load_builder(builder_class: Any, manual_dir: Path | None) -> Dataset:
    """Prepare with TFDS (unless already prepared), stack, and split where TFDS has no validation or test part.

    Args:
      builder_class: a TFDS builder with features `image` and optionally `label`.
      manual_dir: a folder with the original files, in place of a download. Checksums are verified either way.

    Raises:
      InputError: the files are missing, damaged, or cannot be fetched; or there are no images in the data set.
    """
    builder = builder_class(file_format="array_record")
    if "image" not in builder.info.features:
        raise InputError(f"data set {builder.name!r} has no feature 'image'; expected an image data set.")
    if not _is_stacked(builder):
        with _alone(builder):
            builder = builder_class(file_format="array_record")  # another process may have prepared it by now
            if not builder.info.splits:
                _prepare(builder, manual_dir)
            for name in builder.info.splits:
                _stack(builder, name)
    parts = {name: _read(builder, name) for name in builder.info.splits}
    factors = known_factors(builder, list(parts.values())) if builder.name in FACTORS else None
    if "test" not in parts:
        return split(builder.name, parts["train"], validation=0.1, test=0.1)._replace(factors=factors)
    train, classes = parts["train"], count_classes(parts["train"])
    if "validation" in parts:
        return Dataset(builder.name, train, parts["validation"], parts["test"], classes, factors)
    # No published validation part: hold out the last sixtieth of the training part (1,000 of MNIST's 60,000), few
    # enough for results to stay comparable with those trained on all of it.
    held = max(len(train.x) // 60, 1)
    train, validation = rows(train, slice(-held)), rows(train, slice(-held, None))
    return Dataset(builder.name, train, validation, parts["test"], classes, factors)


def known_factors(builder: Any, parts: list[Examples]) -> Factors:
    """The grid of factors that the parts of a data set form together.

    Args:
      builder: that of a set in `FACTORS`, prepared and stacked.
      parts: its splits, in the order of `builder.info.splits`.

    Raises:
      InputError: some combination of factors has fewer images than another.
    """
    names, _ = FACTORS[builder.name]
    sizes = tuple(builder.info.features[f"label_{name}"].num_classes for name in names)
    columns = [
        np.concatenate([np.load(_path(builder, part, f"label_{name}")) for part in builder.info.splits])
        for name in names
    ]
    place = np.ravel_multi_index(tuple(columns), sizes)
    counts = np.bincount(place, minlength=int(np.prod(sizes)))
    if counts.min() != counts.max():
        raise InputError(
            f"{builder.name} lacks combinations of its factors: {counts.min()} to {counts.max()} images of each; "
            "expected equally many. Prepare the whole set."
        )
    order = np.argsort(place, kind="stable")
    offsets = np.cumsum([0, *(len(part.x) for part in parts)])

    def images(start: int, stop: int) -> np.ndarray:
        chosen = order[start:stop]
        pixels = np.empty((len(chosen), *parts[0].x.shape[1:]), parts[0].x.dtype)
        for part, first, end in zip(parts, offsets, offsets[1:], strict=False):
            inside = (first <= chosen) & (chosen < end)
            pixels[inside] = part.x[chosen[inside] - first]
        return pixels

    return Factors(names, sizes, images, copies=int(counts.min()), aside=ASIDE.get(builder.name, ()))


def _prepare(builder: Any, manual_dir: Path | None) -> None:
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    files = {info.filename: url for url, info in (builder.url_infos or {}).items()}
    with ExitStack() as stack:
        if manual_dir is None:
            _expect_network(builder.name, files)
        else:
            sizes = {info.filename: info.size for info in (builder.url_infos or {}).values()}
            manual_dir = _unpacked(builder.name, manual_dir, sizes, stack)
        config = tfds.download.DownloadConfig(manual_dir=manual_dir, force_checksums_validation=True)
        try:
            builder.download_and_prepare(download_config=config)
        except NonMatchingChecksumError as error:
            file = next((file for file in files if file in str(error)), "a file")
            raise InputError(
                f"{file} is not the original of {builder.name}: its SHA-256 differs from the one TFDS registers. "
                "Fetch it again."
            ) from error
        except (OSError, tfds.download.DownloadError) as error:
            reason = str(error).splitlines()[0][:200]
            raise InputError(f"{builder.name} could not be prepared in {builder.data_dir}: {reason}") from error


def _expect_network(name: str, files: dict[str, str]) -> None:
    """Fail at once if a host cannot be reached; TFDS would retry for minutes."""
    if any(variable.lower() in ("http_proxy", "https_proxy", "all_proxy") for variable in os.environ):
        return
    for host in sorted({urlsplit(url).hostname or "" for url in files.values()}):
        try:
            socket.create_connection((host, 443 if host else 0), timeout=10).close()
        except OSError as error:
            raise InputError(
                f"{name} is not on this machine and {host} cannot be reached ({error}). Put {', '.join(files)} into "
                f"a folder and pass it as --manual-dir. {OFFLINE}."
            ) from error


def _copy(source: Any, sink: Any, size: int, origin: str) -> None:
    """Unpack a file of known size; what is not the original may be endless."""
    try:
        for _ in range(0, size + 1, 1 << 20):
            sink.write(source.read(1 << 20))
        if source.read(1):
            raise ValueError(f"over {size:,} bytes")
    except (ValueError, EOFError, OSError, zlib.error) as error:
        raise InputError(f"{origin} is not the original ({error}); fetch it again.") from error


def _unpacked(name: str, folder: Path, files: dict[str, int], stack: ExitStack) -> Path:
    """The folder, or a temporary copy of it with its `.gz` files unpacked where TFDS needs that."""
    missing = [file for file in files if not (folder / file).is_file()]
    packed = [file for file in missing if (folder / f"{file}.gz").is_file()]
    if lacking := [file for file in missing if file not in packed]:
        raise InputError(f"--manual-dir {folder} lacks {', '.join(lacking)} of {name}; put the original files there.")
    if not packed:
        return folder
    target = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    for file in files:
        if file in packed:
            with gzip.open(folder / f"{file}.gz") as source, (target / file).open("wb") as sink:
                _copy(source, sink, files[file], f"{folder / file}.gz")
        else:
            (target / file).symlink_to((folder / file).resolve())
    return target


@contextmanager
def _alone(builder: Any) -> Iterator[None]:
    """Hold the lock of a data set, so that it is prepared once; wait for another process that prepares it."""
    folder = Path(builder.data_dir)
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"{builder.name} is being prepared by another process; waiting for it.", file=sys.stderr)
            lock.acquire()
    except OSError as error:
        raise InputError(
            f"{builder.name} could not be prepared in {folder} ({error.strerror or error}); set TFDS_DATA_DIR to a "
            "folder that can be written."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _is_stacked(builder: Any) -> bool:
    """Whether all arrays of a data set are there."""
    paths = [path for name in builder.info.splits for path in _paths(builder, name).values()]
    return bool(paths) and all(path.is_file() for path in paths)


def _paths(builder: Any, part: str) -> dict[str, Path]:
    """Field -> the file of its array, for one part of the set."""
    names, _ = FACTORS.get(builder.name, ((), ""))
    wanted = ("image", "label", *(f"label_{name}" for name in names))
    return {field: _path(builder, part, field) for field in wanted if field in builder.info.features}


def _stack(builder: Any, part: str) -> None:
    """Write one part of the set as `.npy` files."""
    from tqdm import tqdm

    paths = _paths(builder, part)
    if all(path.is_file() for path in paths.values()):
        return
    source = builder.as_data_source(split=part)
    with ExitStack() as stack:
        arrays: dict[str, np.ndarray] = {}
        for i, record in enumerate(tqdm(source, desc=f"reading {builder.name} {part}", unit="image", leave=False)):
            for field, path in paths.items():
                value = np.asarray(record[field])
                if field not in arrays:
                    arrays[field] = stack.enter_context(_written_whole(path, (len(source), *value.shape), value.dtype))
                arrays[field][i] = value
        x = arrays["image"]
        if x.dtype == np.uint8 and x.max() == 1:  # binary images stored as 0 and 1
            np.multiply(x, np.uint8(255), out=x)


def _read(builder: Any, part: str) -> Examples:
    """One part of the set as memory-mapped arrays."""
    paths, (_, label) = _paths(builder, part), FACTORS.get(builder.name, ((), ""))
    arrays = {field: np.load(path, mmap_mode="r", allow_pickle=False) for field, path in paths.items()}
    return checked(arrays["image"], arrays.get("label", arrays.get(f"label_{label}")), builder.name)


def _path(builder: Any, part: str, field: str) -> Path:
    return Path(builder.data_dir) / f"whole-{part}-{field}.npy"


@contextmanager
def _written_whole(path: Path, shape: tuple[int, ...], dtype: Any) -> Iterator[np.ndarray]:
    """A new `.npy` file as a memory-mapped array; renamed at the end, so that a reader never sees half a file."""
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npy", delete=False) as file:
        pass
    array = np.lib.format.open_memmap(file.name, mode="w+", dtype=dtype, shape=shape)
    try:
        yield array
    except BaseException:
        os.unlink(file.name)
        raise
    array.flush()
    os.replace(file.name, path)
