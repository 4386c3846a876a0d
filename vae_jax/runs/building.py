"""Building the parts of a run from a configuration."""

import math
from typing import Any

import jax
import numpy as np

from vae_jax.data.features import as_counts, bounds
from vae_jax.data.named import load
from vae_jax.data.preprocess import PREPROCESS, Preprocess
from vae_jax.data.table import Dataset, Examples
from vae_jax.distributions.base import Support
from vae_jax.errors import InputError
from vae_jax.keys import Keys
from vae_jax.losses.table import LOSSES
from vae_jax.models.likelihoods import LIKELIHOODS, Likelihood
from vae_jax.models.networks.table import INITIALIZERS, NETWORKS, NetworkConfig
from vae_jax.models.priors import PRIORS
from vae_jax.models.start import start_at
from vae_jax.models.vae import VAE
from vae_jax.runs.config import (
    Config,
    check_config,
    chosen_loss,
    epochs_of,
    flag,
    lasting,
    numbers,
    options_of,
)
from vae_jax.training.experiment import Experiment
from vae_jax.training.memory import expect_to_fit
from vae_jax.training.optimizers import OPTIMIZERS
from vae_jax.training.pure import steps_per_epoch
from vae_jax.training.recipe import Recipe, hyperparameters
from vae_jax.training.schedules import HORIZON, SCHEDULES

SEEN, TOGETHER = 5000, 250  # examples, to start a model at
STEPS = 2**31  # a state counts its steps in 32 bits


def build(config: Config) -> Experiment:
    """Load the data and put the parts together.

    Raises:
      InputError: as `check_config`; or data that cannot be loaded or used, or too few for one batch.
    """
    check_config(config)
    loss = chosen_loss(config)
    likelihood, network = LIKELIHOODS[config.likelihood or loss.likelihood], NETWORKS[config.model]
    dataset = _data_for(config, likelihood)
    if loss.conditional and not dataset.classes:
        raise InputError(f"--loss {config.loss} needs labels; {config.data} has none. Give y in the .npz, or use vae.")
    preprocess, start = PREPROCESS[config.preprocess], {}
    if config.start == "data" or (config.start is None and likelihood.far):
        likelihood, start = start_at(likelihood, *moments(dataset.train, preprocess), per_channel=network.per_channel)
    networks = NetworkConfig(
        shape=dataset.train.x.shape[1:],
        latent=config.latent,
        hidden=network.hidden if config.hidden is None else config.hidden,
        outputs=likelihood.outputs,
        posterior=loss.posterior,
        classes=dataset.classes if loss.conditional else 0,
        kernel_init=INITIALIZERS[config.initializer],
        bounds=_bounds(dataset, likelihood),
        **start,
    )
    dtype = None if config.precision == "float32" else config.precision
    recipe = Recipe(
        model=VAE(*network.build(networks), likelihood, PRIORS[config.prior].of(networks), dtype=dtype),
        loss=loss,
        batch_size=config.batch_size,
        preprocess=preprocess,
        optimizer=OPTIMIZERS[config.optimizer],
        schedule=SCHEDULES[config.schedule],
        options=options_of(config),
        accumulate=config.accumulate,
        skip_nonfinite=config.on_nonfinite == "skip",
    )
    if len(dataset.train.x) < config.batch_size:
        raise InputError(
            f"--batch-size {config.batch_size}: {config.data} has {len(dataset.train.x)} training images; "
            "expected at most that many."
        )
    expect_to_fit(recipe, dataset.train, jax.devices()[:1])
    in_epoch = steps_per_epoch(recipe, dataset.train)
    epochs = epochs_of(config, in_epoch)
    if epochs * in_epoch >= STEPS:
        raise InputError(f"--epochs {epochs}: {epochs * in_epoch:,} steps in all; expected fewer than {STEPS:,}.")
    leaves = {name: value for name, value in numbers(config).items() if name not in loss.sizes}
    hyper = hyperparameters(recipe, **{**lengths(config, in_epoch, epochs), **leaves})
    stop: Any = {"patience": config.patience, "minutes": config.minutes}
    return Experiment(dataset, recipe, hyper, Keys(config.seed), epochs, config=lasting(config), **stop)


def moments(data: Examples, preprocess: Preprocess) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each number of an example as the model sees it, from at most `SEEN` of them.

    In parts of `TOGETHER`, merged as Chan, Golub & LeVeque 1979 do.
    """
    x = data.x[:: max(len(data.x) // SEEN, 1)][:SEEN]
    keys = jax.random.split(jax.random.key(0), len(x))
    seen = jax.jit(jax.vmap(preprocess))
    count, mean, squares = 0, np.zeros(x.shape[1:]), np.zeros(x.shape[1:])
    for start in range(0, len(x), TOGETHER):
        part = np.asarray(seen(keys[start : start + TOGETHER], x[start : start + TOGETHER]), np.float64)
        n, away = len(part), part.mean(0) - mean
        squares += part.var(0) * n + away**2 * (count * n / (count + n))
        mean += away * (n / (count + n))
        count += n
    return mean, squares / count


def lengths(config: Config, in_epoch: int, epochs: int) -> dict[str, float]:
    """Hyperparameters in steps, from what flags say in epochs or of the whole run.

    Raises:
      InputError: a β that rises, for a loss whose β does not.
    """
    steps: dict[str, float] = {}
    if SCHEDULES[config.schedule].ends:
        steps[HORIZON] = float(epochs * in_epoch)
    for name, given in (("warmup_epochs", config.warmup_epochs), ("beta_cycles", config.beta_cycles)):
        if given is not None and "beta_period" not in LOSSES[config.loss].hyper:
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


def _bounds(dataset: Dataset, likelihood: Likelihood) -> tuple[float, float]:
    """Between which numbers an example may lie."""
    if dataset.train.x.ndim == 2 and likelihood.support in (Support.REAL, Support.COUNTS):
        return 0.0 if likelihood.support is Support.COUNTS else -math.inf, math.inf
    return 0.0, math.inf if likelihood.support is Support.COUNTS else 1.0


def _data_for(config: Config, likelihood: Likelihood) -> Dataset:
    """The data as the likelihood takes them.

    Raises:
      InputError: values that it gives no probability to, or rows that cannot be standardised.
    """
    how: Any = {"size": config.size, "skip_broken": config.skip_broken, "standardise": config.standardise}
    dataset = load(config.data, config.manual_dir, **how)
    support = likelihood.support
    if support is Support.COUNTS:
        dataset = as_counts(dataset)
    low, high = bounds(dataset)
    inside = low >= 0 and (support is Support.COUNTS or high <= 1)
    if support is not Support.REAL and not inside:
        fitting = ", ".join(name for name, other in LIKELIHOODS.items() if other.support is Support.REAL)
        raise InputError(
            f"likelihood {config.likelihood or LOSSES[config.loss].likelihood} is of {support.value}, and "
            f"{config.data} goes from {low:.4g} to {high:.4g}. Pass --likelihood {fitting.replace(', ', ' or ')}."
        )
    return dataset
