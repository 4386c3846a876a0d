"""Building the parts of a run from what was chosen, and from its data or, without them, what is stored about them."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from vae_jax.data.dataset import Dataset, Examples, fingerprint
from vae_jax.data.description import Description, describe, description_of
from vae_jax.data.features import as_counts
from vae_jax.data.loading import load
from vae_jax.data.preprocess import Preprocess
from vae_jax.distributions.base import Support
from vae_jax.errors import InputError
from vae_jax.keys import Keys
from vae_jax.losses.loss import LOSSES
from vae_jax.models.likelihoods import LIKELIHOODS, Likelihood
from vae_jax.models.networks.network import NetworkConfig
from vae_jax.models.start import start_at
from vae_jax.models.vae import VAE
from vae_jax.runs.configuration.config import Config, flag
from vae_jax.runs.configuration.resolved import Resolved, epochs_of, expect_defined_outside, resolve
from vae_jax.training.experiment import Experiment
from vae_jax.training.memory import expect_to_fit
from vae_jax.training.recipe import Recipe, leaves_of
from vae_jax.training.schedules import HORIZON

LOOKED_AT, TOGETHER = 5000, 250  # examples that moments are taken of, and how many at a time
STEPS = 2**31  # a state counts its steps in 32 bits


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


def stored(experiment: Experiment) -> Stored:
    """What to store about an experiment's data."""
    likelihood = experiment.recipe.model.likelihood
    numbers = likelihood.settings() if isinstance(likelihood, Likelihood) else {}
    return Stored(experiment.description, experiment.about["data"], numbers)


def build(config: Config | Resolved, kept: Stored | None = None, *, data: str | None = None) -> Experiment:
    """Put the parts of a run together.

    Args:
      config: flags, or what they resolve to.
      kept: what is stored about the data of a trained model; the data are then loaded only when they are first used,
        and standardised by the model's units.
      data: where they are now, as `--data` takes it; by default where they were.

    Raises:
      InputError: as `resolve`; or data that cannot be loaded or used, or too few for one batch.
    """
    chosen = resolve(config)
    config = chosen.config
    source: Any
    if kept is None:
        source, described = _data_for(chosen)
    else:
        described = kept.description
        source = lru_cache(maxsize=1)(lambda: _data_again(chosen, kept, data))
    if chosen.loss.conditional and not described.classes:
        raise InputError(f"--loss {config.loss} needs labels; {config.data} has none. Give y in the .npz, or use vae.")
    likelihood, start = chosen.likelihood, {}
    if kept is not None:
        likelihood = _with_settings(likelihood, kept.likelihood)
    elif config.start == "data" or (config.start is None and likelihood.starts_at_data):
        known = moments(source.train, chosen.preprocess)
        likelihood, start = start_at(likelihood, *known, per_channel=chosen.network.per_channel)
    posterior = chosen.posterior(latent=config.latent, **chosen.posterior.sizes(chosen.numbers))
    networks = NetworkConfig(
        shape=described.shape,
        latent=config.latent,
        hidden=chosen.network.hidden if config.hidden is None else config.hidden,
        output=likelihood.numbers(described.shape),
        numbers=posterior.numbers,
        classes=described.classes if chosen.loss.conditional else 0,
        kernel_init=chosen.initializer,
        bounds=_bounds(described, likelihood),
        **start,
    )
    prior = chosen.prior.of(networks, **chosen.prior.sizes(chosen.numbers))
    dtype = None if config.precision == "float32" else config.precision
    recipe = Recipe(
        model=VAE(*chosen.network.build(networks), likelihood, prior, dtype=dtype, posterior=posterior),
        loss=chosen.loss,
        batch_size=config.batch_size,
        preprocess=chosen.preprocess,
        optimizer=chosen.optimizer,
        schedule=chosen.schedule,
        options=chosen.options,
        accumulate=config.accumulate,
        skip_nonfinite=config.on_nonfinite == "skip",
    )
    examples = described.examples[0]
    if examples < config.batch_size:
        raise InputError(
            f"--batch-size {config.batch_size}: {config.data} has {examples} training images; expected at most that "
            "many."
        )
    _expect_batches(chosen, described.examples, config.data)
    expect_to_fit(recipe, described.training_shapes, jax.devices()[:1])
    in_epoch = examples // config.batch_size
    epochs = epochs_of(config, in_epoch)
    if epochs * in_epoch >= STEPS:
        raise InputError(f"--epochs {epochs}: {epochs * in_epoch:,} steps in all; expected fewer than {STEPS:,}.")
    hyper = leaves_of(recipe, {**lengths(chosen, in_epoch, epochs), **chosen.numbers})
    return Experiment(
        source,
        recipe,
        hyper,
        Keys(config.seed),
        epochs,
        patience=config.patience,
        minutes=config.minutes,
        config=chosen.lasting,
        described=described,
        fingerprint=None if kept is None else kept.fingerprint,
    )


def _expect_batches(chosen: Resolved, examples: tuple[int, int, int], place: str) -> None:
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


