"""Data sets of tensorflow-datasets by name: fetched, checked and prepared by TFDS."""

import gzip
import os
import socket
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from vae_jax.data.dataset import DATASETS, Dataset, dealt
from vae_jax.data.sources.tfds_arrays import FACTORS, fields_of, known_factors, read, splits_of, stacked
from vae_jax.errors import InputError, first_line, nearest

OFFLINE = "Offline, the set digits works, and so does an .npz file of your own"


def load_named(name: str, manual_dir: Path | None, *, size: int | None = None) -> Dataset:
    """Any image data set of TFDS; the stock builders read with TensorFlow, the `[tensorflow]` extra.

    Args:
      name: TFDS's name, `name/config:version`, the latter two if needed. A set that is already prepared, in either file
        format, is not downloaded again.
      manual_dir: a folder with the original files, in place of a download.
      size: crop each image to its central square and resize it to this many pixels a side, as it is read.

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
    except Exception as error:  # of TFDS's own types and others
        raise InputError(f"TFDS has no {name}: {' '.join(str(error).split())[:300]}") from error


def load_builder(make: Callable[[], Any], manual_dir: Path | None, *, size: int | None = None) -> Dataset:
    """Prepare with TFDS (unless already prepared), stack, and split where TFDS has no validation or test part.

    Args:
      make: makes a TFDS builder with a feature of images, and perhaps one of labels.
      manual_dir: a folder with the original files, in place of a download. Checksums are verified either way.
      size: side length in pixels of the stacked images; None for images that all have one shape.

    Raises:
      InputError: the files are missing, damaged, or cannot be fetched; or there are no images in the data set.
    """
    builder = make()
    fields = fields_of(builder)
    if not builder.info.splits:
        with _alone(builder):
            builder = make()  # another process may have prepared it by now
            if not builder.info.splits:
                _prepare(builder, manual_dir)
    arrays = stacked(builder, size)
    parts = {name: read(builder, name, arrays) for name in splits_of(builder)}
    factors = known_factors(builder, arrays, list(parts.values())) if builder.name in FACTORS else None
    if "train" not in parts:
        first, *others = parts
        if others:
            raise InputError(f"data set {builder.name!r} has the parts {', '.join(parts)}; expected one named train.")
        parts["train"] = parts.pop(first)
    names = tuple(builder.info.features[fields["label"]].names) if "label" in fields else ()
    return dealt(builder.name, parts)._replace(factors=factors, class_names=names)


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
                f"a folder and pass it as `manual_dir`. {OFFLINE}."
            ) from error


def _copy(source: Any, sink: Any, size: int, origin: str) -> None:
    """Unpack a file of known size; one that is not the original may be endless."""
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
        raise InputError(f"`manual_dir={folder}` lacks {', '.join(lacking)} of {name}; put the original files there.")
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
