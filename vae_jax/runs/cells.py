"""What a configuration trains, in cells: what cannot share a compiled program runs one after another.

A run is a sweep of one cell with one member.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from vae_jax.errors import InputError
from vae_jax.hyperparameter import check, declared, whole
from vae_jax.losses.table import LOSSES
from vae_jax.runs.building import build
from vae_jax.runs.config import (
    CHOICES,
    LEAVES,
    SEEDS,
    SIZES,
    Config,
    SweepConfig,
    check_config,
    checked,
    flag,
    hyperparameters_of,
)
from vae_jax.training.experiment import Experiment
from vae_jax.training.layout import OVER
from vae_jax.training.members import Members, expect_apart, grid

BETAS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


class Cell(NamedTuple):
    """The part of a sweep that shares one compiled program.

    Attributes:
      choices: the choices and sizes that are varied, with this cell's values.
      experiment: as from `build`.
      members: every combination of the other values and seeds.
    """

    choices: dict[str, Any]
    experiment: Experiment
    members: Members


def cells(config: Config) -> list[Cell]:
    """The cells of a sweep, in the order of its flags; a run is one cell.

    Raises:
      InputError: as `build`; or a value that is not a number, is out of range, or is given twice.
    """
    if not isinstance(config, SweepConfig):
        experiment = build(config)
        return [Cell({}, experiment, experiment.members)]
    _check_sweep(config)
    varied = _varied(config)
    compiled = {name: values for name, values in varied.items() if name in (*CHOICES, *SIZES)}
    combinations = [dict(zip(compiled, values, strict=True)) for values in itertools.product(*compiled.values())]
    configs = [replace(config, **choices) for choices in combinations]
    for cell in configs:
        check_config(cell)
    return [_cell(cell, choices, varied) for cell, choices in zip(configs, combinations, strict=True)]


def _cell(config: SweepConfig, choices: dict[str, Any], varied: dict[str, list[str]]) -> Cell:
    """One cell, its members checked against what its loss and optimiser declare."""
    loss = LOSSES[config.loss]
    leaves: dict[str, Sequence[float]] = {}
    betas = config.betas or (BETAS if "beta" in loss.hyper and "beta" not in varied else ())
    if betas:
        leaves["beta"] = [checked(config, "beta", beta, f"--betas {beta:g}") for beta in betas]
    for name, values in varied.items():
        if name in choices:
            continue
        if name in loss.sizes:
            raise InputError(f"--vary {name}: a size of the loss is compiled in; choose one with --set {name}=….")
        if name in Config.__dataclass_fields__ and name not in hyperparameters_of(config) and name not in LEAVES:
            raise InputError(f"--vary {name}: this flag has one value for the whole sweep; give it as {flag(name)} ….")
        leaves[name] = [checked(config, name, v, f"--vary {name}={v}") for v in values]
    experiment = build(config)
    fixed = {name: float(value) for name, value in experiment.hyper.items() if name not in leaves}
    seeds = range(config.seed, config.seed + config.seeds)
    return Cell(choices, experiment, grid(experiment.recipe, seeds=seeds, **fixed, **leaves))


def _varied(config: SweepConfig) -> dict[str, list[Any]]:
    """`--vary` as name -> values: whole numbers for sizes, names for choices, and hyperparameters as written."""
    varied: dict[str, list[Any]] = {}
    for text in config.vary:
        name, _, listed = text.partition("=")
        if not listed or name in varied or (name == "beta" and config.betas):
            raise InputError(f"--vary {text}: expected NAME=VALUE,VALUE,… with each name once, as in latent=5,10.")
        values: list[Any] = listed.split(",")
        if name in SIZES:
            values = [check(name, value, SIZES, owner="a run", given=f"--vary {name}={value}") for value in values]
        expect_apart(f"--vary {text}", values)
        varied[name] = values
    return varied


def _check_sweep(config: SweepConfig) -> None:
    if config.beta is not None:
        raise InputError(f"--beta {config.beta:g}: a sweep takes --betas, one or more values.")
    counts = declared({"seeds": whole(3), "chunk": whole(1)})
    for name in counts:
        value = getattr(config, name)
        if value is not None:
            check(name, value, counts, owner="a sweep", given=f"--{name} {value}")
    if config.seed + config.seeds > SEEDS:
        raise InputError(f"--seed {config.seed} --seeds {config.seeds}: expected seeds up to 2^32 − 1.")
    if config.over not in OVER:
        raise InputError(f"--over {config.over}: expected one of {', '.join(OVER)}.")
