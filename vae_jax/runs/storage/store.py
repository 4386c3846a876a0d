"""Checkpoints with Orbax: one store for a run and for a sweep, in one process or in many.

What is saved is the state of a whole population, leaves `[n, …]`: on the host if one process holds it, else as global
arrays, which all processes save together and any number of devices can restore. Orbax writes a checkpoint whole or
not at all, but restores a flipped bit silently. So a checkpoint counts only with its manifest next to it, written
last: the SHA-256 of every file, the arrays, and what they were trained on and how.
"""

import errno
import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vae_jax.errors import InputError
from vae_jax.runs.process import hosts
from vae_jax.writing import plain, read_sealed, sync_folder, write_sealed

KEPT = 2  # how many of the newest checkpoints stay on disk
TRIES = 5  # attempts to read a folder that a run is writing to
ROOM = 1_000_000  # bytes that a checkpoint takes beside its arrays, at most


class Store:
    """The checkpoints of members that are trained together: `save`, `restore`, `verify`.

    Args:
      folder: it holds nothing else; created on the first save.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def steps(self) -> list[int]:
        """Epochs of the checkpoints that have their files and their manifest, oldest first."""
        return [epoch for epoch in self._numbers() if self._files(epoch).is_dir() and self._manifest(epoch).is_file()]

    def save(self, epoch: int, tree: Any, about: Mapping[str, Any] | None = None) -> None:
        """Write a tree of arrays; returns once it is complete on disk, its manifest last.

        Args:
          epoch: names the checkpoint; one of that name is replaced.
          tree: of arrays, on the host or global.
          about: what the arrays belong to; `restore` compares it.

        Raises:
          InputError: it could not be written; older checkpoints stay, and nothing is left of this one.
        """
        from orbax.checkpoint import v1 as ocp

        arrays = _named(tree)
        try:
            if hosts.is_first():
                self.folder.mkdir(parents=True, exist_ok=True)
                self._expect_room(arrays)
                (self.folder / ".probe").write_bytes(b"")  # if it is read-only, Orbax's own message is many lines long
                (self.folder / ".probe").unlink()
                self._manifest(epoch).unlink(missing_ok=True)  # until the new one is there, this epoch has none
            hosts.wait(f"before saving epoch {epoch}")
            ocp.save(str(self._files(epoch).resolve()), arrays, overwrite=True)
            if hosts.is_first():
                content = {"files": _sums(self._files(epoch), sync=True), "arrays": _shapes(arrays), **(about or {})}
                self._expect_all(epoch, arrays)
                write_sealed(self._manifest(epoch), content)
                write_sealed(self._newest, {"epoch": epoch})
                self._drop_old(epoch)
        except Exception as error:  # on a full disk, Orbax raises ValueError
            if hosts.is_loss(error):
                raise
            self.clean_up()
            raise InputError(
                f"the checkpoint of epoch {epoch} could not be written to {self.folder} ({_reason(error)}); those "
                "before it are whole. Make room or mend the disk, and go on with --resume."
            ) from error
        hosts.wait(f"after saving epoch {epoch}")

    def restore(self, template: Any, *, count: int, about: Mapping[str, Any] | None = None) -> tuple[int, Any] | None:
        """`(epoch, tree)` of the newest checkpoint that verifies, on the host; None if there is none.

        A newer one that does not verify is named on stderr, with the epoch that is used instead.

        Args:
          template: shapes and dtypes of one member's leaves, in the tree's own structure.
          count: how many members; restored leaves are `[count, …]`.
          about: what the arrays must belong to.

        Raises:
          InputError: it belongs to something else, or holds arrays of other names, shapes or dtypes.
        """
        wrong = self._verified()
        for _ in range(TRIES):
            if jax.process_count() > 1 or wrong.keys() <= {*self._numbers(), *self._last()}:
                break
            wrong = self._verified()  # a run in progress has dropped those that were checked
        damaged = [
            f"the checkpoint of epoch {epoch} in {self.folder} is not whole ({_few(files)})"
            for epoch, files in wrong.items()
            if files
        ]
        if len(damaged) == len(wrong):
            _say(damaged, "no other is whole")
            return None
        epoch = min(wrong)
        _say(damaged, f"going back to epoch {epoch}")
        self._expect_same(epoch, about or {})
        return epoch, self._load(epoch, template, count)

    def _verified(self) -> dict[int, list[str]]:
        """Epoch -> what is wrong with its checkpoint, from the newest to the first that is whole."""
        wrong: dict[int, list[str]] = {}
        for epoch in sorted({*self._numbers(), *self._last()}, reverse=True):
            wrong[epoch] = self.verify(epoch)
            if not hosts.agree(len(wrong[epoch])):
                break
        return wrong

    def verify(self, epoch: int) -> list[str]:
        """The files of a checkpoint that are missing or not as they were written; empty if all is well."""
        wanted = self.recorded(epoch).get("files")
        if not isinstance(wanted, dict):
            return [self._manifest(epoch).name]
        present = _sums(self._files(epoch))
        return sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))

    def recorded(self, epoch: int) -> dict[str, Any]:
        """The manifest of a checkpoint; empty if it is missing or damaged."""
        try:
            return read_sealed(self._manifest(epoch))
        except (OSError, ValueError):
            return {}

    def clean_up(self, newest: int | None = None) -> None:
        """Delete what interrupted saves have left: everything but the newest checkpoints.

        Args:
          newest: the epoch that training goes on from; checkpoints beyond it are deleted too.
        """
        if hosts.is_first() and newest is not None and self._last() != [newest]:
            self._newest.unlink(missing_ok=True)
            if newest:
                write_sealed(self._newest, {"epoch": newest})
        kept = [epoch for epoch in self.steps() if newest is None or epoch <= newest][-KEPT:]
        keep = {path for epoch in kept for path in (self._files(epoch), self._manifest(epoch))}
        for path in self.folder.iterdir() if hosts.is_first() and self.folder.is_dir() else ():
            if path not in keep and path.name[0].isdecimal():  # ours, and Orbax's temporary ones
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

    @property
    def _newest(self) -> Path:
        return self.folder / "newest.json"

    def _last(self) -> list[int]:
        """The epoch that was saved last, whether it is still there or not."""
        try:
            return [int(read_sealed(self._newest)["epoch"])]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def _files(self, epoch: int) -> Path:
        return self.folder / str(epoch)

    def _manifest(self, epoch: int) -> Path:
        return self.folder / f"{epoch}.json"

    def _numbers(self) -> list[int]:
        """The epochs of everything named like a checkpoint, with or without its manifest, oldest first."""
        names = [path.name.removesuffix(".json") for path in self.folder.glob("*")]
        return sorted({int(name) for name in names if name.isdecimal()})

    def _expect_room(self, arrays: Mapping[str, Any]) -> None:
        need = sum(array.nbytes for array in arrays.values()) + ROOM
        free = shutil.disk_usage(self.folder).free
        if free < need:
            raise OSError(errno.ENOSPC, f"{free / 1e6:,.1f} MB are free, and it takes up to {need / 1e6:,.1f}")

    def _expect_all(self, epoch: int, arrays: Mapping[str, Any]) -> None:
        """Check what the folder itself says it holds: under several processes, saves have been seen to lose arrays."""
        from orbax.checkpoint import v1 as ocp

        saved: Mapping[str, Any] = ocp.metadata(str(self._files(epoch).resolve())).metadata
        if _shapes(saved) != _shapes(arrays):
            raise OSError("not all arrays are there")

    def _expect_same(self, epoch: int, about: Mapping[str, Any]) -> None:
        saved = self.recorded(epoch)
        other = [
            f"{name} was {_brief(was)}, now {_brief(now)}"
            for kind, wanted in plain(about).items()
            for name, was, now in _differences(kind, saved.get(kind), wanted)
        ]
        if other:
            raise InputError(
                f"the checkpoint of epoch {epoch} in {self.folder} is another run's: {_few(other, '; ')}. "
                "Choose another --out, or match it."
            )

    def _load(self, epoch: int, template: Any, count: int) -> Any:
        from orbax.checkpoint import v1 as ocp

        path, wanted = str(self._files(epoch).resolve()), _named(template)
        saved: Mapping[str, Any] | None = ocp.metadata(path).metadata
        if saved is None:
            raise InputError(f"{path} does not say what it holds; go on with --resume, which trains it again.")
        other = sorted(saved.keys() ^ wanted.keys())
        other += [n for n in wanted if n in saved and not _fits(saved[n], wanted[n], count)]
        if other:
            raise InputError(
                f"{self.folder} holds the checkpoint of another model: {len(other)} arrays differ, such as {other[0]}. "
                "Choose another --out, or match its configuration."
            )
        layout = {name: np.empty(leaf.shape, leaf.dtype) for name, leaf in saved.items()}
        try:
            arrays = ocp.load(path, layout)
        except Exception as error:
            raise InputError(
                f"{path} could not be read ({_reason(error)}); wait if another process is writing."
            ) from error
        leaves = [np.asarray(arrays[name])[:count] for name in wanted]
        return jax.tree.unflatten(jax.tree.structure(template), leaves)

    def _drop_old(self, saved: int) -> None:
        """Keep only the newest; those beyond the one just saved did not verify when training was resumed."""
        earlier = [epoch for epoch in self.steps() if epoch <= saved][-KEPT:]
        for epoch in self.steps():
            if epoch not in earlier:
                self._manifest(epoch).unlink()
                shutil.rmtree(self._files(epoch), ignore_errors=True)


PADDED = 4096  # rows that devices which share a population may have added, at most


def _fits(saved: Any, one: Any, count: int) -> bool:
    """Whether a saved array is at least `count` of one member's arrays, stacked."""
    return (
        tuple(saved.shape[1:]) == tuple(one.shape)
        and count <= saved.shape[0] <= count + PADDED
        and np.dtype(saved.dtype) == np.dtype(one.dtype)
    )


