"""The trained and half-trained models of a sweep in a folder: what is finished is never trained again."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import training
from vae_jax.data.table import Examples
from vae_jax.errors import InputError
from vae_jax.experiment import Experiment, build
from vae_jax.keys import Keys
from vae_jax.model import Params
from vae_jax.run_folder import plain, read_config, replace_file
from vae_jax.sweep import saved
from vae_jax.sweep.cells import Cell, SweepConfig
from vae_jax.sweep.hosts import my_slice
from vae_jax.sweep.members import Members, members
from vae_jax.sweep.memory import members_that_fit
from vae_jax.sweep.population import Population, suited, train
from vae_jax.sweep.results import Row, evaluate
from vae_jax.training import Recipe

SAVE_EVERY = 10.0  # seconds, at least, between two checkpoints; training again what lies between gives the same bits

Run = dict[str, Any]  # a member by its numbers: hyperparameters and seed


class Chunk:
    """Members that are trained together, in a folder of their own: `population.json` and `states.npz`.

    Args:
      parent: the sweep's `checkpoints` folder.
      choices: the cell's.
      runs: the members.
    """

    def __init__(self, parent: Path, choices: dict[str, Any], runs: Sequence[Run]):
        self.choices, self.runs, self.rows = choices, list(runs), None
        text = json.dumps([choices, self.runs], sort_keys=True)
        self.path = parent / hashlib.sha256(text.encode()).hexdigest()[:12]
        self.process = jax.process_index()

    @staticmethod
    def read(path: Path) -> "Chunk":
        """What was written by `write`."""
        found = json.loads((path / "population.json").read_text())
        chunk = Chunk(path.parent, found["choices"], found["members"])
        chunk.path, chunk.rows, chunk.process = path, found["results"], found["process"]
        return chunk

    def write(self) -> None:
        """The members, and the results of those that are finished."""
        self.path.mkdir(parents=True, exist_ok=True)
        found = {"choices": self.choices, "members": self.runs, "process": self.process, "results": self.rows}
        replace_file(self.path / "population.json", json.dumps(plain(found), indent=1) + "\n")

    def train(self, experiment: Experiment, devices: Sequence[Any]) -> None:
        """Train, from the last checkpoint where there is one; evaluate on the test set; write the results."""
        data, recipe, _, _, epochs = experiment
        who = members(recipe, self.runs)
        self.write()
        start = None
        if self._saved.exists():
            tree = saved.restore(self._saved, _layout(recipe, who, data.train))
            done = int(tree["states"].step[0]) // training.steps_per_epoch(recipe, data.train)
            start = done, Population(tree["states"], {}, tree["finite"])
        population = start[1] if start else None
        last = time.monotonic()
        for done, population in train(recipe, who, data.train, epochs=epochs, start=start, devices=devices):
            if done == epochs or time.monotonic() - last > SAVE_EVERY:
                saved.save(self._saved, {"states": population.states, "finite": population.finite})
                last = time.monotonic()
        assert population is not None
        rows = [{**self.choices, **row} for row in evaluate(recipe, who, population, data.test)]
        self.rows = json.loads(json.dumps(plain(rows)))  # as they are read again: what is not defined is None
        self.write()

    def params(self, recipe: Recipe, data: Examples, index: int) -> Params:
        """The parameters of one trained member."""
        tree = saved.restore(self._saved, _layout(recipe, members(recipe, self.runs), data))
        return jax.tree.map(lambda leaf: leaf[index], tree["states"].params)

    @property
    def _saved(self) -> Path:
        return self.path / "states.npz"


def train_cell(folder: Path, cell: Cell, config: SweepConfig, devices: Sequence[Any]) -> list[Row]:
    """Train what this process still has to train of a cell; the rows of all its members that are finished here."""
    mine = read_chunks(folder, cell.choices)
    for chunk in mine:
        if chunk.rows is None and chunk.process % jax.process_count() == jax.process_index():
            chunk.train(cell.experiment, devices)
    known = [identity(run) for chunk in mine for run in chunk.runs]
    wanted = [cell.members.named(index) for index in my_slice(len(cell.members.seeds))]
    todo = [run for run in wanted if identity(run) not in known]
    recipe, data = cell.experiment.recipe, cell.experiment.data.train
    most = config.chunk or members_that_fit(recipe, data, devices=devices, within=suited(devices[0]))
    for part in np.array_split(np.arange(len(todo)), -(-len(todo) // most)) if todo else ():
        mine.append(Chunk(folder, cell.choices, [todo[index] for index in part]))
        mine[-1].train(cell.experiment, devices)
    return [row for chunk in mine for row in chunk.rows or []]


def read_chunks(folder: Path, choices: dict[str, Any] | None = None) -> list[Chunk]:
    """The chunks in a folder, of one cell or of all."""
    found = [Chunk.read(path.parent) for path in sorted(folder.glob("*/population.json"))]
    return [chunk for chunk in found if choices is None or chunk.choices == choices]


def load(out: Path, **wanted: Any) -> tuple[Experiment, Params, Row]:
    """A trained model of a sweep: what it was trained with (its own numbers and seed), its parameters and its results.

    Args:
      out: the sweep's folder.
      wanted: which, as in `beta=4.0, seed=0`; what is not given may be anything, and the first that fits is taken.

    Raises:
      InputError: no sweep is there, or no such model.
    """
    config = read_config(out, SweepConfig, of="sweep")
    for chunk in read_chunks(out / "checkpoints"):
        for index, row in enumerate(chunk.rows or []):
            if all(row.get(name) == value for name, value in wanted.items()):
                experiment = build(replace(config, **chunk.choices))
                hyper = {name: jnp.float32(row.get(name, value)) for name, value in experiment.hyper.items()}
                experiment = experiment._replace(hyper=hyper, keys=Keys(int(row["seed"])))
                return experiment, chunk.params(experiment.recipe, experiment.data.train, index), row
    asked = ", ".join(f"{name}={value}" for name, value in wanted.items())
    raise InputError(f"{out} holds no finished model with {asked}; see its results.csv for those that are there.")


def identity(run: Run) -> tuple:
    """A member's numbers, hashable."""
    return tuple(sorted(run.items()))


def _layout(recipe: Recipe, who: Members, data: Examples) -> dict[str, Any]:
    """Shapes of what is saved of a population."""
    states = jax.eval_shape(
        jax.vmap(lambda key, data: training.init(recipe, key, data), (0, None)),
        who.keys,
        jax.tree.map(np.asarray, data),
    )
    return {"states": states, "finite": jax.ShapeDtypeStruct((len(who.seeds),), bool)}
