"""The flags that every command shares, and those of a sweep; which of them are sizes, and their ranges."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from vae_jax.data.preprocess import PREPROCESS
from vae_jax.data.table import DATASETS
from vae_jax.distributions.posteriors import POSTERIORS
from vae_jax.errors import InputError
from vae_jax.hyperparameter import Declared, check, declared, whole
from vae_jax.losses.table import LOSSES, Loss
from vae_jax.models.likelihoods import LIKELIHOODS
from vae_jax.models.networks.table import INITIALIZERS, NETWORKS
from vae_jax.models.priors import PRIORS
from vae_jax.table import Table
from vae_jax.training.optimizers import OPTIMIZERS

# Flags that choose from a table, and flags that are sizes. Both are compiled in: a sweep goes through them one by one.
CHOICES: dict[str, Table] = {
    "preprocess": PREPROCESS,
    "loss": LOSSES,
    "posterior": POSTERIORS,
    "likelihood": LIKELIHOODS,
    "prior": PRIORS,
    "model": NETWORKS,
    "initializer": INITIALIZERS,
    "optimizer": OPTIMIZERS,
}
SIZES = declared({"latent": whole(10), "batch_size": whole(128), "epochs": whole(15)})
SEEDS = 2**32
ON_NONFINITE = ("stop", "skip")
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class Config:
    """The flags that every command shares."""

    data: str = "digits"
    """Data set: digits or sprites (offline), mnist, fashion_mnist, binarized_mnist, another image set of TFDS, or a
    path to your own .npz (x, optionally y) or .npy."""
    manual_dir: Path | None = None
    """Folder with a data set's original files, in place of a download. Checksums are verified either way."""
    preprocess: str = "grey"
    """What the model sees: grey (pixels in [0, 1]), dynamic (a fresh binary draw each time) or static (1 where ≥ ½)."""
    loss: str = "vae"
    """Objective to minimise; the list is above."""
    posterior: str | None = None
    """q(z|x): normal (diagonal), point (an autoencoder's code) or rates (a code in (0, 1)). Default: the loss's own."""
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
    """Initial kernels: lecun (variance 1/fan_in) or uniform (within ±1/√fan_in, PyTorch's default)."""
    precision: str = "float32"
    """In which the networks compute: float32 or bfloat16. Parameters, losses and the optimiser's state are float32."""
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
    """Images per step."""
    learning_rate: float = 1e-3
    """Learning rate of the optimiser."""
    optimizer: str = "adam"
    """adam, or rmsprop (centred)."""
    seed: int = 0
    """Seed of the initial weights, the order of the data, and all noise."""
    out: Path | None = None
    """Folder for the results. Default: runs/DATA-LOSS, numbered if it is taken."""
    on_nonfinite: str = "stop"
    """What to do where the loss, a parameter or the optimiser's state becomes NaN or infinite: stop, or skip that
    update and go on."""
    resume: bool = False
    """Continue the run in --out (by default the newest) from its last checkpoint."""
    stream: bool = False
    """Read training images as training goes, with Grain, and keep none but the next few on the device: the same
    numbers, a little slower. Where they do not fit there, this is what happens; for one model, not for a sweep."""
    devices: int | None = None
    """Devices of this machine to use. A run divides each batch over them, by default over one; a sweep divides its
    models, by default over all, and on a CPU over one for each core."""
    distributed: bool = False
    """Join the other processes of this job (detected under SLURM, Open MPI, Kubernetes) and use the devices of all."""
    coordinator: str | None = None
    """With --distributed where no cluster is detected: address:port of process 0."""
    processes: int | None = None
    """With --coordinator: how many processes there are."""
    process: int | None = None
    """With --coordinator: which of them this is, from 0."""


@dataclass(frozen=True, kw_only=True)
class SweepConfig(Config):
    """The flags of a sweep: those that every command shares, with --betas and --vary for several values."""

    betas: tuple[float, ...] = ()
    """Values of β. Default: 0.25 0.5 1 2 4 8, where the loss has a β."""
    seeds: int = 3
    """How many seeds each setting is trained with: --seed and those after it."""
    vary: tuple[str, ...] = ()
    """Other things to vary, crossed with the rest, as in --vary learning_rate=1e-3,3e-4 gamma=10,100 latent=5,10.
    Hyperparameters run side by side in one program; sizes and choices (latent, model, loss, …) one after another."""
    chunk: int | None = None
    """Models trained at a time. Default: as many as fit in memory."""
    over: str = "shard_map"
    """How models spread over devices: shard_map, or pmap."""


# What may differ between a run and its resumption. What a sweep has already trained stays as it is.
HOSTS = ("devices", "distributed", "coordinator", "processes", "process")
FREE = ("out", "resume", "epochs", "manual_dir", "on_nonfinite", "stream", *HOSTS)
SWEEP_FREE = (
    *(name for name in FREE if name != "epochs"),
    *(f.name for f in fields(SweepConfig) if f.name not in Config.__annotations__),
)


def lasting(config: Config) -> dict[str, Any]:
    """What may not differ, in the form in which it is read back from JSON."""
    free = SWEEP_FREE if isinstance(config, SweepConfig) else FREE
    return json.loads(json.dumps({name: value for name, value in vars(config).items() if name not in free}))


