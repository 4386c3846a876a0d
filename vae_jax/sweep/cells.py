"""The flags of a sweep, and the cells they make: what cannot share a compiled program goes cell by cell."""

import itertools
import math
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from vae_jax.errors import InputError, nearest
from vae_jax.experiment import Config, Experiment, build, check
from vae_jax.losses import LOSSES
from vae_jax.sweep.members import Members, grid

BETAS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
# Flags that are compiled in: each of their values is a cell of its own.
STATIC = ("preprocess", "loss", "likelihood", "prior", "model", "initializer", "optimizer")
STATIC += ("latent", "batch_size", "epochs")

# Flags that may differ between a sweep and its resumption: what is trained already stays as it is.
FREE = ("out", "resume", "manual_dir", "betas", "seeds", "vary", "chunk", "devices")
FREE += ("distributed", "coordinator", "processes", "process")


@dataclass(frozen=True, kw_only=True)
class SweepConfig(Config):
    """The flags of `experiments/sweep.py`: those that every command shares, and these."""

    betas: tuple[float, ...] = ()
    """Values of β. Default: 0.25 0.5 1 2 4 8, where the loss has a β."""
    seeds: int = 3
    """How many seeds each setting is trained with: --seed and those after it."""
    vary: tuple[str, ...] = ()
    """Other things to vary, crossed with the rest, as in --vary learning_rate=1e-3,3e-4 gamma=10,100 latent=5,10.
    Hyperparameters go side by side in one program; sizes and choices (latent, model, loss, …) one after another."""
    chunk: int | None = None
    """Models trained at a time. Default: as many as fit the memory."""
    devices: int | None = None
    """Devices of this machine to spread over. Default: all; on a CPU, one for each core."""
    distributed: bool = False
    """Join the other processes of this job (found under SLURM, Open MPI or Kubernetes); each trains its share."""
    coordinator: str | None = None
    """With --distributed and no cluster to be found: address:port of process 0."""
    processes: int | None = None
    """With --coordinator: how many processes there are."""
    process: int | None = None
    """With --coordinator: which of them this is, from 0."""


class Cell(NamedTuple):
    """The part of a sweep that shares its compiled program.

    Attributes:
      choices: the static flags that are varied, with this cell's values.
      experiment: as `build` gives it.
      members: every combination of the other values and seeds.
    """

    choices: dict[str, Any]
    experiment: Experiment
    members: Members


def cells(config: SweepConfig) -> list[Cell]:
    """The cells of a sweep, in the order of its flags.

    Raises:
      InputError: as `build`; or a value that is no number, is out of range, or is given twice.
    """
    if config.beta is not None:
        raise InputError(f"--beta {config.beta:g}: a sweep takes --betas, one or more values.")
    if config.seeds < 1:
        raise InputError(f"--seeds {config.seeds}: expected how many, at least 1.")
    for flag in ("chunk", "devices"):
        value = getattr(config, flag)
        if value is not None and value < 1:
            raise InputError(f"--{flag} {value}: expected a whole number of at least 1.")
    static, leaves = _varied(config)
    found = []
    for combination in itertools.product(*static.values()):
        choices = dict(zip(static, combination, strict=True))
        cell = replace(config, **choices)
        check(cell)
        loss = LOSSES[cell.loss]
        betas = config.betas or (BETAS if "beta" in loss.hyper and "beta" not in leaves else ())
        values = {**({"beta": list(betas)} if betas else {}), **leaves}
        for name in values:
            known = {**loss.hyper, "learning_rate": 1e-3}
            if name not in known:
                flag = "--betas" if name == "beta" else "--vary"
                raise InputError(
                    f"{flag}: loss {loss.name!r} has no hyperparameter {name!r}; {nearest(name, [*known, *STATIC])}"
                )
        experiment = build(cell)
        fixed = {name: float(value) for name, value in experiment.hyper.items() if name not in values}
        seeds = range(config.seed, config.seed + config.seeds)
        found.append(Cell(choices, experiment, grid(experiment.recipe, seeds=seeds, **fixed, **values)))
    return found


def _varied(config: SweepConfig) -> tuple[dict[str, list[Any]], dict[str, list[float]]]:
    """`--vary` as static flags and as leaves, name -> values."""
    static, leaves = {}, {"beta": list(config.betas)} if config.betas else {}
    kinds = {field.name: field.type for field in fields(Config)}
    for text in config.vary:
        name, _, values = text.partition("=")
        if not values or name in static or name in leaves:
            raise InputError(f"--vary {text}: expected NAME=VALUE,VALUE,… with each name once, as in latent=5,10.")
        if name in STATIC:
            whole = "int" in str(kinds[name])
            static[name] = [_number(value, text, whole=True) if whole else value for value in values.split(",")]
            if len(set(static[name])) < len(static[name]):
                raise InputError(f"--vary {text}: a value is given twice; expected each once.")
        else:
            leaves[name] = [_number(value, text) for value in values.split(",")]
    for name, values in leaves.items():
        for value in values:
            if not (math.isfinite(value) and value >= 0) or (name == "learning_rate" and value == 0):
                raise InputError(f"{name} {value}: expected finite numbers of at least 0; a learning rate, above 0.")
    return static, leaves


def _number(value: str, text: str, *, whole: bool = False) -> float | int:
    try:
        return int(value) if whole else float(value)
    except ValueError:
        kind = "whole numbers" if whole else "numbers"
        raise InputError(f"--vary {text}: {value!r} is no number; expected {kind} with commas between them.") from None
