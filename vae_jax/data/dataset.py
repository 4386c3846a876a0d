"""The table of data sets that `--data` chooses from, and the form that they all come in."""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jax.core import Tracer

from vae_jax.data.meaning import CHUNK, Meaning, as_stored, expect_finite, meaning_of
from vae_jax.errors import InputError
from vae_jax.registry import Registry, summary

LABELS = 2**16  # the most labels allowed: a one-hot label has as many numbers


class Examples(NamedTuple):
    """Images and optional labels: a data set, a batch, or one example.

    Attributes:
      x: `[n, height, width, channels]` or `[n, features]`; uint8 0..255, or float32 used as is.
      y: `[n]` int32 labels, or None.
    """

    x: Any
    y: Any = None


class Factors(NamedTuple):
    """Images of every combination of known factors of variation, in the order of the grid: the last varies fastest.

    Attributes:
      names: the names of the factors.
      sizes: how many values each has, counted from 0.
      images: `(start, stop)` -> `[stop − start, height, width, channels]` uint8, that part of the grid.
      copies: how many images there are of each combination, one after another, if more than the factors varies.
      aside: factors that the published `mig_chen` of this data set leaves out.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    images: Callable[[int, int], Any]
    copies: int = 1
    aside: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Number of images."""
        return math.prod(self.sizes) * self.copies


class Units(NamedTuple):
    """How rows of features were standardised.

    Attributes:
      mean: `[features]`, what was subtracted, in float64.
      scale: `[features]`, what was divided by.
    """

    mean: Any
    scale: Any

    @property
    def log_jacobian(self) -> float:
        """Σ ln scale: what a density of rows in their own units has more in −ln p than that of the model's units."""
        return float(np.sum(np.log(self.scale)))

    def of_model(self, x: Any) -> Any:
        """Features in the units of the data, converted to those of the model; float32.

        What is traced, as by `jax.jit`, is converted in float32, which is less exact beside a large offset.
        """
        if isinstance(x, Tracer):
            mean, scale = (np.broadcast_to(part.astype(np.float32), x.shape) for part in self)
            return (x.astype(np.float32) - mean) / scale
        return ((np.asarray(x, np.float64) - self.mean) / self.scale).astype(np.float32)

    def of_data(self, x: Any) -> Any:
        """Features in the units of the model, converted back to those of the data; float64, or float32 if traced."""
        if not isinstance(x, Tracer):
            return np.asarray(x, np.float64) * self.scale + self.mean
        return x * np.broadcast_to(self.scale, x.shape) + np.broadcast_to(self.mean, x.shape)


class Dataset(NamedTuple):
    """A data set in three parts. The test part is never trained on.

    Attributes:
      name: as given to `--data`.
      train: what is trained on.
      validation: what is monitored during training.
      test: what is reported; the published test set where there is one.
      classes: how many labels there are; 0 without labels.
      factors: all images by their factors of variation, if those are known.
      units: how the features were standardised, if they were.
      class_names: the names of the labels, in their order, if they have names.
      feature_names: the names of the features, in their order, if they have names.
      ids: of the user's own data, what the examples of each part are called.
    """

    name: str
    train: Examples
    validation: Examples
    test: Examples
    classes: int = 0
    factors: Factors | None = None
    units: Units | None = None
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    ids: tuple[Any, Any, Any] | None = None


@dataclass(frozen=True)
class Source:
    """One entry of `DATASETS`.

    Attributes:
      name: what `--data` takes.
      load: the folder of files that the user downloaded, or None -> the data set.
      epochs: how many to train by default.
    """

    name: str
    load: Callable[[Path | None], Dataset]
    _: KW_ONLY
    epochs: int

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return summary(self.load)


DATASETS = Registry("data set", "vae_jax.data.sources", Source)


