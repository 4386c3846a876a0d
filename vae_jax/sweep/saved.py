"""A population in a file: NumPy's own format, written whole or not at all.

Each process of several saves what is its own, when it has it; Orbax's managers expect all processes to save one thing
together. The archive keeps a checksum of each array, so a flipped bit is an error and no wrong model.
"""

import os
import zipfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vae_jax.errors import InputError


def save(path: Path, tree: Any) -> None:
    """Write the arrays of a tree, replacing what was there.

    Raises:
      OSError: the disk is full or cannot be written; what was there is left as it was.
    """
    aside = path.with_name(path.name + ".part")
    try:
        with aside.open("wb") as file:
            np.savez(file, **_named(tree))
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def restore(path: Path, template: Any) -> Any:
    """The tree that was saved, laid out like the template, whose leaves have `shape` and `dtype`.

    Raises:
      InputError: the file cannot be read, is damaged, or holds other arrays than the template.
    """
    wanted = _named(template)
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read ({error}); delete it, and its models are trained anew.") from error
    layout = {name: (leaf.shape, np.dtype(leaf.dtype)) for name, leaf in wanted.items()}
    if {name: (array.shape, array.dtype) for name, array in found.items()} != layout:
        raise InputError(f"{path} holds arrays of other names, shapes or types than expected; choose another --out.")
    return jax.tree.unflatten(jax.tree.structure(template), [found[name] for name in wanted])


def _named(tree: Any) -> dict[str, Any]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}
