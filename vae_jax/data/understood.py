"""What was understood of a data set, in words, and what about it is unlikely to be meant."""

from collections.abc import Sequence

import numpy as np

from vae_jax.data.dataset import Dataset
from vae_jax.data.description import Description
from vae_jax.data.meaning import CHUNK, Meaning

NAMED = 6  # the most classes that are listed one by one
DARK = 0.25  # of the scale; data that stay below are probably on another
CHANNELS = (1, 2, 3, 4)


def understood(dataset: Dataset, described: Description) -> list[str]:
    """Lines that say what was understood: how many, shape, range, classes; then a line for whatever is unlikely.

    Args:
      dataset: the data.
      described: their description.
    """
    low, high = _range(dataset)
    what = "images" if described.images else "rows"
    counts = " + ".join(f"{n:,}" for n in described.examples)
    shape = "×".join(map(str, described.shape[:2])) if described.images else f"{described.shape[0]} features"
    channels = described.shape[-1]
    colour = f", {channels} channel{'s' * (channels > 1)}" if described.images else ""
    standardised = ", standardised" if described.units is not None else ""
    numbers = (
        "black and white" if described.binary else f"{_kind(described)} from {low:.3g} to {high:.3g}{standardised}"
    )
    first = f"{dataset.name}: {counts} {what} (training, validation, test) of {shape}{colour}; {numbers}"
    return [f"{first}{_classes(dataset, described)}.", *remarks(dataset, described)]


def remarks(dataset: Dataset, described: Description) -> list[str]:
    """A line for each thing about the data that is unlikely to be meant, with what to do about it."""
    found, shape, (low, high) = [], described.shape, _range(dataset)
    name, top = dataset.name, 255 if described.meaning is Meaning.LEVELS else 1
    if described.images and shape[0] in CHANNELS and shape[2] not in CHANNELS:
        found.append(
            f"{name}: {shape[2]} channels of {shape[0]}×{shape[1]} pixels; if the channels come first, write "
            "np.moveaxis(x, 1, -1)."
        )
    if low == high:
        found.append(f"{name}: every number is {low:.6g}; there is nothing to learn.")
    elif described.meaning in (Meaning.LEVELS, Meaning.PIXELS) and high < DARK * top:
        found.append(
            f"{name}: no number is above {high:.6g} of {top}; if that is white, scale the data to 0..{top} first."
        )
    if (y := dataset.train.y) is not None:
        occur = len(np.unique(y))
        if occur == 1:
            found.append(f"{name}: all training examples have one class, so labels say nothing.")
        elif dataset.classes > 2 * occur:
            found.append(
                f"{name}: labels go up to {dataset.classes - 1:,} and {occur} of them occur; "
                "y = np.unique(y, return_inverse=True)[1] counts those alone."
            )
    return found


def _kind(described: Description) -> str:
    return {Meaning.LEVELS: "grey levels", Meaning.PIXELS: "pixels"}.get(described.meaning, described.meaning.value)


def _classes(dataset: Dataset, described: Description) -> str:
    ys = [part.y for part in dataset[1:4] if part.y is not None]
    if not ys or not dataset.classes:
        return "; no labels"
    count = np.bincount(np.concatenate(ys), minlength=dataset.classes)
    occur = np.flatnonzero(count)
    if len(occur) <= NAMED:
        names: Sequence[str] = described.class_names or tuple(map(str, range(dataset.classes)))
        return f"; {len(occur)} classes: " + ", ".join(
            f"{' '.join(names[index].split())} {count[index]:,}" for index in occur
        )
    least, most = count[occur].min(), count[occur].max()
    each = f"{least:,} each" if least == most else f"{least:,} to {most:,}"
    return f"; {len(occur):,} classes of {each}"


def _range(dataset: Dataset) -> tuple[float, float]:
    """The smallest and the largest number of the training part, as stored."""
    x = dataset.train.x
    chunks = [x[start : start + CHUNK] for start in range(0, len(x), CHUNK)]
    return min(float(part.min()) for part in chunks), max(float(part.max()) for part in chunks)
