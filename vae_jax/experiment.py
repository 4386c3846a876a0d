"""From a configuration to the parts of a run: the flags that every command shares, checked, and what they build."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vae_jax import data as data_sets
from vae_jax.data import DATASETS, PREPROCESS, Dataset
from vae_jax.errors import InputError, nearest
from vae_jax.keys import Keys
from vae_jax.likelihoods import LIKELIHOODS, BernoulliLikelihood
from vae_jax.losses import LOSSES, Loss
from vae_jax.model import VAE
from vae_jax.networks import INITIALIZERS, NETWORKS, Sizes
from vae_jax.optimizers import OPTIMIZERS
from vae_jax.posteriors import POSTERIORS
from vae_jax.priors import PRIORS
from vae_jax.training import CRITIC_LEARNING_RATE, Hyper, Recipe, hyperparameters

IMPROPER = "Grey pixels under a Bernoulli: a loss, not a normalised likelihood (continuous-bernoulli is one)."


@dataclass(frozen=True, kw_only=True)
class Config:
    """The flags that every command shares."""

    data: str = "digits"
    """Data set: digits or sprites (offline), mnist, fashion_mnist, binarized_mnist, another image set of TFDS, or a
    path to your own .npz (x, and perhaps y) or .npy."""
    manual_dir: Path | None = None
    """Folder with a data set's original files, in place of a download. Checksums are verified either way."""
    preprocess: str = "grey"
    """What the model sees: grey (pixels in [0, 1]), dynamic (a fresh binary draw each time) or static (1 where ≥ ½)."""
    loss: str = "vae"
    """What is minimised; the list is above."""
    likelihood: str | None = None
    """p(x|z): bernoulli (cross-entropy), continuous-bernoulli (its normalised form), gaussian (σ = 1, squared error),
    gaussian-learned (one σ, learned), gaussian-pixel (μ and σ of every pixel), logistic (256 grey levels) or
    logistic-mixture. Default: the loss's own, mostly bernoulli."""
    prior: str = "normal"
    """p(z): normal (N(0, I)), mixture (of 20 normals, learned), vamp (of the posteriors of 100 learned pseudo-inputs)
    or label (a learned normal for each label, for cvae)."""
    model: str = "dense"
    """Networks: dense, conv (Burgess 2018) or linear."""
    hidden: tuple[int, ...] | None = None
    """Widths of the hidden layers from the image inwards; the decoder mirrors them. Default: 400 (dense), 256 256
    (conv)."""
    initializer: str = "lecun"
    """Kernels at the start: lecun (variance 1/fan_in) or uniform (within ±1/√fan_in, PyTorch's default)."""
    latent: int = 10
    """Latent dimensions."""
    beta: float | None = None
    """Weight of the KL term, nats against nats; 1 is the ELBO, 0 trains a noisy autoencoder. Default: the loss's own,
    1 for vae."""
    set: tuple[str, ...] = ()
    """Other hyperparameters and sizes of the loss, as in --set gamma=100 capacity=25; the list of losses names them."""
    epochs: int | None = None
    """Passes over the training images. Default: 100 for digits, 15 for larger sets."""
    batch_size: int = 128
    """Images a step."""
    learning_rate: float = 1e-3
    """Of the optimiser."""
    optimizer: str = "adam"
    """adam, or rmsprop (centred)."""
    seed: int = 0
    """Of the initial weights, the order of the data, and all noise."""
    out: Path | None = None
    """Folder for the results. Default: runs/DATA-LOSS, numbered if it is taken."""
    resume: bool = False
    """Go on with the run in --out (by default the newest) after its last whole epoch."""


def tables() -> str:
    """The losses, data sets and networks that the flags choose from, a line each, for `--help`."""
    lines = ["Losses (hyperparameters and their defaults):"]
    for name, loss in LOSSES.items():
        hyper = ", ".join(f"{key}={value:g}" for key, value in {**_numbers(loss), **loss.options}.items())
        lines.append(f"  {name}: {_after_colon(loss.summary)}" + (f" ({hyper})" if hyper else ""))
    for title, table in (("Data sets", DATASETS), ("Networks", NETWORKS)):
        lines += ["", f"{title}:", *(f"  {name}: {entry.summary}" for name, entry in table.items())]
    return "\n".join(lines)


