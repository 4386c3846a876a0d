"""What a trained model needs to know about its data: enough to use it where the data are not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from vae_jax.data.dataset import Dataset, Examples, Units
from vae_jax.data.meaning import CHUNK, Meaning, as_stored, is_black_and_white, meaning_of
from vae_jax.errors import InputError


@dataclass(frozen=True)
class Description:
    """The data that a model was trained on, without the data themselves.

    Attributes:
      name: as given to `--data`.
      shape: the shape of one example, `(height, width, channels)` or `(features,)`.
      dtype: the dtype as stored; uint8 means grey levels, which the model sees divided by 255.
      examples: how many there are for training, validation and testing.
      bounds: the smallest and the largest number that the model sees; 0 and 1 for 8-bit data.
      meaning: what the numbers are.
      binary: whether the model sees only 0 and 1.
      grey: whether some number of the test part lies strictly between the ends of the scale.
      classes: how many labels there are; 0 without labels.
      class_names: the names of the labels, if they have names.
      feature_names: the names of the features, if they have names.
      units: how the features were standardised, if they were.
      factor_names: the names of the factors of variation, if these are known.
      factor_sizes: how many values each of them has.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    examples: tuple[int, int, int]
    bounds: tuple[float, float] = (0.0, 1.0)
    meaning: Meaning = Meaning.LEVELS
    binary: bool = False
    grey: bool = False
    classes: int = 0
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    units: Units | None = None
    factor_names: tuple[str, ...] = ()
    factor_sizes: tuple[int, ...] = ()

    @property
    def images(self) -> bool:
        """Whether an example is an image rather than a row of features."""
        return len(self.shape) == 3

    @property
    def pixels(self) -> bool:
        """Whether the numbers are 8-bit grey levels."""
        return self.meaning is Meaning.LEVELS

    @property
    def log_jacobian(self) -> float:
        """What −ln p(x) and the distortion in the units of the data have more than in those of the model, in nats."""
        return 0.0 if self.units is None else self.units.log_jacobian

    @property
    def training_shapes(self) -> Examples:
        """The training part as shapes and dtypes alone, with labels if there are any."""
        n = self.examples[0]
        y = jax.ShapeDtypeStruct((n,), np.int32) if self.classes else None
        return Examples(jax.ShapeDtypeStruct((n, *self.shape), np.dtype(self.dtype)), y)

    def stored(self, name: str, x: Any, *, unit: bool = False) -> Any:
        """A user's examples `[n, *shape]` in the form in which the data are stored, standardised if these were.

        Args:
          name: what they are called in the message.
          x: numbers in the units of the data; of 8-bit data, whole numbers 0..255, bool, or floats in [0, 1].
          unit: whether the likelihood takes only numbers in [0, 1].

        Raises:
          InputError: numbers that the data cannot hold.
        """
        if self.units is None:
            return as_stored(x, self.meaning, name, binary=self.binary, unit=unit)
        with np.errstate(over="ignore"):
            x = self.units.of_model(x)
        return x if isinstance(x, Tracer) else as_stored(x, Meaning.FEATURES, name)

    def output_as_stored(self, x: Any) -> np.ndarray:
        """Outputs of the model, `[n, *shape]`, in the form that the data are stored in.

        Grey levels are rounded to 8 bits; features stay as the model sees them.
        """
        x = np.asarray(x)
        return (255.0 * np.clip(x, 0, 1)).round().astype(np.uint8) if self.pixels else x.astype(self.dtype)

    def as_json(self) -> dict[str, Any]:
        """All fields in a form that JSON holds exactly."""
        units = None if self.units is None else {n: np.asarray(v).tolist() for n, v in self.units._asdict().items()}
        return {
            **vars(self),
            "bounds": [repr(end) for end in self.bounds],
            "units": units,
            "meaning": self.meaning.name,
        }


def describe(dataset: Dataset, *, counts: bool = False) -> Description:
    """The description of a data set, whose numbers are counts if the likelihood is one of counts."""
    x, factors = dataset.train.x, dataset.factors
    return Description(
        name=dataset.name,
        shape=tuple(x.shape[1:]),
        dtype=np.dtype(x.dtype).name,
        examples=(len(x), len(dataset.validation.x), len(dataset.test.x)),
        bounds=bounds(dataset),
        meaning=meaning_of(np.empty((0, *x.shape[1:]), x.dtype), dataset.name, counts=counts),
        binary=all(is_black_and_white(part.x) for part in dataset[1:4]),
        grey=_is_grey(dataset.test.x),
        classes=dataset.classes,
        class_names=dataset.class_names,
        feature_names=dataset.feature_names,
        units=dataset.units,
        factor_names=() if factors is None else tuple(factors.names),
        factor_sizes=() if factors is None else tuple(int(size) for size in factors.sizes),
    )


def description_of(values: Mapping[str, Any]) -> Description:
    """The description that `as_json` wrote.

    Raises:
      InputError: `values` is not what `as_json` writes.
    """
    try:
        known = {"feature_names": (), **values}  # which earlier versions did not write
        for name in ("shape", "examples", "class_names", "feature_names", "factor_names", "factor_sizes"):
            known[name] = tuple(known[name])
        known["bounds"] = tuple(float(end) for end in known["bounds"])
        if known["units"] is not None:
            known["units"] = Units(*(np.asarray(known["units"][name], np.float64) for name in Units._fields))
        known["meaning"] = Meaning[known["meaning"]]
        _expect_plain(known)
        return Description(**known)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"the description of the data is not what a command of this version wrote ({error})."
        ) from None


def _expect_plain(known: Mapping[str, Any]) -> None:
    """Check the types of a stored description, which may be a stranger's.

    Raises:
      ValueError: something that `as_json` does not write.
    """
    sizes = (*known["shape"], *known["examples"], *known["factor_sizes"], known["classes"])
    if not all(type(size) is int and size >= 0 for size in sizes) or 0 in known["shape"] + known["examples"]:
        raise ValueError("its sizes are none")
    if len(known["shape"]) not in (1, 3) or len(known["examples"]) != 3:
        raise ValueError("it is of neither images nor rows")
    if np.dtype(known["dtype"]) not in (np.uint8, np.float32):
        raise ValueError(f"a dtype of {known['dtype']}")
    if known["feature_names"] and known["shape"] != (len(known["feature_names"]),):
        raise ValueError("its names are of other features")
    if not all(type(name) is str for name in known["feature_names"] + known["class_names"]):
        raise ValueError("its names are none")
    units = known["units"]
    if units is not None and not units.mean.shape == units.scale.shape == known["shape"]:
        raise ValueError("its units are of other features")


def bounds(dataset: Dataset) -> tuple[float, float]:
    """The smallest and the largest number that the model sees; 0 and 1 for 8-bit data."""
    if dataset.train.x.dtype == np.uint8:
        return 0.0, 1.0
    chunks = [part.x[at : at + CHUNK] for part in dataset[1:4] for at in range(0, len(part.x), CHUNK)]
    return min(float(rows.min()) for rows in chunks), max(float(rows.max()) for rows in chunks)


def _is_grey(x: np.ndarray) -> bool:
    top = 255 if x.dtype == np.uint8 else 1
    return any(bool(np.any((x[at : at + CHUNK] > 0) & (x[at : at + CHUNK] < top))) for at in range(0, len(x), CHUNK))
