"""From a configuration to the parts of a run: the flags that every command shares, checked, and what they build."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax

from vae_jax import data as data_sets
from vae_jax.data import DATASETS, PREPROCESS, Dataset
from vae_jax.distributions import StandardNormal
from vae_jax.errors import InputError, nearest
from vae_jax.likelihoods import LIKELIHOODS
from vae_jax.losses import LOSSES
from vae_jax.model import VAE
from vae_jax.networks import INITIALIZERS, NETWORKS, Sizes
from vae_jax.training import Hyper, Recipe, hyperparameters

PRIORS = {"normal": StandardNormal}


@dataclass(frozen=True, kw_only=True)
class Config:
    """The flags that every command shares."""

    data: str = "digits"
    """Data set: digits (offline), mnist, fashion_mnist, binarized_mnist, another image set of TFDS, or a path to your
    own .npz (x, and perhaps y) or .npy."""
    manual_dir: Path | None = None
    """Folder with a data set's original files, in place of a download. Checksums are verified either way."""
    preprocess: str = "grey"
    """What the model sees: grey (pixels in [0, 1]), dynamic (a fresh binary draw each time) or static (1 where ≥ ½)."""
    loss: str = "vae"
    """What is minimised; a name in vae_jax.losses.LOSSES."""
    likelihood: str = "bernoulli"
    """p(x|z): bernoulli (cross-entropy), gaussian (σ = 1, squared error) or gaussian-learned (one σ, learned)."""
    prior: str = "normal"
    """p(z): normal, N(0, I)."""
    model: str = "dense"
    """Networks: dense, conv (Burgess 2018) or linear."""
    hidden: tuple[int, ...] | None = None
    """Widths of the hidden layers from the image inwards; the decoder mirrors them. Default: 400 (dense), 256 256
    (conv)."""
    initializer: str = "lecun"
    """Kernels at the start: lecun (variance 1/fan_in) or uniform (within ±1/√fan_in, PyTorch's default)."""
    latent: int = 10
    """Latent dimensions."""
    beta: float = 1.0
    """Weight of the KL term, nats against nats; 1 is the ELBO, 0 trains a noisy autoencoder."""
    epochs: int | None = None
    """Passes over the training images. Default: 100 for digits, 15 for larger sets."""
    batch_size: int = 128
    """Images a step."""
    learning_rate: float = 1e-3
    """Of Adam."""
    seed: int = 0
    """Of the initial weights, the order of the data, and all noise."""
    out: Path | None = None
    """Folder for the results. Default: runs/DATA-LOSS, numbered if it is taken."""
    resume: bool = False
    """Go on with the run in --out (by default the newest) after its last whole epoch."""


class Keys(NamedTuple):
    """A seed's keys, apart by use. `train` is the key of `training.run`."""

    train: jax.Array
    validation: jax.Array
    test: jax.Array
    pictures: jax.Array

    @classmethod
    def of_seed(cls, seed: int) -> "Keys":
        return cls(*jax.random.split(jax.random.key(seed), len(cls._fields)))


class Experiment(NamedTuple):
    """What a configuration builds.

    Attributes:
      data: train, validation and test.
      recipe: static; the model is `recipe.model`.
      hyper: float32 leaves.
      keys: one for each use.
      epochs: how many.
    """

    data: Dataset
    recipe: Recipe
    hyper: Hyper
    keys: Keys
    epochs: int


def check(config: Config) -> None:
    """Everything that can be known to be wrong before data are loaded.

    Raises:
      InputError: an unknown name, or a number that is out of its range.
    """
    tables = {
        "preprocess": PREPROCESS,
        "loss": LOSSES,
        "likelihood": LIKELIHOODS,
        "prior": PRIORS,
        "model": NETWORKS,
        "initializer": INITIALIZERS,
    }
    for flag, table in tables.items():
        name = getattr(config, flag)
        if name not in table:
            raise InputError(f"--{flag} {name}: no such {flag}; {nearest(name, table)}")
    for flag in ("latent", "epochs", "batch_size"):
        value = getattr(config, flag)
        if value is not None and value < 1:
            raise InputError(f"{_flag(flag)} {value}: expected a whole number of at least 1.")
    if min(config.hidden or (1,)) < 1:
        raise InputError(f"--hidden {' '.join(map(str, config.hidden or ()))}: expected widths of at least 1.")
    if not (math.isfinite(config.beta) and config.beta >= 0):
        raise InputError(f"--beta {config.beta}: expected a finite number of at least 0.")
    if not (math.isfinite(config.learning_rate) and config.learning_rate > 0):
        raise InputError(f"--learning-rate {config.learning_rate}: expected a finite number above 0.")
    if not 0 <= config.seed < 2**32:
        raise InputError(f"--seed {config.seed}: expected a whole number from 0 to 2^32 − 1.")


def build(config: Config) -> Experiment:
    """Load the data and put the parts together.

    Raises:
      InputError: as `check`; or data that cannot be had or used, or too few for one batch.
    """
    check(config)
    dataset = data_sets.load(config.data, config.manual_dir)
    likelihood, network = LIKELIHOODS[config.likelihood], NETWORKS[config.model]
    hidden = network.hidden if config.hidden is None else config.hidden
    shape = dataset.train.x.shape[1:]
    outputs = getattr(likelihood, "outputs", 1)
    encoder, decoder = network.build(Sizes(shape, config.latent, hidden, outputs, INITIALIZERS[config.initializer]))
    recipe = Recipe(
        model=VAE(encoder, decoder, likelihood, PRIORS[config.prior](config.latent)),
        loss=LOSSES[config.loss],
        batch_size=config.batch_size,
        preprocess=PREPROCESS[config.preprocess],
    )
    if len(dataset.train.x) < config.batch_size:
        raise InputError(
            f"--batch-size {config.batch_size}: {config.data} has {len(dataset.train.x)} training images; "
            "expected at most as many."
        )
    hyper = hyperparameters(recipe, learning_rate=config.learning_rate, beta=config.beta)
    source = DATASETS.get(config.data)
    epochs = config.epochs or (source.epochs if source else 15)
    return Experiment(dataset, recipe, hyper, Keys.of_seed(config.seed), epochs)


def _flag(field: str) -> str:
    return "--" + field.replace("_", "-")
