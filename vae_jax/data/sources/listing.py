"""What is in a folder of images, told by names alone: the files, their classes, and the parts that they belong to."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from vae_jax.data.sources.pictures import suffixes
from vae_jax.data.whole import NAMES
from vae_jax.errors import InputError


class ImageFolder(NamedTuple):
    """The images of a folder, and a fingerprint of their state.

    Attributes:
      path: the folder.
      files: the images, by their paths relative to the folder, in order.
      labels: the names of the subfolders that hold them, in order; empty if some image is in none.
      fingerprint: SHA-256 of the names of the files, and of the size, times, device and inode of each.
      in_parts: whether the outer subfolders are parts, as in train/cat, val/cat and test/cat.
      left_out: what is in the folder and not among the files, in words.
      unread: subfolders that could not be read, with the reason.
    """

    path: Path
    files: list[str]
    labels: list[str]
    fingerprint: str
    in_parts: bool = False
    left_out: tuple[str, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()

    def label(self, file: str) -> str:
        """The subfolder that names the class of a file."""
        return file.split("/")[int(self.in_parts)]


def images_of(path: Path) -> ImageFolder:
    """What is in a folder, without opening the files.

    Raises:
      InputError: no images.
    """
    known, found, digest = suffixes(), [], hashlib.sha256()
    runs, links, hidden, unread, others = [], [], [], [], Counter()

    def relative(full: str) -> str:
        return os.path.relpath(full, path)

    def failed(error: OSError) -> None:
        unread.append((relative(str(error.filename)), error.strerror or str(error)))

    for root, folders, names in os.walk(path, onerror=failed):
        if "config.json" in names and ("checkpoints" in folders or "metrics.jsonl" in names):
            runs.append(relative(root))
            folders.clear()
            continue
        hidden += [relative(os.path.join(root, name)) for name in folders if name.startswith(".")]
        folders[:] = [folder for folder in folders if not folder.startswith(".")]
        links += [relative(os.path.join(root, name)) for name in folders if os.path.islink(os.path.join(root, name))]
        for name in names:
            suffix = Path(name).suffix.lower()
            if suffix in known and not name.startswith("."):
                found.append((Path(root) / name).relative_to(path).as_posix())
            elif not name.startswith("."):
                others[suffix or name] += 1
    left_out = [f"{run}, a folder of results of vae_jax" for run in sorted(runs)]
    left_out += [f"{link}, a link to a folder (give the folder itself)" for link in sorted(links)]
    left_out += [f"{folder}, a hidden folder" for folder in sorted(hidden)]
    if others:
        count, kinds = sum(others.values()), ", ".join(sorted(others)[:5])
        left_out.append(f"{count:,} file{'s' * (count > 1)} of other kinds ({kinds})")
    if not found:
        why = f" ({unread[0][0]} cannot be read: {unread[0][1]})" if unread else ""
        raise InputError(
            f"{path} holds no images{why}; expected .png, .jpg or another common format, in it or its "
            f"subfolders.{' Left out: ' + ', '.join(left_out) + '.' if left_out else ''}"
        )
    found.sort()
    for file in found:
        try:
            status = (path / file).stat()
            seen = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev, status.st_ino)
        except OSError as error:  # a dangling link; reading it will report it as broken
            seen = (str(error),)
        digest.update(repr((file, *seen)).encode())
    in_parts = _in_parts(path, found)
    deep = 2 if in_parts else 1
    outside = [file for file in found if file.count("/") < deep]
    labels = [] if outside else sorted({file.split("/")[deep - 1] for file in found})
    if 0 < len(outside) < len(found):
        count = f"{len(outside):,} image{'s' * (len(outside) > 1)}"
        left_out.append(f"the labels, since {count} ({outside[0]}) are in no class's folder")
    return ImageFolder(path, found, labels, digest.hexdigest(), in_parts, tuple(left_out), tuple(unread))


def part_of(file: str) -> str:
    """The part that a file of a folder in parts belongs to: train, validation or test."""
    return NAMES[_top(file)]


def _in_parts(path: Path, files: Sequence[str]) -> bool:
    """Whether the outer folders are parts.

    Raises:
      InputError: some are and others are not, or parts lie where they would be taken for classes: images to test on
        would be trained on without a word.
    """
    tops = {_top(file) for file in files if "/" in file}
    parts = {NAMES[top] for top in tops & NAMES.keys()}
    if len(parts) > 1 and "train" not in parts and tops <= NAMES.keys():
        raise InputError(f"{path} holds {_listed(tops)}, which are parts of a data set, and no folder called train.")
    if "train" in parts and (len(parts) > 1 or tops <= NAMES.keys()):
        beside = sorted({file.partition("/")[0] for file in files if "/" not in file or _top(file) not in NAMES})
        if beside:
            raise InputError(
                f"{path} holds {_listed(tops & NAMES.keys())}, which are parts of a data set, and beside them "
                f"{_listed(beside)}; expected parts alone, or classes alone. Move one or the other elsewhere."
            )
        return True
    for top in sorted({file.partition("/")[0] for file in files if file.count("/") > 1}):
        below = {_top(file.partition("/")[2]) for file in files if file.startswith(f"{top}/") and file.count("/") > 1}
        found = {NAMES[name] for name in below & NAMES.keys()}
        if "train" in found and len(found) > 1:
            remedy = f"give {path / top}" if len(tops) == 1 else f"expected train/{top} in place of {top}/train"
            raise InputError(f"{path / top} holds {_listed(below & NAMES.keys())}, parts of a data set; {remedy}.")
    return False


def _listed(names: Iterable[str]) -> str:
    first = sorted(names)
    return ", ".join(first[:5]) + (f" and {len(first) - 5} more" if len(first) > 5 else "")


def _top(file: str) -> str:
    return file.partition("/")[0].lower()
