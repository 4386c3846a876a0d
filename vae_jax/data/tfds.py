"""Data sets of tensorflow-datasets: fetched and checked by TFDS, stacked once into memory-mapped `.npy` files."""

import gzip
import os
import socket
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from filelock import FileLock, Timeout

from vae_jax.caching import cache_folder
from vae_jax.data.arrays import written_whole
from vae_jax.data.pictures import as_array
from vae_jax.data.table import DATASETS, Dataset, Examples, Factors, checked, dealt, known_labels
from vae_jax.errors import InputError, first_line, nearest
from vae_jax.progress import bar

# Sets whose images are all combinations of known factors: the factors, and which of them is the label.
FACTORS = {
    "dsprites": (("shape", "scale", "orientation", "x_position", "y_position"), "shape"),
    "shapes3d": (("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"), "shape"),
    "smallnorb": (("category", "elevation", "azimuth", "lighting"), "category"),  # with 10 toys in every category
}
ASIDE = {"dsprites": ("shape",)}  # what the published MIG of Chen et al. leaves out
OFFLINE = "Offline, --data digits works, and so does an .npz file of your own"


def load_named(name: str, manual_dir: Path | None, *, size: int | None = None) -> Dataset:
    """Any image data set of TFDS; the stock builders read with TensorFlow, the `[tensorflow]` extra.

    Args:
      name: as TFDS has it, `name/config:version`, the latter two if need be. What is prepared already, in either file
        format, is not downloaded again.
      manual_dir: a folder with the original files, in place of a download.
      size: crop each image to the square in its middle and resize it to so many pixels a side, as it is read.

    Raises:
      InputError: no such data set, TensorFlow missing, or no images in it.
    """
    import tensorflow_datasets as tfds

    builders = tfds.list_builders(with_community_datasets=False)
    if name.partition("/")[0].partition(":")[0] not in builders:
        close = nearest(name, [*DATASETS, *builders]).partition("Choose")[0]
        known = ", ".join(DATASETS)
        raise InputError(
            f"no data set {name!r}; {close}Choose from: {known}, an image data set of TFDS, hf:NAME, a folder of "
            "images, or an .npz or .npy file."
        )
    try:
        import tensorflow  # noqa: F401  # pyright: ignore[reportMissingImports, reportMissingModuleSource]
    except ImportError:
        raise InputError(
            f"TFDS reads {name!r} with TensorFlow, which is not installed; pip install 'vae-jax[tensorflow]'. "
            f"Without it: {', '.join(DATASETS)}, a folder of images, or an .npz or .npy file."
        ) from None
    return load_builder(partial(_stock, name), manual_dir, size=size)


def _stock(name: str) -> Any:
    """TFDS's own builder.

    Raises:
      InputError: no such configuration or version.
    """
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name)
    except Exception as error:  # of TFDS's own kinds and others
        raise InputError(f"TFDS has no {name}: {' '.join(str(error).split())[:300]}") from error


def load_builder(make: Callable[[], Any], manual_dir: Path | None, *, size: int | None = None) -> Dataset:
    """Prepare with TFDS (unless already prepared), stack, and split where TFDS has no validation or test part.

    Args:
      make: makes a TFDS builder with a feature of images, and perhaps one of labels.
      manual_dir: a folder with the original files, in place of a download. Checksums are verified either way.
      size: of a side in pixels, of which images are stacked; None for images that are all of one shape.

    Raises:
      InputError: the files are missing, damaged, or cannot be fetched; or there are no images in the data set.
    """
    builder = make()
    fields = _fields(builder)
    if not _is_stacked(builder, fields, size):
        with _alone(builder):
            builder = make()  # another process may have prepared it by now
            if not builder.info.splits:
                _prepare(builder, manual_dir)
            for name in _splits(builder):
                _stack(builder, name, fields, size)
    parts = {name: _read(builder, name, fields, size) for name in _splits(builder)}
    factors = known_factors(builder, list(parts.values())) if builder.name in FACTORS else None
    if "train" not in parts:
        first, *others = parts
        if others:
            raise InputError(f"data set {builder.name!r} has the parts {', '.join(parts)}; expected one named train.")
        parts["train"] = parts.pop(first)
    return dealt(builder.name, parts)._replace(factors=factors)


def _splits(builder: Any) -> list[str]:
    """The parts of a prepared set; one that does not say has one to train on."""
    return list(builder.info.splits) or ["train"]


