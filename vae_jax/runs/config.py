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
from vae_jax.runs.flags import DataFlags, DeviceFlags, ModelFlags, OutputFlags, SweepFlags, TrainingFlags
from vae_jax.runs.trackers import expect_installed
from vae_jax.table import Table
from vae_jax.training.optimizers import OPTIMIZERS
from vae_jax.training.recipe import OPTIONAL
from vae_jax.training.schedules import SCHEDULES

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
    "schedule": SCHEDULES,
}
WORDS = {"precision": ("float32", "bfloat16"), "on_nonfinite": ("stop", "skip"), "start": ("zero", "data")}
SIZES = declared(
    {
        "latent": whole(10),
        "batch_size": whole(128),
        "epochs": whole(15),
        "steps": whole(1),
        "accumulate": whole(1),
        "patience": whole(1),
        "size": whole(1),
        "beta_cycles": whole(1),
    }
)
LENGTHS = declared({"minutes": 0.0, "warmup_epochs": 0.0})
LEAVES = ("beta", "warmup_steps", "weight_decay", "clip_norm", "ema", "learning_rate")  # flags of hyperparameters
SEEDS = 2**32


@dataclass(frozen=True, kw_only=True)
class Config(DataFlags, ModelFlags, TrainingFlags, OutputFlags, DeviceFlags):
    """The flags that every command shares."""


@dataclass(frozen=True, kw_only=True)
class SweepConfig(SweepFlags, Config):
    """The flags of a sweep: those that every command shares, with --betas and --vary for several values."""


# What may differ between a run and its resumption. What a sweep has already trained stays as it is.
HOSTS = ("devices", "distributed", "coordinator", "processes", "process")
LENGTH = ("epochs", "steps")
FREE = ("out", "resume", "tracker", "minutes", "manual_dir", "on_nonfinite", "stream", *HOSTS)
VARIED = tuple(field.name for field in fields(SweepFlags))


def free_of(config: Config) -> tuple[str, ...]:
    """The flags that may differ when a run or sweep goes on: its length too, unless what is trained depends on it."""
    if isinstance(config, SweepConfig):
        return (*FREE, *VARIED)
    return FREE if depends_on_length(config) else (*FREE, *LENGTH)


def depends_on_length(config: Config) -> bool:
    """Whether the numbers of an early epoch depend on how many there will be."""
    schedule = SCHEDULES.get(config.schedule)
    return config.beta_cycles is not None or (schedule is not None and schedule.ends)


def lasting(config: Config) -> dict[str, Any]:
    """What may not differ, in the form in which it is read back from JSON."""
    free = free_of(config)
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
    return kind(**{name: typed(value, hints[name], f"{origin}: {name}") for name, value in values.items()})


def typed(value: Any, hint: Any, origin: str) -> Any:
    """A value of JSON as one of `hint`: a scalar, a path, a tuple of scalars, or None where that is allowed."""
    kinds = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    for kind in kinds:
        if get_origin(kind) is tuple and isinstance(value, list):
            return tuple(typed(part, get_args(kind)[0], origin) for part in value)
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
    for name, known in {**dict.fromkeys(SIZES, SIZES), **dict.fromkeys(LENGTHS, LENGTHS)}.items():
        value = getattr(config, name)
        if value is not None:
            check(name, value, known, owner="a run", given=f"{flag(name)} {value}")
    if min(config.hidden or (1,)) < 1:
        raise InputError(f"--hidden {' '.join(map(str, config.hidden or ()))}: expected widths of at least 1.")
    if not 0 <= config.seed < SEEDS:
        raise InputError(f"--seed {config.seed}: expected a whole number from 0 to 2^32 − 1.")
    for name in config.tracker:
        expect_installed(name)
    for name, words in WORDS.items():
        if getattr(config, name) not in (None, *words):
            raise InputError(f"{flag(name)} {getattr(config, name)}: expected one of {', '.join(words)}.")
    if config.epochs is not None and config.steps is not None:
        raise InputError("--epochs and --steps both say how long; expected one of them.")
    _expect_to_fit(config)
    numbers(config)


def numbers(config: Config) -> dict[str, float | int]:
    """The hyperparameters and sizes that were chosen: `--learning-rate`, `--beta` and `--set`, checked.

    Raises:
      InputError: not NAME=NUMBER, a name that is not declared, or a number out of its range.
    """
    given: dict[str, tuple[float | str, str]] = {}
    for name in LEAVES[:-1]:
        value = getattr(config, name)
        if value is not None:
            given[name] = (value, f"{flag(name)} {value:g}")
    for text in config.set:
        name, equals, number = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: expected NAME=NUMBER, as in --set gamma=100.")
        if name in given:
            raise InputError(f"--set {text}: {name} is given twice; expected each once.")
        given[name] = (number, f"--set {text}")
    given.setdefault("learning_rate", (config.learning_rate, f"--learning-rate {config.learning_rate:g}"))
    return {n: checked(config, n, value, words) for n, (value, words) in given.items()}


def checked(config: Config, name: str, value: float | str, given: str) -> float | int:
    """The value of a hyperparameter that the chosen loss, optimiser or schedule declares.

    Raises:
      InputError: none of them does, or it is out of its range.
    """
    known = hyperparameters_of(config)
    for kind, table in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
        others = [other for other, entry in table.items() if name in entry.hyper]
        if name not in known and others:
            raise InputError(f"{given}: --{kind} {getattr(config, kind)} has none; expected {', '.join(others)}.")
    return check(name, value, known, owner=f"loss {config.loss!r}", given=given)


def hyperparameters_of(config: Config) -> Declared:
    """Every hyperparameter and size that the chosen loss, optimiser and schedule declare."""
    options = {name: OPTIONAL[name] for name in options_of(config)}
    of_training = {**OPTIMIZERS[config.optimizer].hyper, **SCHEDULES[config.schedule].hyper, **options}
    return {**of_training, **LOSSES[config.loss].declared}


def options_of(config: Config) -> tuple[str, ...]:
    """Those of `OPTIONAL` that are chosen by a flag, or varied."""
    varied = {text.partition("=")[0] for text in config.vary} if isinstance(config, SweepConfig) else set()
    return tuple(name for name in OPTIONAL if getattr(config, name) is not None or name in varied)


def chosen_loss(config: Config) -> Loss:
    """The loss, with the sizes and the posterior that were chosen for it."""
    from dataclasses import replace

    loss = LOSSES[config.loss]
    sizes: dict[str, Any] = {name: value for name, value in numbers(config).items() if name in loss.sizes}
    posterior = POSTERIORS[config.posterior] if config.posterior else loss.posterior
    return replace(loss.choose(**sizes), posterior=posterior)


def epochs_of(config: Config, in_epoch: int) -> int:
    """How many epochs of `in_epoch` steps: the data set's default unless chosen."""
    if config.steps is not None:
        return -(-config.steps // in_epoch)
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