def checked(x: np.ndarray, y: np.ndarray | None, origin: str, *, as_given: bool = False) -> Examples:
    """Images, or rows of features, and labels in the form that training needs, or an error that says what to change.

    Args:
      x: images `[n, height, width, channels]` or `[n, height, width]`: uint8, bool, or float in [0, 1]; or rows
        `[n, features]`: uint8 and bool as pixels, other integers and any finite floats as they are.
      y: `[n]` integers from 0, or None.
      origin: what to call the data in error messages.
      as_given: leave rows of features in their own dtype, so that they can be standardised before they are rounded.

    Raises:
      InputError: another rank or dtype, no examples, values not finite or out of range, labels that do not fit.
    """
    expected = "expected x as [n, height, width, channels] or [n, features]"
    if x.ndim not in (2, 3, 4):
        raise InputError(f"{origin}: x has shape {x.shape}; {expected}.")
    if 0 in x.shape:
        raise InputError(f"{origin}: x is empty, shape {x.shape}; {expected} with n at least 1.")
    if x.ndim == 3:
        x = x[..., None]
    whole = f"{origin}: x"
    meaning = meaning_of(x, whole)
    if as_given and meaning is Meaning.FEATURES:
        expect_finite(x, whole)
    elif x.dtype != np.uint8:
        x = as_stored(x, meaning, whole)
    if y is None:
        return Examples(x)
    if y.shape != x.shape[:1] or y.dtype.kind not in "iu":
        raise InputError(f"{origin}: y is {y.dtype} {y.shape}; expected {x.shape[0]} integers, one for each image.")
    if y.min() < 0:
        raise InputError(f"{origin}: y goes down to {y.min()}; expected labels counted from 0.")
    if y.max() >= LABELS:
        raise InputError(f"{origin}: y goes up to {y.max()}; expected labels counted from 0, below {LABELS:,}.")
    return Examples(x, y.astype(np.int32))


def split(name: str, data: Examples, *, validation: float, test: float) -> Dataset:
    """A data set without published parts, split into three in an order that is the same on every machine.

    Args:
      name: the name of the data set.
      data: all examples.
      validation: the share of the examples for validation.
      test: the share for testing; the rest is for training.

    Raises:
      InputError: too few images for three parts.
    """
    n = data.x.shape[0]
    held, tested = round(n * validation), round(n * test)
    if min(held, tested) < 1:
        raise InputError(f"{name}: {n} images are too few to train, validate and test on; expected at least 10.")
    # RandomState's stream is frozen by NumPy's policy; Generator's is not.
    order = np.random.RandomState(0).permutation(n)
    parts = order[held + tested :], order[:held], order[held : held + tested]
    return Dataset(name, *(rows(data, np.sort(part)) for part in parts), classes=count_classes(data))


def known_labels(y: np.ndarray | None) -> np.ndarray | None:
    """The labels of a published part; None if it has −1, which TFDS and Hugging Face use for missing labels."""
    return None if y is None or (len(y) and y.min() < 0) else y


def dealt(name: str, parts: Mapping[str, Examples]) -> Dataset:
    """A data set from the parts that were published: `train`, and perhaps `validation` and `test`.

    Without a test part, the training part is split into all three. Without a validation part, the last sixtieth of the
    training part is held out (1,000 of MNIST's 60,000), so few that results stay comparable with training on all of it.

    Raises:
      InputError: too few images for three parts.
    """
    if "test" not in parts:
        return split(name, parts["train"], validation=0.1, test=0.1)
    train, classes = parts["train"], max(map(count_classes, parts.values()))
    if "validation" in parts:
        return Dataset(name, train, parts["validation"], parts["test"], classes)
    held = max(len(train.x) // 60, 1)
    return Dataset(name, rows(train, slice(-held)), rows(train, slice(-held, None)), parts["test"], classes)


def count_classes(data: Examples) -> int:
    """One more than the largest label; 0 without labels."""
    return 0 if data.y is None else int(data.y.max()) + 1


def rows(data: Examples, index: np.ndarray | slice) -> Examples:
    """The examples at an index array or a slice."""
    return Examples(data.x[index], None if data.y is None else data.y[index])


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 of the shapes, dtypes and values of all three parts, which tells whether data have changed."""
    digest = hashlib.sha256()
    for array in (leaf for part in dataset[1:4] for leaf in part if leaf is not None):
        array = np.asarray(array)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        for start in range(0, len(array), CHUNK):
            digest.update(np.ascontiguousarray(array[start : start + CHUNK]).data)
    return digest.hexdigest()
