"""What a configuration trains, as cells: each shares one compiled program, and they are trained one after another.

A run is a sweep of one cell with one member.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vae_jax.data.dataset import Dataset
from vae_jax.errors import InputError
from vae_jax.hyperparameter import check, declared, in_words, size
from vae_jax.runs.configuration.building import build
from vae_jax.runs.configuration.config import Config, SweepConfig, flag
from vae_jax.runs.configuration.datasets import Begun
from vae_jax.runs.configuration.resolved import CHOICES, LEAVES, SEEDS, SIZES, Resolved, resolve
from vae_jax.training.experiment import Experiment
from vae_jax.training.layout import OVER
from vae_jax.training.members import Members, expect_apart, product

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


def cells(config: Config | Resolved, dataset: Dataset | None = None, begun: Begun | None = None) -> list[Cell]:
    """The cells of a sweep, in the order of its flags; a run is one cell.

    Args:
      config: flags, or what they resolve to.
      dataset: the data as `opened` returns them, if they are here already.
      begun: the model whose weights training starts from.

    Raises:
      InputError: as `build`; or a value that is not a number, is out of range, or is given twice.
    """
    flags = config.config if isinstance(config, Resolved) else config
    if not isinstance(flags, SweepConfig):
        experiment = build(config, dataset=dataset, begun=begun)
        return [Cell({}, experiment, experiment.members)]
    _check_sweep(flags)
    varied = {name: _compiled(name, values) for name, values in flags.varied.items()}
    compiled = {name: values for name, values in varied.items() if name in (*CHOICES, *SIZES)}
    combinations = [dict(zip(compiled, values, strict=True)) for values in itertools.product(*compiled.values())]
    base = resolve(config)
    planned = [(base.with_choices(choices), choices) for choices in combinations]
    numbers = [_leaves(cell, flags, {n: v for n, v in varied.items() if n not in choices}) for cell, choices in planned]
    here = None if "size" in compiled else dataset  # which changes the images themselves
    return [_cell(cell, choices, leaves, here, begun) for (cell, choices), leaves in zip(planned, numbers, strict=True)]


def _cell(
    chosen: Resolved,
    choices: dict[str, Any],
    leaves: Mapping[str, Sequence[float]],
    dataset: Dataset | None,
    begun: Begun | None,
) -> Cell:
    """One cell, with every combination of its leaves and seeds."""
    config = chosen.config
    assert isinstance(config, SweepConfig)
    experiment = build(chosen, dataset=dataset, begun=begun)
    fixed = {name: [float(value)] for name, value in experiment.hyper.items() if name not in leaves}
    seeds = range(config.seed, config.seed + config.seeds)
    return Cell(choices, experiment, product(experiment.recipe, {**fixed, **leaves}, seeds))


def _leaves(chosen: Resolved, flags: SweepConfig, varied: Mapping[str, Sequence[Any]]) -> dict[str, list[float]]:
    """The hyperparameters that members of a cell differ in, each value within its range."""
    loss, leaves = chosen.loss, {}
    betas = flags.betas or (BETAS if "beta" in loss.hyper and "beta" not in varied else ())
    if betas:
        leaves["beta"] = [chosen.number("beta", beta, f"--betas {in_words(beta)}") for beta in betas]
    for name, values in varied.items():
        if chosen.declared.get(name) is not None and chosen.declared[name].integer:
            raise InputError(f"--vary {name}: this size is compiled in; choose one with --set {name}=….")
        if name in Config.__dataclass_fields__ and name not in chosen.declared and name not in LEAVES:
            raise InputError(f"--vary {name}: this flag has one value for the whole sweep; give it as {flag(name)} ….")
        leaves[name] = [chosen.number(name, value, f"--vary {name}={value}") for value in values]
    return leaves


def _compiled(name: str, values: Sequence[str]) -> list[Any]:
    """Values of `--vary`: whole numbers for sizes, the names that registries list for choices, others as written."""
    given = [f"--vary {name}={value}" for value in values]
    found: list[Any] = list(values)
    if name in SIZES:
        found = [check(name, v, SIZES, owner="a run", given=g) for v, g in zip(values, given, strict=True)]
    elif name in CHOICES:
        found = [CHOICES[name].name_of(v, f"{flag(name)} {v}") for v in values]
    expect_apart(f"--vary {name}={','.join(values)}", found)
    return found


def _check_sweep(config: SweepConfig) -> None:
    if config.beta is not None:
        raise InputError(f"--beta {in_words(config.beta)}: a sweep takes --betas, one or more values.")
    counts = declared({"seeds": size(3), "chunk": size(1)})
    for name in counts:
        value = getattr(config, name)
        if value is not None:
            check(name, value, counts, owner="a sweep", given=f"--{name} {value}")
    if config.seed + config.seeds > SEEDS:
        raise InputError(f"--seed {config.seed} --seeds {config.seeds}: expected seeds up to 2^32 − 1.")
    if config.over not in OVER:
        raise InputError(f"--over {config.over}: expected one of {', '.join(OVER)}.")