def moments(data: Examples, preprocess: Preprocess) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each number of an example as the model sees it, from at most `LOOKED_AT` of them.

    In parts of `TOGETHER`, merged as Chan, Golub & LeVeque 1979 do.
    """
    x = data.x[:: max(len(data.x) // LOOKED_AT, 1)][:LOOKED_AT]
    keys = jax.random.split(jax.random.key(0), len(x))
    preprocessed = jax.jit(jax.vmap(preprocess))
    count, mean, squares = 0, np.zeros(x.shape[1:]), np.zeros(x.shape[1:])
    for start in range(0, len(x), TOGETHER):
        stop = start + TOGETHER
        part = np.asarray(preprocessed(keys[start:stop], x[start:stop]), np.float64)
        n, away = len(part), part.mean(0) - mean
        squares += part.var(0) * n + away**2 * (count * n / (count + n))
        mean += away * (n / (count + n))
        count += n
    return mean, squares / count


def lengths(chosen: Resolved, in_epoch: int, epochs: int) -> dict[str, float]:
    """Hyperparameters in steps, from flags that are in epochs or relative to the whole run.

    Args:
      chosen: what the flags choose.
      in_epoch: steps in an epoch.
      epochs: how many there are.

    Raises:
      InputError: flags that make β rise for a loss whose β does not; a rise of less than one step, or longer than its
        cycle; or more steps to accumulate than the run has.
    """
    config, steps = chosen.config, {}
    if chosen.schedule.ends:
        steps[HORIZON] = float(epochs * in_epoch)
    for name, given in (("warmup_epochs", config.warmup_epochs), ("beta_cycles", config.beta_cycles)):
        if given is not None and "beta_period" not in chosen.loss.hyper:
            risen = ", ".join(name for name, loss in LOSSES.items() if "beta_period" in loss.hyper)
            raise InputError(f"{flag(name)} {given:g}: the β of loss {config.loss!r} does not rise; expected {risen}.")
    if config.beta_cycles is not None:
        steps["beta_period"] = epochs * in_epoch / config.beta_cycles
        steps["beta_steps"] = 0.5 * steps["beta_period"]
    if config.warmup_epochs is not None:
        steps["beta_steps"] = config.warmup_epochs * in_epoch
    if config.beta_cycles is not None and not 2.0 <= 2.0 * steps["beta_steps"] <= 2.0 * steps["beta_period"]:
        raise InputError(
            f"--beta-cycles {config.beta_cycles}: a cycle has {steps['beta_period']:.4g} steps, and β rises over "
            f"{steps['beta_steps']:.4g} of them; expected at least one, and no more than all."
        )
    if config.accumulate > epochs * in_epoch:
        raise InputError(
            f"--accumulate {config.accumulate}: the run has {epochs * in_epoch} steps in all, so nothing would be "
            "updated; expected at most that many."
        )
    return steps


def _with_settings(likelihood: Likelihood, numbers: Mapping[str, float]) -> Likelihood:
    """A likelihood with these numbers of its own.

    Raises:
      InputError: it has no such number.
    """
    own = likelihood.settings()
    if other := sorted(numbers.keys() - own.keys()):
        raise InputError(f"the stored model's likelihood has a number {other[0]!r}, which this version's has not.")
    changed: dict[str, Any] = {name: type(own[name])(value) for name, value in numbers.items()}
    return likelihood.clone(**changed)


def _bounds(described: Description, likelihood: Likelihood) -> tuple[float, float]:
    """The least and the largest value that an example may have."""
    if not described.images and likelihood.support in (Support.REAL, Support.COUNTS):
        return 0.0 if likelihood.support is Support.COUNTS else -math.inf, math.inf
    return 0.0, math.inf if likelihood.support is Support.COUNTS else 1.0


def _data_again(chosen: Resolved, kept: Stored, data: str | None) -> Dataset:
    """The data of a trained model, from `data` or, if that is None, from where they were.

    Raises:
      InputError: they are not there, or what is there does not fit the model.
    """
    wanted = kept.description
    place = chosen.config.data if data is None else data
    again = replace(chosen, config=replace(chosen.config, data=place))
    try:
        dataset, found = _data_for(again, standardise=False if wanted.units is None else wanted.units)
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
    _expect_batches(chosen, found.examples, place)
    if chosen.loss.conditional and found.classes > wanted.classes:
        raise InputError(f"{place} has {found.classes} classes; this model takes labels of {wanted.classes}.")
    if data is not None and fingerprint(dataset) != kept.fingerprint:
        print(f"{place} holds other data than this model was trained on: it is measured on these.", file=sys.stderr)
    return dataset


def _data_for(chosen: Resolved, *, standardise: Any = None) -> tuple[Dataset, Description]:
    """The data as the likelihood takes them, and their description.

    Raises:
      InputError: values to which the likelihood gives no probability, or rows that cannot be standardised.
    """
    config = chosen.config
    standardise = config.standardise if standardise is None else standardise
    dataset = load(
        config.data, config.manual_dir, standardise=standardise, size=config.size, skip_broken=config.skip_broken
    )
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