def _after_colon(summary: str) -> str:
    return summary.partition(": ")[2] or summary


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

    @property
    def images(self) -> bool:
        """Whether the examples are images; rows of features cannot be drawn."""
        return self.data.train.x.ndim == 4


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
        "optimizer": OPTIMIZERS,
    }
    for flag, table in tables.items():
        name = getattr(config, flag)
        if name is not None and name not in table:
            raise InputError(f"--{flag} {name}: no such {flag}; {nearest(name, table)}")
    loss = LOSSES[config.loss]
    if "pixels" in loss.needs and config.likelihood not in (None, loss.likelihood):
        raise InputError(
            f"--likelihood {config.likelihood}: loss {config.loss!r} is defined for {loss.likelihood} alone."
        )
    if config.prior == "label" and not loss.conditional:
        raise InputError(f"--prior label is p(z|y): it needs a conditional loss, --loss cvae; got {config.loss}.")
    if config.prior != "normal" and loss.posterior != "normal":
        raise InputError(f"--prior {config.prior}: loss {config.loss!r} has no prior, its code is a point.")
    for flag in ("latent", "epochs", "batch_size"):
        value = getattr(config, flag)
        if value is not None and value < 1:
            raise InputError(f"{_flag(flag)} {value}: expected a whole number of at least 1.")
    if min(config.hidden or (1,)) < 1:
        raise InputError(f"--hidden {' '.join(map(str, config.hidden or ()))}: expected widths of at least 1.")
    _overrides(config)
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
    numbers = _overrides(config)
    loss = LOSSES[config.loss]
    loss = loss.choose(**{name: int(numbers.pop(name)) for name in loss.options if name in numbers})
    likelihood, network = LIKELIHOODS[config.likelihood or loss.likelihood], NETWORKS[config.model]
    if loss.conditional and not dataset.classes:
        raise InputError(f"--loss {config.loss} needs labels; {config.data} has none. Give y in the .npz, or use vae.")
    hidden = network.hidden if config.hidden is None else config.hidden
    shape = dataset.train.x.shape[1:]
    sizes = Sizes(
        shape,
        config.latent,
        hidden,
        outputs=getattr(likelihood, "outputs", 1),
        posterior=POSTERIORS[loss.posterior],
        classes=dataset.classes if loss.conditional else 0,
        kernel_init=INITIALIZERS[config.initializer],
    )
    recipe = Recipe(
        model=VAE(*network.build(sizes), likelihood, PRIORS[config.prior](sizes)),
        loss=loss,
        batch_size=config.batch_size,
        preprocess=PREPROCESS[config.preprocess],
        optimizer=OPTIMIZERS[config.optimizer],
    )
    if len(dataset.train.x) < config.batch_size:
        raise InputError(
            f"--batch-size {config.batch_size}: {config.data} has {len(dataset.train.x)} training images; "
            "expected at most as many."
        )
    hyper = hyperparameters(recipe, learning_rate=config.learning_rate, **numbers)
    source = DATASETS.get(config.data)
    epochs = config.epochs or (source.epochs if source else 15)
    return Experiment(dataset, recipe, hyper, Keys(config.seed), epochs)


def improper(experiment: Experiment) -> bool:
    """Whether log p(x|z) is no log-likelihood of these data: a Bernoulli's, of pixels between black and white."""
    recipe, x = experiment.recipe, experiment.data.test.x
    if not isinstance(recipe.model.likelihood, BernoulliLikelihood) or recipe.preprocess is not PREPROCESS["grey"]:
        return False
    return bool(np.any((x > 0) & (x < (255 if x.dtype == np.uint8 else 1))))


def _overrides(config: Config) -> dict[str, float]:
    """`--beta` and `--set` as numbers.

    Raises:
      InputError: not NAME=NUMBER, a name that the loss does not have, or a number out of range.
    """
    loss, found = LOSSES[config.loss], {} if config.beta is None else {"beta": config.beta}
    for text in config.set:
        name, _, number = text.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise InputError(f"--set {text}: expected NAME=NUMBER, as in --set gamma=100.") from None
    for name, value in found.items():
        given = f"--beta {value}" if name == "beta" else f"--set {name}={value}"
        known = {**_numbers(loss), **loss.options}
        if name not in known:
            has = nearest(name, known) if known else "it has none."
            raise InputError(f"{given}: loss {loss.name!r} has no hyperparameter {name!r}; {has}")
        if name in loss.options and not (value >= 1 and value == int(value)):
            raise InputError(f"{given}: expected a whole number of at least 1.")
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"{given}: expected a finite number of at least 0.")
    return found


def _numbers(loss: Loss) -> dict[str, float]:
    """Hyperparameters and defaults, with that of the critic's optimiser where there is one."""
    return {**loss.hyper, **({"critic_learning_rate": CRITIC_LEARNING_RATE} if loss.critic else {})}


def _flag(field: str) -> str:
    return "--" + field.replace("_", "-")
