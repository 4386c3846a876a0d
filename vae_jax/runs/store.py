"""Checkpoints with Orbax: one store for a run and for a sweep, in one process or in many.

What is saved is the state of a whole population, leaves `[n, …]`: on the host where one process holds it, else as
global arrays, which all processes save together and any number of devices restores. Orbax restores a flipped bit
silently, so each checkpoint has the SHA-256 of its files next to it, and one that does not verify is skipped.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vae_jax.errors import InputError
from vae_jax.runs import hosts
from vae_jax.writing import write_json

KEPT = 2  # how many of the newest checkpoints stay on disk


class Store:
    """The checkpoints of members that are trained together: `save`, `restore`, `verify`.

    Args:
      folder: theirs alone; created on the first save.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def steps(self) -> list[int]:
        """Epochs of the complete checkpoints, oldest first."""
        return sorted(
            int(path.stem)
            for path in self.folder.glob("*.json")
            if path.stem.isdigit() and path.with_suffix("").is_dir()
        )

    def save(self, epoch: int, tree: Any) -> None:
        """Write a tree of arrays; returns once it is complete on disk, its checksums last.

        Raises:
          InputError: it could not be written; older checkpoints stay.
        """
        from orbax.checkpoint import v1 as ocp

        path = self.folder / str(epoch)
        try:
            if hosts.is_first():
                self.folder.mkdir(parents=True, exist_ok=True)
            hosts.wait(f"before saving epoch {epoch}")
            ocp.save(str(path.resolve()), _named(tree), overwrite=True)
            if hosts.is_first():
                write_json(self.folder / f"{epoch}.json", {"files": _sums(path)}, indent=1)
                self._drop_old(epoch)
        except OSError as error:
            raise InputError(
                f"the checkpoint of epoch {epoch} could not be written to {self.folder}: {error}."
            ) from error
        hosts.wait(f"after saving epoch {epoch}")

    def restore(self, template: Any, *, count: int) -> tuple[int, Any] | None:
        """`(epoch, tree)` of the newest checkpoint that verifies, on the host; None without one.

        Args:
          template: shapes and dtypes of one member's leaves, in the tree's own structure.
          count: how many members; restored leaves are `[count, …]`.

        Raises:
          InputError: it holds arrays of other names, shapes or dtypes.
        """
        for epoch in reversed(self.steps()):
            damaged = self.verify(epoch)
            if not hosts.agree(len(damaged)):
                return epoch, self._load(epoch, template, count)
            print(
                f"the checkpoint of epoch {epoch} in {self.folder} is damaged ({', '.join(damaged)}): going back to "
                "the one before it.",
                file=sys.stderr,
            )
        return None

    def verify(self, epoch: int) -> list[str]:
        """The files of a checkpoint that are missing or not as they were written; empty if all is well."""
        wanted = self._recorded(epoch)
        if wanted is None:
            return [f"{epoch}.json"]
        present = _sums(self.folder / str(epoch))
        return sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))

    def _recorded(self, epoch: int) -> dict[str, str] | None:
        try:
            return dict(json.loads((self.folder / f"{epoch}.json").read_text())["files"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _load(self, epoch: int, template: Any, count: int) -> Any:
        from orbax.checkpoint import v1 as ocp

        path = str((self.folder / str(epoch)).resolve())
        wanted = _named(template)
        saved: Mapping[str, Any] = ocp.metadata(path).metadata
        other = sorted(saved.keys() ^ wanted.keys())
        other += [n for n in wanted if n in saved and not _fits(saved[n], wanted[n], count)]
        if other:
            raise InputError(
                f"{self.folder} holds the checkpoint of another model: {len(other)} arrays differ, such as {other[0]}. "
                "Choose another --out, or match its configuration."
            )
        layout = {name: np.empty(leaf.shape, leaf.dtype) for name, leaf in saved.items()}
        arrays = ocp.load(path, layout)
        leaves = [np.asarray(arrays[name])[:count] for name in wanted]
        return jax.tree.unflatten(jax.tree.structure(template), leaves)

    def clean_up(self) -> None:
        """Delete what an interrupted save has left: folders that are not complete checkpoints."""
        whole = {str(epoch) for epoch in self.steps()}
        for path in self.folder.iterdir() if hosts.is_first() and self.folder.is_dir() else ():
            if path.is_dir() and path.name not in whole:
                shutil.rmtree(path, ignore_errors=True)

    def _drop_old(self, saved: int) -> None:
        """Keep the newest; what is numbered beyond the one just saved did not verify when training went on."""
        earlier = [epoch for epoch in self.steps() if epoch <= saved][-KEPT:]
        for epoch in self.steps():
            if epoch not in earlier:
                (self.folder / f"{epoch}.json").unlink()
                shutil.rmtree(self.folder / str(epoch), ignore_errors=True)


def _fits(saved: Any, one: Any, count: int) -> bool:
    """Whether a saved array is at least `count` of one member's arrays, stacked."""
    return (
        tuple(saved.shape[1:]) == tuple(one.shape)
        and saved.shape[0] >= count
        and np.dtype(saved.dtype) == np.dtype(one.dtype)
    )


def _named(tree: Any) -> dict[str, Any]:
    """The leaves by their path: what Orbax stores, whatever the classes of the tree."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _sums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file under a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
