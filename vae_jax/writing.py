"""Files that are written whole or not at all, with a checksum if a changed byte must be noticed; JSON without NaN."""

import glob
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary name to write a file under; it is renamed to `path` once it is written.

    Raises:
      OSError: it could not be written; it names the file. What was there before stays, and nothing else is left.
    """
    aside = aside_of(path)
    try:
        yield aside
        os.replace(aside, path)
    except BaseException as error:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say what did not fit
        raise


def aside_of(path: Path) -> Path:
    """A name beside a path that no other process uses; what processes that have ended left under theirs is removed."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        owner = left.name.removeprefix(f"{path.name}.").removesuffix(".part")
        if owner.isdigit() and not _runs(int(owner)):
            with suppress(OSError):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    return path.with_name(f"{path.name}.{os.getpid()}.part")


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    return True


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, text as UTF-8, and flush it to disk; see `atomic`."""
    with atomic(path) as aside, aside.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Flush the entries of a folder to disk, as far as the system allows."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # folders cannot be opened on Windows
        return
    try:
        os.fsync(descriptor)
    except OSError:  # nor synchronised on some network file systems
        pass
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any, *, indent: int | None = 2) -> None:
    """Write a value as JSON, whole or not at all; see `plain`.

    Args:
      path: the file.
      value: anything that `plain` takes.
      indent: spaces of indentation; None for one line.
    """
    replace_file(path, json.dumps(plain(value), indent=indent) + "\n")


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """Write a mapping as JSON with its SHA-256, whole or not at all; `read_sealed` notices any change to the file."""
    replace_file(path, _sealed(plain(value)))


def read_sealed(path: Path) -> dict[str, Any]:
    """What `write_sealed` wrote.

    Raises:
      ValueError: the file is not byte for byte what was written.
      OSError: it cannot be read.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        value = json.loads(text)
        value.pop("sha256")
        same = _sealed(value) == text
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        same, value = False, {}
    if not same:
        raise ValueError("its checksum is not that of its content")
    return value


def _sealed(value: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(value).encode()).hexdigest()
    return json.dumps({**value, "sha256": digest}, indent=1) + "\n"


def plain(value: Any) -> Any:
    """A value in a form that JSON can hold. JSON has no NaN: what is not defined is null.

    >>> plain({"rate": float("nan"), "rates": np.ones(2)})
    {'rate': None, 'rates': [1.0, 1.0]}
    """
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