def as_config(values: Mapping[str, Any], kind: type[Config], origin: str) -> Config:
    """A configuration from the values that JSON holds, each of the type that its field declares.

    Raises:
      InputError: a name that is not a field, one that is missing, or a value of another type.
    """
    hints = get_type_hints(kind)
    other = sorted(values.keys() ^ hints.keys())
    if other:
        raise InputError(f"{origin} is not what a command of this version wrote ({other[0]!r}).")
    return kind(**{name: _typed(value, hints[name], f"{origin}: {name}") for name, value in values.items()})


def _typed(value: Any, hint: Any, origin: str) -> Any:
    """A value of JSON as one of `hint`: a scalar, a path, a tuple of scalars, or None where that is allowed."""
    kinds = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    for kind in kinds:
        if get_origin(kind) is tuple and isinstance(value, list):
            return tuple(_typed(part, get_args(kind)[0], origin) for part in value)
        if kind is Path and isinstance(value, str):
            return Path(value)
        if type(value) is kind or (kind is float and type(value) is int):
            return value
    raise InputError(f"{origin} is {value!r:.40}; expected {hint if get_args(hint) else hint.__name__}.")


def flag(name: str) -> str:
    """The flag as typed."""
    return "--" + name.replace("_", "-")


def check_config(config: Config) -> None:
    """Check everything that can be checked before data are loaded.

    Raises:
      InputError: an unknown name, a number out of its range, or choices that do not go together.
    """
    for name, table in CHOICES.items():
        value = getattr(config, name)
        if value is not None:
            table.find(value, f"{flag(name)} {value}")
    for name in SIZES:
        value = getattr(config, name)
        if value is not None:
            check(name, value, SIZES, owner="a run", given=f"{flag(name)} {value}")
    if min(config.hidden or (1,)) < 1:
        raise InputError(f"--hidden {' '.join(map(str, config.hidden or ()))}: expected widths of at least 1.")
    if not 0 <= config.seed < SEEDS:
        raise InputError(f"--seed {config.seed}: expected a whole number from 0 to 2^32 − 1.")
    if config.precision not in PRECISIONS:
        raise InputError(f"--precision {config.precision}: expected one of {', '.join(PRECISIONS)}.")
    if config.on_nonfinite not in ON_NONFINITE:
        raise InputError(f"--on-nonfinite {config.on_nonfinite}: expected one of {', '.join(ON_NONFINITE)}.")
    _expect_to_fit(config)
    numbers(config)


def numbers(config: Config) -> dict[str, float | int]:
    """The hyperparameters and sizes that were chosen: `--learning-rate`, `--beta` and `--set`, checked.

    Raises:
      InputError: not NAME=NUMBER, a name that is not declared, or a number out of its range.
    """
    given: dict[str, tuple[float | str, str]] = {}
    if config.beta is not None:
        given["beta"] = (config.beta, f"--beta {config.beta:g}")
    for text in config.set:
        name, equals, number = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: expected NAME=NUMBER, as in --set gamma=100.")
        if name in given:
            raise InputError(f"--set {text}: {name} is given twice; expected each once.")
        given[name] = (number, f"--set {text}")
    given.setdefault("learning_rate", (config.learning_rate, f"--learning-rate {config.learning_rate:g}"))
    known, owner = hyperparameters_of(config), f"loss {config.loss!r}"
    return {n: check(n, value, known, owner=owner, given=words) for n, (value, words) in given.items()}


def hyperparameters_of(config: Config) -> Declared:
    """Every hyperparameter and size that the chosen loss and optimiser declare."""
    return {**OPTIMIZERS[config.optimizer].hyper, **LOSSES[config.loss].declared}


def chosen_loss(config: Config) -> Loss:
    """The loss, with the sizes and the posterior that were chosen for it."""
    from dataclasses import replace

    loss = LOSSES[config.loss]
    sizes: dict[str, Any] = {name: value for name, value in numbers(config).items() if name in loss.sizes}
    posterior = POSTERIORS[config.posterior] if config.posterior else loss.posterior
    return replace(loss.choose(**sizes), posterior=posterior)


def epochs_of(config: Config) -> int:
    """How many epochs: the data set's default unless chosen."""
    if config.epochs is not None:
        return config.epochs
    return DATASETS[config.data].epochs if config.data in DATASETS else int(SIZES["epochs"].default)


def _expect_to_fit(config: Config) -> None:
    loss, prior = LOSSES[config.loss], PRIORS[config.prior]
    if loss.fixed_likelihood and config.likelihood not in (None, loss.likelihood):
        raise InputError(
            f"--likelihood {config.likelihood}: loss {config.loss!r} is defined only for {loss.likelihood}."
        )
    if prior.conditional and not loss.conditional:
        raise InputError(
            f"--prior {config.prior} is p(z|y): it needs a conditional loss, --loss cvae; got {config.loss}."
        )
    if not prior.standard and not loss.posterior.has_density:
        raise InputError(f"--prior {config.prior}: loss {config.loss!r} has no prior; its code is a point.")
    if config.posterior and POSTERIORS[config.posterior].has_density != loss.posterior.has_density:
        kind = "a density" if loss.posterior.has_density else "a point"
        raise InputError(
            f"--posterior {config.posterior}: loss {config.loss!r} needs {kind}, such as {loss.posterior.name}."
        )