def _fields(builder: Any) -> dict[str, str]:
    """What is stacked -> the feature that holds it: images, labels, factors.

    Raises:
      InputError: no images.
    """
    import tensorflow_datasets as tfds

    features = builder.info.features
    named = dict(features.items()) if hasattr(features, "items") else {}
    images = [name for name, kind in named.items() if isinstance(kind, tfds.features.Image)]
    if not images:
        raise InputError(f"data set {builder.name!r} has no feature of images; expected an image data set.")
    labels = [name for name, kind in named.items() if isinstance(kind, tfds.features.ClassLabel)]
    fields = {"image": "image" if "image" in images else images[0]}
    factors, _ = FACTORS.get(builder.name, ((), ""))
    if labels and not factors:
        fields["label"] = "label" if "label" in labels else labels[0]
    return fields | {f"label_{name}": f"label_{name}" for name in factors}


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
        np.concatenate([np.load(_path(builder, part, f"label_{name}", None)) for part in builder.info.splits])
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
            where = f"{builder.name} could not be prepared in {builder.data_dir}"
            raise InputError(f"{where}: {first_line(error)}") from error


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


def _is_stacked(builder: Any, fields: Mapping[str, str], size: int | None) -> bool:
    """Whether all arrays of a data set are there."""
    paths = [_path(builder, part, field, size) for part in builder.info.splits for field in fields]
    return bool(paths) and all(path.is_file() for path in paths)


def _stack(builder: Any, part: str, fields: Mapping[str, str], size: int | None) -> None:
    """Write one part of the set as `.npy` files."""
    paths = {field: _path(builder, part, field, size) for field in fields}
    if all(path.is_file() for path in paths.values()):
        return
    _folder(builder).mkdir(parents=True, exist_ok=True)
    source = _records(builder, part)
    with ExitStack() as stack:
        arrays: dict[str, np.ndarray] = {}
        words = bar(source, desc=f"reading {builder.name} {part}", unit="image", leave=False)
        for i, record in enumerate(words):
            for field, path in paths.items():
                value = np.asarray(record[fields[field]])
                if field == "image":
                    value = _sized(value, size, builder.name)
                if field not in arrays:
                    arrays[field] = stack.enter_context(written_whole(path, (len(source), *value.shape), value.dtype))
                if value.shape != arrays[field].shape[1:]:
                    raise InputError(f"{builder.name} holds images of several sizes; expected one. Pass --size 64.")
                arrays[field][i] = value
        if not arrays:
            raise InputError(f"the part {part} of {builder.name} is empty; expected images.")
        x = arrays["image"]
        if x.dtype == np.uint8 and x.max() == 1:  # binary images stored as 0 and 1
            np.multiply(x, np.uint8(255), out=x)


def _records(builder: Any, part: str) -> Any:
    """The records of a part, in order, with their number: with TensorFlow where the files are its own."""
    import tensorflow_datasets as tfds

    if builder.info.file_format is tfds.core.FileFormat.ARRAY_RECORD:
        return builder.as_data_source(split=part)
    config = tfds.ReadConfig(interleave_cycle_length=1)  # the order of the files
    return tfds.as_numpy(builder.as_dataset(split=part, shuffle_files=False, read_config=config))


def _sized(image: np.ndarray, size: int | None, name: str) -> np.ndarray:
    """An image as it is stacked: `[height, width, channels]`, of 16 bits the upper 8."""
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if size is None:
        return image
    if image.ndim != 3 or image.dtype != np.uint8 or image.shape[-1] not in (1, 3, 4):
        raise InputError(
            f"--size {size}: {name} holds images {list(image.shape)} of {image.dtype}, which are not resized."
        )
    from PIL import Image

    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    return as_array(picture, size=size, channels=1 if image.shape[-1] == 1 else 3)


def _read(builder: Any, part: str, fields: Mapping[str, str], size: int | None) -> Examples:
    """One part of the set as memory-mapped arrays."""
    _, label = FACTORS.get(builder.name, ((), ""))
    paths = {field: _path(builder, part, field, size) for field in fields}
    arrays = {field: np.load(path, mmap_mode="r", allow_pickle=False) for field, path in paths.items()}
    y = arrays.get("label", arrays.get(f"label_{label}"))
    return checked(arrays["image"], known_labels(y), builder.name)


def _path(builder: Any, part: str, field: str, size: int | None) -> Path:
    sized = f"-{size}" if size and field == "image" else ""
    return _folder(builder) / f"whole-{part}-{field}{sized}.npy"


def _folder(builder: Any) -> Path:
    """Where arrays are kept: beside the records; in the cache folder where those are others' to write."""
    folder = Path(builder.data_dir)
    if not folder.exists() or os.access(folder, os.W_OK):
        return folder
    return cache_folder("images", "tfds", builder.info.full_name)
