"""The parts of a run: members that are trained together and stay together on disk.

If they were regrouped, members that run side by side in one program might change in the last bit.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vae_jax.errors import InputError
from vae_jax.evaluation.populations import ModelResult
from vae_jax.runs.configuration.cells import Cell
from vae_jax.runs.configuration.datasets import Stored, stored_of
from vae_jax.runs.configuration.resolved import CHOICES, SEEDS, SIZES
from vae_jax.runs.process import hosts
from vae_jax.runs.storage.store import Store
from vae_jax.training import pure
from vae_jax.training.experiment import Experiment
from vae_jax.training.layout import lay_out
from vae_jax.training.memory import members_that_fit
from vae_jax.writing import plain, read_sealed, write_sealed

MODEL = "model.json"
Run = dict[str, Any]  # a member by its numbers: hyperparameters and seed


@dataclass
class Part:
    """Members that are trained together.

    Attributes:
      choices: those of the cell.
      runs: the members.
      path: their own folder, with `part.json` and the checkpoints.
      rows: their results, once they are trained.
      epoch: that of the checkpoint that the results belong to.
      stored: what is stored about the data, in `model.json`; None if that is missing, as in folders of version 0.2.
    """

    choices: dict[str, Any]
    runs: list[Run]
    path: Path
    rows: list[ModelResult] | None = None
    epoch: int | None = None
    stored: Stored | None = None

    @property
    def store(self) -> Store:
        """The checkpoints of the part."""
        return Store(self.path / "states")

    def write(self) -> None:
        """Write the members, and their results if any; all processes wait until the first has written."""
        if hosts.is_first():
            self.path.mkdir(parents=True, exist_ok=True)
            content = {"choices": self.choices, "members": self.runs, "results": self.rows, "epoch": self.epoch}
            if self.stored is not None:
                write_sealed(self.path / MODEL, self.stored.as_json())
                content["model"] = _sum_of(self.path / MODEL)  # no other run's, which would shift a model in silence
            write_sealed(self.path / "part.json", content)
        hosts.wait(f"written {self.path.name}")

    def finish(self, rows: Sequence[ModelResult], epoch: int) -> None:
        """Store the results of an epoch, in the form in which they are read back: what is not defined is None."""
        self.epoch = epoch
        self.rows = [ModelResult.of(row) for row in json.loads(json.dumps(plain(rows)))]
        self.write()

    def is_finished(self) -> bool:
        """Whether it has results whose checkpoint is whole; prints a line if the checkpoint is not."""
        if self.rows is None or self.epoch is None:
            return False
        wrong = hosts.agree(len(self.store.verify(self.epoch)))
        if wrong and hosts.is_first():
            print(f"the checkpoint of the results in {self.path} is not whole: training again.", file=sys.stderr)
        return not wrong

    def restore(self, experiment: Experiment) -> tuple[int, dict[str, Any]] | None:
        """`(epochs done, {"states": …, "bad": …})` of the newest checkpoint that is whole, leaves `[n, …]`, or None."""
        return self.store.restore(layout_of(experiment), count=len(self.runs), about=experiment.about)


def read_parts(folder: Path, choices: dict[str, Any] | None = None) -> list[Part]:
    """The parts in a run's `checkpoints` folder, of one cell or of all.

    Raises:
      InputError: a `part.json` that is not what a command wrote.
    """
    parts = map(_read_part, sorted(folder.glob("*/part.json")))
    return [part for part in parts if choices is None or part.choices == choices]


def _read_part(path: Path) -> Part:
    try:
        content = read_sealed(path)
        part = Part(
            dict(content["choices"]),
            [dict(run) for run in content["members"]],
            path.parent,
            None if content["results"] is None else [ModelResult.of(row) for row in content["results"]],
            content["epoch"],
            _read_stored(path.parent / MODEL, content.get("model")),
        )
        _expect_plain(part)
        if not part.runs or path.parent.name != _digest(part.choices, part.runs):
            raise ValueError("its members are not those of its folder's name")
        return part
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{path} is not what a command wrote ({error}); go on with --resume, which takes its models up again."
        ) from error


def _expect_plain(part: Part) -> None:
    """Check the types in a `part.json`, which may be a stranger's.

    Raises:
      ValueError: names or numbers that no command writes.
    """
    numbers = [value for run in part.runs for value in run.values()]
    seeds = [run.get("seed") for run in part.runs]
    seeded = all(type(seed) is int and 0 <= seed < SEEDS for seed in seeds)
    if not all(type(value) in (int, float) for value in numbers) or not seeded:
        raise ValueError("its members are not numbers")
    if part.choices.keys() - {*CHOICES, *SIZES} or not all(type(v) in (int, str) for v in part.choices.values()):
        raise ValueError("its choices are none")
    if part.epoch is not None and type(part.epoch) is not int:
        raise ValueError("its epoch is no number")
    for row in part.rows or []:
        measures = (value for name, value in row.measures.items() if name != "rate_per_latent")
        if not all(value is None or type(value) in (int, float) for value in measures):
            raise ValueError("its results are not numbers")
        if not all(type(value) in (int, float, str) for value in row.setting.values()):
            raise ValueError("its settings are neither numbers nor names")
        if not {name for run in part.runs for name in run} <= {*row.setting, "seed"}:
            raise ValueError("its results are of other members")
    if part.rows is not None and len(part.rows) != len(part.runs):
        raise ValueError("its results are not one for each member")


def _sum_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_stored(path: Path, digest: str | None) -> Stored | None:
    """What is stored about the data; None if it is missing, or not what the part wrote, which prints a line."""
    if not path.exists():
        return None
    try:
        if _sum_of(path) != digest:
            raise ValueError("it is not the one that belongs to this part")
        return stored_of(read_sealed(path))
    except (OSError, ValueError) as error:
        print(f"{path} is damaged ({error}): the data themselves are needed.", file=sys.stderr)
        return None


def parts_of(folder: Path, cell: Cell, devices: tuple[Any, ...], chunk: int | None) -> list[Part]:
    """The parts of a cell: those on disk, and as few more as memory allows for the members still to be trained.

    The name of a part's folder is a digest of its members: with a damaged `part.json`, they are trained again, from the
    part's last checkpoint if the members on hand are divided as before.

    Args:
      folder: a run's `checkpoints`.
      cell: what to train.
      devices: those that train.
      chunk: members trained at a time; None for as many as fit in memory.
    """
    for path in sorted(folder.glob("*/part.json")) if hosts.is_first() else ():
        try:
            _read_part(path)
        except InputError as error:
            print(f"{path} is damaged ({error.__cause__}): going on from its checkpoints.", file=sys.stderr)
            path.unlink()
    hosts.wait("read parts")
    known = read_parts(folder, cell.choices)
    seen = {identity(run) for part in known for run in part.runs}
    todo = [run for run in map(cell.members.named, range(cell.members.count)) if identity(run) not in seen]
    if not todo:
        return known
    layout = lay_out(len(todo), devices)
    recipe, data = cell.experiment.recipe, cell.experiment.data.train
    most = chunk or members_that_fit(recipe, data, devices=layout.devices, within=layout.within)
    groups = np.array_split(np.arange(len(todo)), -(-len(todo) // hosts.agree(most)))
    return known + [_part(folder, cell.choices, [todo[index] for index in group]) for group in groups]


def identity(run: Run) -> tuple:
    """A member's numbers, hashable."""
    return tuple(sorted(run.items()))


def layout_of(experiment: Experiment) -> dict[str, Any]:
    """Shapes and dtypes of what is saved for one member."""
    states = pure.state_shapes(experiment.recipe, experiment.description.training_shapes)
    best = {} if experiment.patience is None else {"best": _best_shapes(states.evaluated)}
    return {"states": states, "bad": jax.ShapeDtypeStruct((), np.int32), **best}


def _best_shapes(params: Any) -> dict[str, Any]:
    """Shapes and dtypes of what a checkpoint holds of the best epoch of one member."""
    return {
        "params": params,
        "value": jax.ShapeDtypeStruct((), np.float32),
        "epoch": jax.ShapeDtypeStruct((), np.int32),
    }


def _part(folder: Path, choices: dict[str, Any], runs: list[Run]) -> Part:
    return Part(choices, runs, folder / _digest(choices, runs))


def _digest(choices: dict[str, Any], runs: list[Run]) -> str:
    """The name of a part's folder: a digest of what is trained there."""
    return hashlib.sha256(json.dumps([choices, runs], sort_keys=True).encode()).hexdigest()[:12]
