"""The data that a configuration chooses, as its likelihood takes them; and what is stored of them beside a model."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from vae_jax.data.columns import Columns
from vae_jax.data.dataset import Dataset, Units, fingerprint
from vae_jax.data.description import Description, describe, description_of
from vae_jax.data.features import as_counts
from vae_jax.data.loading import Reading, finished, opened
from vae_jax.distributions.base import Support
from vae_jax.errors import InputError
from vae_jax.models.likelihoods import LIKELIHOODS
from vae_jax.runs.configuration.config import Config
from vae_jax.runs.configuration.resolved import Resolved, expect_defined_outside


@dataclass(frozen=True)
class Stored:
    """What is stored about a model's data beside its checkpoints, so that the model can be used without them.

    Attributes:
      description: of the data.
      fingerprint: SHA-256 of the data, and of how they were split.
      likelihood: the likelihood's own numbers as initialised from the data; a learned log σ² is an offset to one.
    """

    description: Description
    fingerprint: str
    likelihood: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """All of it, in a form that JSON holds exactly."""
        return {
            "data": self.description.as_json(),
            "fingerprint": self.fingerprint,
            "likelihood": {name: repr(value) for name, value in self.likelihood.items()},
        }


class Begun(NamedTuple):
    """A trained model whose weights another training starts from.

    Attributes:
      params: its parameters.
      stored: what is stored of its data, whose units the other data are seen in.
    """

    params: Any
    stored: Stored


def stored_of(values: Mapping[str, Any]) -> Stored:
    """The inverse of `Stored.as_json`.

    Raises:
      InputError: the values are not what it returned.
    """
    try:
        likelihood = {str(name): float(value) for name, value in values["likelihood"].items()}
        return Stored(description_of(values["data"]), str(values["fingerprint"]), likelihood)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"what is stored of the data is not what a command of this version wrote ({error}).") from None


def opened_for(config: Config, *, known: tuple[str, ...] = ()) -> Dataset:
    """The data that the flags choose, as their files hold them.

    Args:
      config: the flags.
      known: the features of a trained model; the columns of a table are then those.

    Raises:
      InputError: data that cannot be loaded.
    """
    columns = Columns(config.id, config.label, config.columns, config.drop, known)
    split: Any = config.split
    reading = Reading(config.size, config.skip_broken, columns, config.validation, config.test, split)
    return opened(config.data, config.manual_dir, reading)


def data_for(
    chosen: Resolved, dataset: Dataset | None = None, *, kept: Stored | None = None
) -> tuple[Dataset, Description]:
    """The data as the likelihood takes them, and their description.

    Args:
      chosen: what the flags choose.
      dataset: the data, if they are here already.
      kept: what is stored of a trained model's data, whose units and columns are taken.

    Raises:
      InputError: values to which the likelihood gives no probability, or rows that cannot be standardised.
    """
    config = chosen.config
    standardise: bool | Units = bool(config.standardise)
    if kept is not None:
        standardise = kept.description.units or False
    if dataset is None:
        dataset = opened_for(config, known=() if kept is None else kept.description.feature_names)
    dataset = finished(dataset, standardise)
    support = chosen.likelihood.support
    if support is Support.COUNTS:
        dataset = as_counts(dataset)
    described = describe(dataset, counts=support is Support.COUNTS)
    low, high = described.bounds
    inside = low >= 0 and (support is Support.COUNTS or high <= 1)
    if support is not Support.REAL and not inside:
        fitting = ", ".join(name for name, other in LIKELIHOODS.items() if other.support is Support.REAL)
        raise InputError(
            f"likelihood {chosen.likelihood_name} is of {support.value}, and {config.data} goes from {low:.4g} to "
            f"{high:.4g}. Pass --likelihood {fitting.replace(', ', ' or ')}."
        )
    if described.units is None:
        expect_defined_outside(chosen, low, high)
    return dataset, described


def data_again(chosen: Resolved, kept: Stored, data: str | None) -> Dataset:
    """The data of a trained model, from `data` or, if that is None, from where they were.

    Raises:
      InputError: they are not there, or what is there does not fit the model.
    """
    wanted = kept.description
    place = chosen.config.data if data is None else data
    again = replace(chosen, config=replace(chosen.config, data=place))
    try:
        dataset, found = data_for(again, kept=kept)
    except InputError as error:
        if data is not None:
            raise
        raise InputError(
            f"the data that this model was trained on are not here ({error}) Give their place: "
            "vae_jax.load(folder, data=PATH), or --data PATH."
        ) from error
    for name in ("shape", "dtype"):
        if getattr(found, name) != getattr(wanted, name):
            raise InputError(
                f"{place} holds examples of {name} {getattr(found, name)}; this model takes {getattr(wanted, name)}."
            )
    expect_batches(chosen, found.examples, place)
    if chosen.loss.conditional and found.classes > wanted.classes:
        raise InputError(f"{place} has {found.classes} classes; this model takes labels of {wanted.classes}.")
    if data is not None and fingerprint(dataset) != kept.fingerprint:
        print(f"{place} holds other data than this model was trained on: it is measured on these.", file=sys.stderr)
    return dataset


def expect_batches(chosen: Resolved, examples: tuple[int, int, int], place: str) -> None:
    """Check that a batch of training, and of what is measured, has as many examples as the loss needs."""
    config, least = chosen.config, chosen.loss.smallest_batch
    if config.batch_size < least:
        raise InputError(
            f"--batch-size {config.batch_size}: loss {config.loss!r} compares the examples of a batch; expected at "
            f"least {least}."
        )
    for part, n in zip(("training", "validation", "test"), examples, strict=True):
        if n < least:
            raise InputError(
                f"--loss {config.loss} compares the examples of a batch, and the {part} part of {place} has {n}; "
                f"expected at least {least}."
            )
