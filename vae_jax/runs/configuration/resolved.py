"""A configuration, resolved: every name is looked up and every number checked once, for one object that all share."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vae_jax.data.dataset import DATASETS
from vae_jax.data.preprocess import PREPROCESS, Preprocess
from vae_jax.data.whole import SPLITS
from vae_jax.distributions.base import Support
from vae_jax.errors import InputError
from vae_jax.hyperparameter import Declared, check, declared, in_words, size
from vae_jax.losses.loss import LOSSES, Loss
from vae_jax.models.likelihoods import LIKELIHOODS, Likelihood
from vae_jax.models.networks.network import INITIALIZERS, NETWORKS, Initializer, Network
from vae_jax.models.posteriors import POSTERIORS, Posterior
from vae_jax.models.priors import PRIORS, Prior
from vae_jax.registry import Registry
from vae_jax.runs.configuration.config import FREE, LENGTH, VARIED, Config, Kind, as_json, flag, with_earlier
from vae_jax.runs.process.trackers import expect_installed
from vae_jax.training.optimizers import OPTIMIZERS, Optimizer
from vae_jax.training.recipe import OPTIONAL
from vae_jax.training.schedules import SCHEDULES, Schedule

# Flags that choose from a registry, and flags that are sizes. Both are compiled in: a sweep trains them one by one.
CHOICES: dict[str, Registry] = {
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
WORDS = {
    "precision": ("float32", "bfloat16"),
    "on_nonfinite": ("stop", "skip"),
    "start": ("zero", "data"),
    "split": SPLITS,
}
SIZES = declared(
    {
        "latent": size(10),
        "batch_size": size(128),
        "epochs": size(15),
        "steps": size(1),
        "accumulate": size(1),
        "patience": size(1),
        "size": size(1),
        "beta_cycles": size(1),
    }
)
LENGTHS = declared({"minutes": 0.0, "warmup_epochs": 0.0})
LEAVES = ("beta", "warmup_steps", "weight_decay", "clip_norm", "ema", "learning_rate")  # flags of hyperparameters
SEEDS = 2**32


@dataclass(frozen=True)
class Resolved:
    """What a configuration chooses.

    Attributes:
      config: the flags, each choice under the name that its registry lists.
      loss: with its sizes.
      posterior: the class of q(z|x).
      likelihood: p(x|z), as registered.
      prior: the class of p(z).
      network: the networks.
      initializer: of their kernels.
      preprocess: pixels -> what the model sees.
      optimizer: of the parameters.
      schedule: of the learning rate.
      options: names in `training.OPTIONAL` that are chosen, or varied.
      numbers: the hyperparameters and sizes that were chosen, within their ranges.
    """

    config: Config
    loss: Loss
    posterior: type[Posterior]
    likelihood: Likelihood
    prior: type[Prior]
    network: Network
    initializer: Initializer
    preprocess: Preprocess
    optimizer: Optimizer
    schedule: Schedule
    options: tuple[str, ...]
    numbers: Mapping[str, float | int]

    @property
    def kind(self) -> Kind:
        """Whether it is a run or a sweep."""
        return self.config.kind

    @property
    def likelihood_name(self) -> str:
        """The name of p(x|z)."""
        return self.config.likelihood or self.loss.likelihood

    @property
    def declared(self) -> Declared:
        """Every hyperparameter and size that may be chosen."""
        options = {name: OPTIONAL[name] for name in self.options}
        own = {**self.posterior.declared, **self.likelihood.declared, **self.prior.declared}
        return {**self.optimizer.hyper, **self.schedule.hyper, **options, **own, **self.loss.declared}

    @property
    def depends_on_length(self) -> bool:
        """Whether the numbers of an early epoch depend on how many there will be."""
        return self.config.beta_cycles is not None or self.schedule.ends

    @property
    def free(self) -> tuple[str, ...]:
        """The flags that may differ on resumption; for a run also its length, unless what is trained depends on it."""
        if self.kind.names_models:
            return (*FREE, *VARIED)
        return FREE if self.depends_on_length else (*FREE, *LENGTH)

    @property
    def lasting(self) -> dict[str, Any]:
        """The flags that may not differ on resumption, in the form in which they are read back from JSON.

        Those that are as in runs of before they were there are left out, as these runs do not have them.
        """
        free, earlier = self.free, with_earlier({})
        flags = as_json(self.config)
        return {
            name: value
            for name, value in flags.items()
            if name not in free and not (name in earlier and earlier[name] == value)
        }

    def into(self, out: Path) -> "Resolved":
        """The same configuration, with its results in the folder `out`."""
        return replace(self, config=replace(self.config, out=out))

    def with_choices(self, choices: Mapping[str, Any]) -> "Resolved":
        """The same configuration with other choices, such as those of a cell of a sweep."""
        return resolve(replace(self.config, **choices)) if choices else self

    def number(self, name: str, value: float | str, given: str) -> float | int:
        """The value of a hyperparameter, within its range.

        Args:
          name: the hyperparameter's.
          value: a number or its text.
          given: how the user wrote it.

        Raises:
          InputError: none of the chosen parts declares it, or it is out of its range.
        """
        return _number(self.config, self.declared, name, value, given)


def resolve(config: Config | Resolved) -> Resolved:
    """Look up what a configuration chooses, and check everything that can be checked before data are loaded.

    Raises:
      InputError: an unknown name, a number out of its range, or choices that do not go together.
    """
    if isinstance(config, Resolved):
        return config
    names = {
        name: table.name_of(getattr(config, name), f"{flag(name)} {getattr(config, name)}")
        for name, table in CHOICES.items()
        if getattr(config, name) is not None
    }
    config = replace(config, **names)
    _check_flags(config)
    loss = LOSSES[config.loss]
    varied = config.varied
    chosen = Resolved(
        config,
        loss,
        POSTERIORS[config.posterior or loss.posterior],
        LIKELIHOODS[config.likelihood or loss.likelihood],
        PRIORS[config.prior],
        NETWORKS[config.model],
        INITIALIZERS[config.initializer],
        PREPROCESS[config.preprocess],
        OPTIMIZERS[config.optimizer],
        SCHEDULES[config.schedule],
        tuple(name for name in OPTIONAL if getattr(config, name) is not None or name in varied),
        {},
    )
    _expect_to_go_together(chosen)
    numbers = _numbers(config, chosen.declared)
    sizes = {name: int(value) for name, value in numbers.items() if name in loss.sizes}
    return replace(chosen, numbers=numbers, loss=loss.choose(**sizes))


def _check_flags(config: Config) -> None:
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


def _numbers(config: Config, known: Declared) -> dict[str, float | int]:
    """The hyperparameters and sizes that were chosen: `--learning-rate`, `--beta` and `--set`, checked.

    Raises:
      InputError: not NAME=NUMBER, a name that is not declared, or a number out of its range.
    """
    given: dict[str, tuple[float | str, str]] = {}
    for name in LEAVES[:-1]:
        value = getattr(config, name)
        if value is not None:
            given[name] = (value, f"{flag(name)} {in_words(value)}")
    for text in config.set:
        name, equals, number = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: expected NAME=NUMBER, as in --set gamma=100.")
        if name in given:
            raise InputError(f"--set {text}: {name} is given twice; expected each once.")
        given[name] = (number, f"--set {text}")
    given.setdefault("learning_rate", (config.learning_rate, f"--learning-rate {in_words(config.learning_rate)}"))
    return {name: _number(config, known, name, value, words) for name, (value, words) in given.items()}


def _number(config: Config, known: Declared, name: str, value: float | str, given: str) -> float | int:
    owners: dict[str, dict[str, Declared]] = {
        "optimizer": {other: entry.hyper for other, entry in OPTIMIZERS.items()},
        "schedule": {other: entry.hyper for other, entry in SCHEDULES.items()},
        "posterior": {other: entry.declared for other, entry in POSTERIORS.items()},
        "prior": {other: entry.declared for other, entry in PRIORS.items()},
    }
    for kind, hypers in owners.items():
        others = [other for other, hyper in hypers.items() if name in hyper]
        if name not in known and others:
            raise InputError(f"{given}: --{kind} {getattr(config, kind)} has none; expected {', '.join(others)}.")
    return check(name, value, known, owner=f"loss {config.loss!r}", given=given)


def epochs_of(config: Config, in_epoch: int) -> int:
    """How many epochs of `in_epoch` steps: the data set's default unless chosen."""
    if config.steps is not None:
        return -(-config.steps // in_epoch)
    if config.epochs is not None:
        return config.epochs
    return DATASETS[config.data].epochs if config.data in DATASETS else int(SIZES["epochs"].default)


def expect_defined_outside(chosen: Resolved, low: float, high: float) -> None:
    """Check that preprocessing and corruption are defined on the data's range, known once they are loaded.

    Args:
      chosen: what the flags choose.
      low: the smallest number that the model sees.
      high: the largest.

    Raises:
      InputError: they are for pixels in [0, 1], and the data go beyond.
    """
    if not 0.0 <= low <= high <= 1.0 and chosen.likelihood.support is not Support.COUNTS:
        _expect_defined(chosen, f"numbers from {low:.4g} to {high:.4g}")


def _expect_defined(chosen: Resolved, kind: str | None) -> None:
    """Check that preprocessing and corruption are defined on a kind of data: counts, or real numbers."""
    corrupt = chosen.loss.corrupt
    uses = {f"--preprocess {chosen.config.preprocess}": chosen.preprocess}
    if corrupt is not None:
        uses[f"--loss {chosen.config.loss}, whose corruption is {corrupt.__name__.replace('_', ' ')}"] = corrupt
    for given, function in uses.items():
        support = getattr(function, "support", None)
        if kind is not None and (support is Support.UNIT_INTERVAL or (support is Support.REAL and kind == "counts")):
            needs = "pixels in [0, 1]" if support is Support.UNIT_INTERVAL else "real numbers"
            raise InputError(f"{given}: it is for {needs}, and these are {kind}; expected another choice.")


def _expect_to_go_together(chosen: Resolved) -> None:
    config, loss, prior, posterior = chosen.config, chosen.loss, chosen.prior, chosen.posterior
    if loss.fixed_likelihood and config.likelihood not in (None, loss.likelihood):
        raise InputError(
            f"--likelihood {config.likelihood}: loss {config.loss!r} is defined only for {loss.likelihood}."
        )
    if loss.fixed_posterior and config.posterior not in (None, loss.posterior):
        raise InputError(f"--posterior {config.posterior}: loss {config.loss!r} is defined only for {loss.posterior}.")
    counts = chosen.likelihood.support is Support.COUNTS
    _expect_defined(chosen, "counts" if counts else "standardised rows" if config.standardise else None)
    if prior.conditional and not loss.conditional:
        raise InputError(
            f"--prior {config.prior} is p(z|y): it needs a conditional loss, --loss cvae; got {config.loss}."
        )
    if not prior.standard and loss.point:
        raise InputError(f"--prior {config.prior}: loss {config.loss!r} has no prior; its code is a point.")
    if posterior.has_density == loss.point:
        kind = "a point" if loss.point else "a density"
        raise InputError(
            f"--posterior {config.posterior}: loss {config.loss!r} needs {kind}, such as {loss.posterior}."
        )
    if posterior.reads_prior and prior.reads_posterior:
        raise InputError(
            f"--posterior {config.posterior} --prior {config.prior}: each is made of the other; expected at most one "
            "that reads the other."
        )