def _named(tree: Any) -> dict[str, Any]:
    """The leaves by their path: what Orbax stores, whatever the classes of the tree."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _shapes(arrays: Mapping[str, Any]) -> dict[str, str]:
    """Array -> dtype and shape, as in `float32[1, 64, 10]`."""
    return {name: f"{np.dtype(array.dtype)}{list(array.shape)}" for name, array in sorted(arrays.items())}


def _sums(folder: Path, *, sync: bool = False) -> dict[str, str]:
    """SHA-256 of every file under a folder; with `sync`, after making sure that they are on disk."""
    sums = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                sums[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
                if sync:
                    os.fsync(file.fileno())
        elif sync:
            sync_folder(path)
    return sums


def _differences(name: str, was: Any, now: Any) -> list[tuple[str, Any, Any]]:
    """`(name, was, now)` of what differs between two values, by their keys where both have them."""
    if isinstance(was, dict) and isinstance(now, dict):
        names = [key for key in {**now, **was} if was.get(key) != now.get(key)]
        return [(key, was.get(key), now.get(key)) for key in names]
    return [] if was == now else [(name, was, now)]


def _brief(value: Any) -> str:
    """A value in a line; only the beginning of a digest."""
    return f"{value[:12]}…" if isinstance(value, str) and len(value) == 64 else repr(value)


def _reason(error: Exception) -> str:
    """What went wrong with the disk, in a few words."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    full = os.strerror(errno.ENOSPC)
    return full if full in str(error) else str(error).partition("\n")[0][:200]


def _few(words: list[str], between: str = ", ") -> str:
    return between.join(words[:3]) + (f" and {len(words) - 3} more" if len(words) > 3 else "")


def _say(damaged: list[str], then: str) -> None:
    if damaged and hosts.is_first():
        print(f"{'; '.join(damaged)}: {then}.", file=sys.stderr)
