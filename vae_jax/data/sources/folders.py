"""A folder of images as a data set: cropped and resized once, and kept as one checksummed array."""

import hashlib
import os
import stat
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vae_jax.data.cache.arrays import atomic_array
from vae_jax.data.cache.kept import kept_arrays, write_array
from vae_jax.data.dataset import Dataset, checked, split
from vae_jax.data.sources.pictures import pixels, shape_of
from vae_jax.errors import InputError, first_line
from vae_jax.progress import bar

READER = 2  # version of the kept arrays; raise it when they are made differently
AHEAD = 64  # images read at a time


class ImageFolder(NamedTuple):
    """The images of a folder, and a fingerprint of their state.

    Attributes:
      path: the folder.
      files: the images, by their paths relative to the folder, in order.
      labels: the names of the subfolders that hold them, in order; empty if some image is in none.
      fingerprint: SHA-256 of the names of the files, and of the size, times, device and inode of each.
    """

    path: Path
    files: list[str]
    labels: list[str]
    fingerprint: str


class Broken(NamedTuple):
    """Stands in for a file that could not be read.

    Attributes:
      reason: the first line of the error.
    """

    reason: str


def load_folder(path: Path, *, size: int | None = None, skip_broken: bool = False) -> Dataset:
    """The images of a folder and its subfolders, whose names become labels; 80 % train, 10 % validation, 10 % test.

    Any format that Pillow reads will do. Each image is rotated as its EXIF says, cropped to its central square and
    resized to `size`. If all images are grey they stay grey, else all become RGB. 16 bits become 8, transparent parts
    become white, and of an animation the first frame is taken.

    The array is kept in the cache folder, verified against its checksum when it is read again, and rebuilt if a file
    was added, removed or changed.

    Args:
      path: the folder. Labels are its subfolders, in alphabetical order, if no image lies outside them.
      size: side length in pixels; None for images that all have one shape, which are not cropped.
      skip_broken: leave out files that cannot be read, and say which.

    Raises:
      InputError: no images, too few of them, several shapes without `size`, or a file that cannot be read.
    """
    folder = images_of(path)
    of = (READER, str(path.resolve()), folder.fingerprint, size, skip_broken)
    arrays, about = kept_arrays(of, partial(_make, folder, size=size, skip_broken=skip_broken))
    if skipped := about["skipped"]:
        more = f" and {len(skipped) - 3} more" if len(skipped) > 3 else ""
        left = f"{len(skipped)} broken file{'s are' if len(skipped) > 1 else ' is'} left out"
        print(f"{path}: {left}, {', '.join(skipped[:3])}{more}.", file=sys.stderr)
    dataset = split(str(path), checked(arrays["x"], arrays.get("y"), str(path)), validation=0.1, test=0.1)
    return dataset._replace(class_names=tuple(folder.labels))


def images_of(path: Path) -> ImageFolder:
    """What is in a folder, without opening the files.

    Raises:
      InputError: no images.
    """
    from PIL import Image

    suffixes, found, digest = set(Image.registered_extensions()), [], hashlib.sha256()
    for root, folders, names in os.walk(path):
        folders[:] = [folder for folder in folders if not folder.startswith(".")]
        files = [name for name in names if not name.startswith(".") and Path(name).suffix.lower() in suffixes]
        found += [(Path(root) / name).relative_to(path).as_posix() for name in files]
    if not found:
        raise InputError(
            f"{path} holds no images; expected .png, .jpg or another format that Pillow reads, in it or its subfolders."
        )
    found.sort()
    for file in found:
        try:
            status = (path / file).stat()
            seen = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev, status.st_ino)
        except OSError as error:  # a dangling link; reading it will report it as broken
            seen = (str(error),)
        digest.update(repr((file, *seen)).encode())
    inside = all("/" in file for file in found)
    return ImageFolder(path, found, sorted({_label(file) for file in found}) if inside else [], digest.hexdigest())


def _make(folder: ImageFolder, kept: Path, *, size: int | None, skip_broken: bool) -> dict[str, Any]:
    """Read every file and write the arrays, in two passes: the first finds the shape that the second needs."""
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 16)) as pool:
        shapes = dict(_read(folder, folder.files, shape_of, pool, "looking at", skip_broken))
        if not shapes:
            raise InputError(f"{folder.path}: none of its {len(folder.files)} images can be read.")
        sizes = Counter((shape.height, shape.width) for shape in shapes.values())
        (shape, _), *others = sizes.most_common()
        if size is None and others:
            raise InputError(
                f"{folder.path} holds images of {len(sizes)} sizes, mostly {shape[0]}×{shape[1]}; expected one. Pass "
                "`size=64` to crop and resize them all."
            )
        channels = 1 if all(one.grey for one in shapes.values()) else 3
        decode = partial(pixels, size=size, channels=channels, top=max(one.top for one in shapes.values()))
        good: list[str] = []
        whole = (len(shapes), *((size, size) if size else shape), channels)
        with atomic_array(kept / "x.npy", whole, np.uint8) as array:
            for file, image in _read(folder, list(shapes), decode, pool, "reading", skip_broken):
                if image.shape != whole[1:]:
                    raise InputError(f"{folder.path / file} changed while it was read; run the command again.")
                array[len(good)] = image
                good.append(file)
            if images_of(folder.path) != folder:
                raise InputError(f"{folder.path} changed while it was read; run the command again.")
    count = dict.fromkeys(["x", "y"] if folder.labels else ["x"], len(good))
    if folder.labels:
        places = {label: index for index, label in enumerate(folder.labels)}
        write_array(kept / "y.npy", np.array([places[_label(file)] for file in good], np.int32))
    return {"of": str(folder.path), "rows": count, "labels": folder.labels, "skipped": _without(folder.files, good)}


def _read(
    folder: ImageFolder, files: Sequence[str], function: Any, pool: ThreadPoolExecutor, doing: str, skip: bool
) -> Iterator[tuple[str, Any]]:
    """`function` of each file that can be read, in order."""

    def one(file: str) -> Any:
        path = folder.path / file
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise OSError("no regular file")
            return function(path)
        except (Exception, MemoryError) as error:  # every format has its own errors
            return Broken(first_line(error, 100))

    waiting = iter(files)
    with bar(total=len(files), desc=f"{doing} {folder.path.name}", unit="image", leave=False) as words:
        while part := list(islice(waiting, AHEAD)):
            for file, result in zip(part, pool.map(one, part), strict=True):
                words.update()
                if not isinstance(result, Broken):
                    yield file, result
                elif not skip:
                    raise InputError(
                        f"{folder.path / file} cannot be read ({result.reason}); replace it, or pass `skip_broken`."
                    )


def _label(file: str) -> str:
    return file.partition("/")[0]


def _without(files: Sequence[str], good: Sequence[str]) -> list[str]:
    kept = set(good)
    return [file for file in files if file not in kept]
