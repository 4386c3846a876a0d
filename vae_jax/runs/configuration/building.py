"""Building the parts of a run from what was chosen, and from its data or, without them, what is stored about them."""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from vae_jax.data.dataset import Dataset, Examples
from vae_jax.data.description import Description
from vae_jax.data.preprocess import Preprocess
from vae_jax.distributions.base import Support
from vae_jax.errors import InputError
from vae_jax.keys import Keys
from vae_jax.losses.loss import LOSSES
from vae_jax.models.likelihoods import Likelihood
from vae_jax.models.networks.network import NetworkConfig
from vae_jax.models.start import start_at
from vae_jax.models.vae import VAE
from vae_jax.runs.configuration.config import Config, flag
from vae_jax.runs.configuration.datasets import Begun, Stored, data_again, data_for, expect_batches
from vae_jax.runs.configuration.resolved import Resolved, epochs_of, resolve
from vae_jax.training.experiment import Experiment
from vae_jax.training.memory import expect_to_fit
from vae_jax.training.recipe import Recipe, leaves_of
from vae_jax.training.schedules import HORIZON

LOOKED_AT, TOGETHER = 5000, 250  # examples that moments are taken of, and how many at a time
STEPS = 2**31  # a state counts its steps in 32 bits


def stored(experiment: Experiment) -> Stored:
    """What to store about an experiment's data."""
    likelihood = experiment.recipe.model.likelihood
    numbers = likelihood.settings() if isinstance(likelihood, Likelihood) else {}
    return Stored(experiment.description, experiment.about["data"], numbers)


def build(
    config: Config | Resolved,
    kept: Stored | None = None,
    *,
    data: str | None = None,
    dataset: Dataset | None = None,
    begun: Begun | None = None,
) -> Experiment:
    """Put the parts of a run together.

    Args:
      config: flags, or what they resolve to.
      kept: what is stored about the data of a trained model; the data are then loaded only when they are first used,
        and standardised by the model's units.
      data: where they are now, as `--data` takes it; by default where they were.
      dataset: the data as `opened` returns them, if they are here already.
      begun: the model whose weights training starts from.

    Raises:
      InputError: as `resolve`; or data that cannot be loaded or used, or too few for one batch.
    """
    chosen = resolve(config)
    config = chosen.config
    source: Any
    if kept is None:
        source, described = data_for(chosen, dataset, kept=None if begun is None else begun.stored)
    else:
        described = kept.description
        source = lru_cache(maxsize=1)(lambda: data_again(chosen, kept, data))
    if chosen.loss.conditional and not described.classes:
        raise InputError(f"--loss {config.loss} needs labels; {config.data} has none. Give y in the .npz, or use vae.")
    likelihood, start = chosen.likelihood, {}
    if kept is not None:
        likelihood = _with_settings(likelihood, kept.likelihood)
    elif begun is not None:
        likelihood = _with_settings(likelihood, begun.stored.likelihood)
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
    expect_batches(chosen, described.examples, config.data)
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
        initial=None if begun is None else begun.params,
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
