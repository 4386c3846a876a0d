"""A folder of images as a data set: cropped and resized once, and kept as one checksummed array."""

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
from vae_jax.data.dataset import checked
from vae_jax.data.sources.listing import ImageFolder, images_of, part_of
from vae_jax.data.sources.pictures import pixels, shape_of
from vae_jax.data.whole import Whole
from vae_jax.errors import InputError, first_line
from vae_jax.progress import bar

READER = 3  # version of the kept arrays; raise it when they are made differently
AHEAD = 64  # images read at a time
FEWEST = 8  # levels that 16-bit images must keep when they become 8-bit ones


class Broken(NamedTuple):
    """Stands in for a file that could not be read.

    Attributes:
      reason: the first line of the error.
    """

    reason: str


def read_folder(path: Path, *, size: int | None = None, skip_broken: bool = False) -> Whole:
    """The images of a folder and its subfolders, whose names become labels; called by their paths.

    Subfolders named train, val (or valid, validation, dev) and test are those parts, and their subfolders are the
    labels. Folders of runs are passed over.

    Any common format of images will do; see `pictures.FORMATS`. Each image is rotated as its EXIF says, cropped to its
    central square and resized to `size`. If all images are grey they stay grey, else all become RGB. 16 bits become 8,
    transparent parts become white, and of an animation the first frame is taken.

    The array is kept in the cache folder, verified against its checksum when it is read again, and rebuilt if a file
    was added, removed or changed.

    Args:
      path: the folder. Labels are its subfolders, in alphabetical order, if no image lies outside them. Links to
        folders are not followed.
      size: side length in pixels; None for images that all have one shape, which are not cropped.
      skip_broken: leave out files and subfolders that cannot be read, and say which.

    Raises:
      InputError: no images, too few of them, several shapes without `size`, or a file that cannot be read.
    """
    folder = images_of(path)
    if folder.unread and not skip_broken:
        unread, reason = folder.unread[0]
        raise InputError(f"{path / unread} cannot be read ({reason}); mend that, or pass `skip_broken`.")
    if words := [*folder.left_out, *(f"{unread} ({reason})" for unread, reason in folder.unread)]:
        print(f"{path}: left out {', '.join(words)}.", file=sys.stderr)
    of = (READER, str(path.resolve()), folder.fingerprint, size, skip_broken)
    arrays, about = kept_arrays(of, partial(_make, folder, size=size, skip_broken=skip_broken))
    if skipped := about["skipped"]:
        more = f" and {len(skipped) - 3} more" if len(skipped) > 3 else ""
        left = f"{len(skipped)} broken file{'s are' if len(skipped) > 1 else ' is'} left out"
        print(f"{path}: {left}, {', '.join(skipped[:3])}{more}.", file=sys.stderr)
        _expect_parts(folder, skipped)
    examples = checked(arrays["x"], arrays.get("y"), str(path))
    files = _without(folder.files, skipped)
    parts = [part_of(file) for file in files] if folder.in_parts else None
    return Whole(str(path), examples, np.array(files), parts, tuple(folder.labels))


def _expect_parts(folder: ImageFolder, skipped: Sequence[str]) -> None:
    """Check that some image of each part and class can be read.

    Raises:
      InputError: a part or a class of which all files are broken.
    """
    good = _without(folder.files, skipped)
    named = [("part", part_of)] * folder.in_parts + [("class", folder.label)] * bool(folder.labels)
    for what, name_of in named:
        if gone := sorted({name_of(file) for file in folder.files} - {name_of(file) for file in good}):
            raise InputError(f"{folder.path}: no image of the {what} {gone[0]} can be read; mend or remove its folder.")


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
        top = max(one.top for one in shapes.values())
        if 256 <= top < FEWEST << 8:
            raise InputError(
                f"{folder.path}: its 16-bit images go up to {top}, of which {(top >> 8) + 1} levels of 8 bits would be "
                "left; scale them to 0..65,535."
            )
        decode = partial(pixels, size=size, channels=channels, top=top)
        good: list[str] = []
        whole = (len(shapes), *((size, size) if size else shape), channels)
        with atomic_array(kept / "x.npy", whole, np.uint8) as array:
            for file, image in _read(folder, list(shapes), decode, pool, "reading", skip_broken):
                if image.shape != whole[1:]:
                    raise InputError(f"{folder.path / file} changed while it was read; run the command again.")
                array[len(good)] = image
                good.append(file)
            if images_of(folder.path).fingerprint != folder.fingerprint:
                raise InputError(f"{folder.path} changed while it was read; run the command again.")
    count = dict.fromkeys(["x", "y"] if folder.labels else ["x"], len(good))
    if folder.labels:
        places = {label: index for index, label in enumerate(folder.labels)}
        write_array(kept / "y.npy", np.array([places[folder.label(file)] for file in good], np.int32))
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


def _without(files: Sequence[str], good: Sequence[str]) -> list[str]:
    kept = set(good)
    return [file for file in files if file not in kept]
