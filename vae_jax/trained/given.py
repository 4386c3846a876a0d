"""Examples that a trained model is given: its own data, a file, a folder, or a single image; read a batch at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vae_jax.data.columns import Columns
from vae_jax.data.dataset import Dataset
from vae_jax.data.loading import Reading, is_own, load, read
from vae_jax.data.sources import tables
from vae_jax.data.sources.pictures import pixels, suffixes
from vae_jax.data.whole import Whole
from vae_jax.errors import InputError, first_line
from vae_jax.progress import bar
from vae_jax.trained.batches import SIZES
from vae_jax.trained.model import Trained

PARTS = ("train", "validation", "test")


class Given(NamedTuple):
    """Examples in the units of the data, with what they are called.

    Attributes:
      name: where they are from.
      x: `[n, *shape]`, perhaps memory-mapped.
      ids: `[n]`.
      y: `[n]` labels as the model takes them, numbers or names; None without.
      parts: `[n]`, the part that each example of the model's own data belongs to; None for others.
      truth: `[n]`, whether each is what `truth` says; None without.
    """

    name: str
    x: Any
    ids: np.ndarray
    y: np.ndarray | None = None
    parts: np.ndarray | None = None
    truth: np.ndarray | None = None

    def batches(self, *, doing: str) -> Iterator["Given"]:
        """The examples, `SIZES[-1]` at a time, with a bar if that takes longer than two seconds."""
        n, size = len(self.x), SIZES[-1]
        with bar(total=n, desc=doing, unit="example", leave=False, delay=2) as words:
            for start in range(0, n, size):
                rows = slice(start, start + size)
                more = (None if part is None else part[rows] for part in (self.y, self.parts, self.truth))
                yield Given(self.name, self.x[rows], self.ids[rows], *more)
                words.update(min(size, n - start))


def own_data(model: Trained) -> Given:
    """All examples of the data that a model was trained on, in the order of their parts.

    Raises:
      InputError: the data are no longer where they were.
    """
    return _of_dataset(model, model.data)


def given_for(
    model: Trained,
    source: str | None,
    *,
    id: str | None = None,
    truth: str | None = None,
    skip_broken: bool = False,
) -> Given:
    """Examples for a model, by whatever `--data` takes, or an image file; by default the model's own data.

    The columns of a table are found by name; those that the model does not know are left out. Labels are read if the
    model takes them.

    Args:
      model: a trained model.
      source: a file, a folder, or the name of a data set.
      id: of a table: the column with what rows are called; by default that of the training, if it is there.
      truth: of a table: a column of yes and no; of a labelled folder: a class.
      skip_broken: leave out images that cannot be read.

    Raises:
      InputError: nothing is there, or it holds no examples of this model's kind.
    """
    if source is None:
        if truth is not None:
            raise InputError(f"`truth={truth}` is about given examples; name a file or a folder of them.")
        return own_data(model)
    path = Path(source)
    if path.is_file() and path.suffix.lower() in suffixes():
        return _image(model, path)
    if not is_own(source):
        if path.suffix and not path.exists():
            raise InputError(f"no file {path}; expected a table, an array, a folder of images, or an image.")
        return _of_dataset(model, load(source, model.experiment.config.get("manual_dir")))
    found = _read(model, path, id=id, skip_broken=skip_broken)
    _expect_kind(model, found)
    marked = None if truth is None else _truth(found, path, truth)
    y = found.data.y if model.conditional else None
    if y is not None and found.class_names and model.description.class_names:
        y = np.array(found.class_names)[y]
    return Given(source, _in_channels(model, found.data.x, source), np.asarray(found.ids), y, None, marked)


def _read(model: Trained, path: Path, *, id: str | None, skip_broken: bool) -> Whole:
    described, config = model.description, model.experiment.config
    label = config.get("label") if model.conditional else None
    if path.suffix.lower() in tables.SUFFIXES:
        if described.images:
            raise InputError(f"{path} holds rows; this model takes images of {described.shape}.")
        there = tables.columns_of(path)
        own = config.get("id")
        columns = Columns(id or (own if own in there else None), label, known=described.feature_names)
        if not described.feature_names:
            columns = columns._replace(drop=tuple({config.get("label")} & set(there)))
    else:
        columns = Columns(id, label)
    if not (path.is_dir() and described.images and described.shape[0] == described.shape[1]):
        return read(path, Reading(None, skip_broken, columns))
    try:  # as in the training, whose images are kept in the cache
        found = read(path, Reading(config.get("size"), skip_broken, columns))
        if found.data.x.shape[1:3] == described.shape[:2]:
            return found
    except InputError:
        if config.get("size") is not None:
            raise
    return read(path, Reading(described.shape[0], skip_broken, columns))


def _image(model: Trained, path: Path) -> Given:
    height, width, channels = model.shape if model.description.images else (0, 0, 0)
    if not channels:
        raise InputError(f"{path} is an image, and this model takes rows of {model.shape[0]} features.")
    try:
        image = pixels(path, size=height if height == width else None, channels=channels)
    except Exception as error:  # every format has its own errors
        raise InputError(f"{path} cannot be read ({first_line(error)}).") from None
    if image.shape != model.shape:
        raise InputError(f"{path} is {image.shape[0]}×{image.shape[1]}; this model takes {height}×{width}.")
    return Given(str(path), image[None], np.array([path.name]))


def _of_dataset(model: Trained, dataset: Dataset) -> Given:
    units, parts = model.description.units, dataset[1:4]
    x = np.concatenate([np.asarray(part.x) for part in parts])
    y = None
    if model.conditional and parts[0].y is not None:
        y = np.concatenate([part.y for part in parts])
    counts = [len(part.x) for part in parts]
    ids = np.concatenate(dataset.ids) if dataset.ids else np.concatenate([np.arange(n) for n in counts])
    whole = units.of_data(x) if units is not None else x
    return Given(dataset.name, whole, ids, y, np.repeat(PARTS, counts))


def _expect_kind(model: Trained, found: Whole) -> None:
    described, shape = model.description, found.data.x.shape[1:]
    if described.feature_names and not found.feature_names and shape == described.shape:
        return  # an array without names, in the order of the columns
    if shape[:2] != described.shape[:2] or len(shape) != len(described.shape):
        raise InputError(f"{found.name} holds examples of shape {shape}; this model takes {described.shape}.")


def _in_channels(model: Trained, x: Any, source: str) -> Any:
    """Images with as many channels as the model's: grey ones become RGB."""
    if not model.description.images or x.shape[-1] == model.shape[-1]:
        return x
    if x.shape[-1] == 1 and model.shape[-1] == 3:
        return np.broadcast_to(x, (*x.shape[:-1], 3))
    raise InputError(f"{source} holds images of {x.shape[-1]} channels; this model takes {model.shape[-1]}.")


def _truth(found: Whole, path: Path, truth: str) -> np.ndarray:
    """Whether each example is what the user says to look for."""
    if path.suffix.lower() in tables.SUFFIXES:
        marked = tables.yes_or_no(path, truth)
    elif truth in found.class_names:
        marked = np.asarray(found.data.y) == found.class_names.index(truth)
    else:
        raise InputError(f"`truth={truth}`: expected a column of a table, or a class among a folder's subfolders.")
    if not 0 < marked.sum() < len(marked):
        raise InputError(f"`truth={truth}`: {int(marked.sum())} of {len(marked)} are; expected some, and not all.")
    return marked
