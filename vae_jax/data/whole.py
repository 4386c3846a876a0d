"""Examples of the user's own as they come, before they are split: with their ids, and the names of what they hold."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from vae_jax.data.dataset import Dataset, Examples, count_classes, rows
from vae_jax.errors import InputError

NAMES = {  # what users call the parts of a data set, as the names of folders or the values of a column
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
HELD = ("validation", "test")
SPLITS = ("stratified", "random")  # ways to hold examples out; runs of before 0.3 have random ones
Split = Literal["stratified", "random"]
TENTH = 0.1


class Whole(NamedTuple):
    """All examples of a file, a folder or an array.

    Attributes:
      name: where they are from.
      data: x and y.
      ids: `[n]` what each is called: a value of the id column, a path below the folder, or its row; counted from 0.
      parts: the part that each belongs to, by its name in `NAMES.values()`; None if they are not divided.
      class_names: the names of the labels, in their order, if they have names.
      feature_names: the names of the features, in their order, if they have names.
      label: what the labels are called, if that is known.
    """

    name: str
    data: Examples
    ids: np.ndarray
    parts: Sequence[str] | None = None
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    label: str | None = None


def whole(name: str, data: Examples) -> Whole:
    """Examples that are called by their rows."""
    return Whole(name, data, np.arange(len(data.x)))


def in_parts(
    found: Whole, *, split: Split = "stratified", held: Mapping[str, "float | Whole"] | None = None
) -> Dataset:
    """A data set in three parts: those that the examples are in, those that are given, and else a random tenth each.

    What is held out at random is held out in an order that is the same on every machine. With `stratified`, each class
    has its share of every part, and the first examples of a part are of many classes.

    Args:
      found: the examples.
      split: how examples are held out.
      held: for "validation" and "test", the share of the examples to hold out, or other examples to use.

    Raises:
      InputError: too few examples for three parts, a share out of range, or examples that do not go together.
    """
    held = dict(held or {})
    inside = np.asarray(["train"] * len(found.data.x) if found.parts is None else found.parts)
    index = {part: np.flatnonzero(inside == part) for part in ("train", *HELD)}
    given = {part: _spread_out(other, split) for part, other in held.items() if isinstance(other, Whole)}
    for part in held:
        if len(index[part]):
            raise InputError(f"`{part}={_words(held[part])}`: {found.name} has a part for that; leave the flag out.")
    if split == "stratified" and found.parts is not None:
        index |= {part: index[part][_interleaved(rows(found.data, index[part]).y, len(index[part]))] for part in HELD}
    missing = [part for part in HELD if not len(index[part]) and part not in given]
    free = index["train"]
    taken = [_count(part, held.get(part, TENTH), len(free)) for part in missing]
    if len(free) - sum(taken) < 1 or (missing and min(taken) < 1):
        kind = "images" if found.data.x.ndim == 4 else "rows"
        raise InputError(
            f"{found.name}: {len(free)} {kind} are too few to train, validate and test on; expected at least 10."
        )
    order = _order(rows(found.data, free).y, len(free), split)
    for part, count in zip(missing, taken, strict=True):
        chosen, order = order[:count], order[count:]
        index[part] = free[chosen if split == "stratified" else np.sort(chosen)]
    index["train"] = free[np.sort(order)]
    datas = {part: rows(found.data, index[part]) for part in index} | {p: w.data for p, w in given.items()}
    ids = {part: found.ids[index[part]] for part in index} | {p: w.ids for p, w in given.items()}
    parts = [datas[part] for part in ("train", *HELD)]
    return Dataset(
        found.name,
        *parts,
        classes=max(map(count_classes, parts)),
        class_names=found.class_names,
        feature_names=found.feature_names,
        ids=(ids["train"], ids["validation"], ids["test"]),
    )


def together(found: Whole, other: Whole) -> Whole:
    """Other examples as more of the same kind: same shape, and labels by the same names.

    Raises:
      InputError: another shape, labels where there are none, or a class that `found` has not.
    """
    if other.data.x.shape[1:] != found.data.x.shape[1:]:
        raise InputError(
            f"{other.name} holds examples of shape {other.data.x.shape[1:]}; {found.name} of {found.data.x.shape[1:]}."
        )
    if found.data.y is None or other.data.y is None:
        return other._replace(data=Examples(other.data.x, None if found.data.y is None else _absent(other)))
    if new := sorted(set(other.class_names) - set(found.class_names)):
        raise InputError(f"{other.name} has the class {new[0]!r}, which is none of {found.name}'s.")
    if not found.class_names:
        return other
    places = np.array([found.class_names.index(name) for name in other.class_names], np.int32)
    return other._replace(data=Examples(other.data.x, places[other.data.y]), class_names=found.class_names)


def _absent(other: Whole) -> Any:
    raise InputError(f"{other.name} has no labels, which the training examples have.")


def _spread_out(other: Whole, split: Split) -> Whole:
    """The examples in the order that the first of them are of many classes in."""
    if split == "random" or other.data.y is None:
        return other
    order = _ranks(np.asarray(other.data.y))
    return other._replace(data=rows(other.data, order), ids=other.ids[order])


def _count(part: str, share: Any, n: int) -> int:
    if not 0 < share < 1:
        raise InputError(f"`{part}={share}`: expected a share between 0 and 1, or a file.")
    return round(n * share)


def _words(given: float | Whole) -> str:
    return given.name if isinstance(given, Whole) else f"{given:g}"


def _order(y: np.ndarray | None, n: int, split: Split) -> np.ndarray:
    # RandomState's stream is frozen by NumPy's policy; Generator's is not.
    order = np.random.RandomState(0).permutation(n)
    return order if y is None or split == "random" else order[_ranks(np.asarray(y)[order])]


def _interleaved(y: np.ndarray | None, n: int) -> np.ndarray:
    return np.arange(n) if y is None else _ranks(np.asarray(y))


def _ranks(y: np.ndarray) -> np.ndarray:
    """An order in which each class is spread evenly: by the rank of an example in its class, as a share of that."""
    rank, by_class = np.empty(len(y)), np.argsort(y, kind="stable")
    _, starts, counts = np.unique(y[by_class], return_index=True, return_counts=True)
    rank[by_class] = np.arange(len(y)) - np.repeat(starts, counts)
    sizes = np.empty(len(y))
    sizes[by_class] = np.repeat(counts, counts)
    return np.argsort((rank + 0.5) / sizes, kind="stable")
