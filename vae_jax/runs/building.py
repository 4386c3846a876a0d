"""Building the parts of a run from a configuration."""

import jax

from vae_jax.data.named import load
from vae_jax.data.preprocess import PREPROCESS
from vae_jax.errors import InputError
from vae_jax.keys import Keys
from vae_jax.models.likelihoods import LIKELIHOODS
from vae_jax.models.networks.table import INITIALIZERS, NETWORKS, NetworkConfig
from vae_jax.models.priors import PRIORS
from vae_jax.models.vae import VAE
from vae_jax.runs.config import Config, check_config, chosen_loss, epochs_of, lasting, numbers
from vae_jax.training.experiment import Experiment
from vae_jax.training.memory import expect_to_fit
from vae_jax.training.optimizers import OPTIMIZERS
from vae_jax.training.pure import steps_per_epoch
from vae_jax.training.recipe import Recipe, hyperparameters

STEPS = 2**31  # a state counts its steps in 32 bits


def build(config: Config) -> Experiment:
    """Load the data and put the parts together.

    Raises:
      InputError: as `check_config`; or data that cannot be loaded or used, or too few for one batch.
    """
    check_config(config)
    dataset, loss = load(config.data, config.manual_dir), chosen_loss(config)
    likelihood, network = LIKELIHOODS[config.likelihood or loss.likelihood], NETWORKS[config.model]
    if loss.conditional and not dataset.classes:
        raise InputError(f"--loss {config.loss} needs labels; {config.data} has none. Give y in the .npz, or use vae.")
    networks = NetworkConfig(
        shape=dataset.train.x.shape[1:],
        latent=config.latent,
        hidden=network.hidden if config.hidden is None else config.hidden,
        outputs=likelihood.outputs,
        posterior=loss.posterior,
        classes=dataset.classes if loss.conditional else 0,
        kernel_init=INITIALIZERS[config.initializer],
    )
    dtype = None if config.precision == "float32" else config.precision
    recipe = Recipe(
        model=VAE(*network.build(networks), likelihood, PRIORS[config.prior].of(networks), dtype=dtype),
        loss=loss,
        batch_size=config.batch_size,
        preprocess=PREPROCESS[config.preprocess],
        optimizer=OPTIMIZERS[config.optimizer],
        skip_nonfinite=config.on_nonfinite == "skip",
    )
    if len(dataset.train.x) < config.batch_size:
        raise InputError(
            f"--batch-size {config.batch_size}: {config.data} has {len(dataset.train.x)} training images; "
            "expected at most that many."
        )
    expect_to_fit(recipe, dataset.train, jax.devices()[:1])
    steps = epochs_of(config) * steps_per_epoch(recipe, dataset.train)
    if steps >= STEPS:
        raise InputError(f"--epochs {config.epochs}: {steps:,} steps in all; expected fewer than {STEPS:,}.")
    leaves = {name: value for name, value in numbers(config).items() if name not in loss.sizes}
    hyper, keys = hyperparameters(recipe, **leaves), Keys(config.seed)
    return Experiment(dataset, recipe, hyper, keys, epochs_of(config), lasting(config))
