"""Trained models read back from the folder of a run or of a sweep."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vae_jax.errors import InputError
from vae_jax.evaluation.populations import Row
from vae_jax.keys import Keys
from vae_jax.runs.building import build
from vae_jax.runs.config import Config, SweepConfig
from vae_jax.runs.folder import read_config
from vae_jax.runs.hub import HUB, pull
from vae_jax.runs.parts import Part, read_parts
from vae_jax.training.experiment import Experiment
from vae_jax.training.recipe import hyperparameters
from vae_jax.training.trained import Trained


def load(folder: str | Path, **which: Any) -> Trained:
    """A trained model: a run's, or one of a sweep's.

        model = vae_jax.load("runs/digits-sweep", beta=4.0, seed=0)
        model.decode(model.encode(model.data.test.x[:10]).mean)

    Args:
      folder: the `--out` of `train.py` or `sweep.py`; or `hf:user/name`, where `export.py --push` has put it.
      which: the model of a sweep, as in `beta=4.0, seed=0`; the first that matches is taken.

    Returns:
      The model after its last checkpoint, with its data and its row of results.

    Raises:
      InputError: nothing was trained there, no such model is there, or its data cannot be loaded.
    """
    if str(folder).startswith(HUB):
        folder = pull(str(folder).removeprefix(HUB))
    folder = Path(folder)
    trained = Models(folder)
    for row, at in trained.rows():
        if all(row.get(name) == value for name, value in which.items()):
            return trained.read(row, at)
    asked = ", ".join(f"{name}={value}" for name, value in which.items())
    if trained.is_sweep:
        has = f" with {asked}" if asked else ""
        raise InputError(f"{folder} holds no finished model{has}; see its results.csv for those that are there.")
    if asked and trained.parts:
        raise InputError(f"{folder} is a run of one model, which is not one with {asked}; leave that out.")
    raise InputError(f"{folder} has no finished epoch; go on with it: train.py --out {folder} --resume.")


@dataclass(frozen=True)
class _At:
    """Where a model is: its part, and its index there."""

    part: Part
    index: int


class Models:
    """The models in a folder.

    Args:
      folder: that of a run or of a sweep.

    Raises:
      InputError: neither is there.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.config: Config = read_config(folder)
        self.parts = read_parts(folder / "checkpoints")
        self._built: dict[str, Experiment] = {}
        self._restored: dict[Path, tuple[int, dict[str, Any]]] = {}

    @property
    def is_sweep(self) -> bool:
        """Whether the folder is a sweep's."""
        return isinstance(self.config, SweepConfig)

    def rows(self) -> Iterator[tuple[Row, _At]]:
        """The row of every finished model of a sweep, or of a run that has a checkpoint, and where the model is."""
        for part in self.parts:
            if self.is_sweep:
                yield from ((row, _At(part, index)) for index, row in enumerate(part.rows or []))
            elif part.store.steps():
                yield dict(part.runs[0]), _At(part, 0)

    def read(self, row: Row, at: _At) -> Trained:
        """One model of `rows`."""
        experiment = self._experiment(at.part.choices)
        numbers = {name: row[name] for name in experiment.hyper if name in row}
        experiment = replace(
            experiment, hyper=hyperparameters(experiment.recipe, **numbers), keys=Keys(int(row["seed"]))
        )
        epoch, tree = self._restore(at.part, experiment)
        if at.part.epoch not in (None, epoch):
            raise InputError(
                f"the results in {at.part.path} are of epoch {at.part.epoch}, whose checkpoint is not whole; train it "
                f"again: sweep.py --out {self.folder} --resume."
            )
        params = jax.device_put(jax.tree.map(lambda leaf: leaf[at.index], params_of(tree)))
        return Trained(experiment, params, row, epoch)

    def _experiment(self, choices: dict[str, Any]) -> Experiment:
        """What a cell was trained with; data are loaded once for all its models."""
        name = repr(sorted(choices.items()))
        if name not in self._built:
            self._built[name] = build(replace(self.config, **choices))
        return self._built[name]

    def _restore(self, part: Part, experiment: Experiment) -> tuple[int, dict[str, Any]]:
        """The epoch and the states of a part, read from disk once while its models are read in turn."""
        if part.path not in self._restored:
            restored = part.restore(experiment)
            if restored is None:
                raise InputError(f"{part.path} has no checkpoint that is whole; train it again: --out … --resume.")
            self._restored = {part.path: restored}
        return self._restored[part.path]


def params_of(tree: dict[str, Any]) -> Any:
    """The parameters to use of a checkpoint: of the best epoch, or of the last."""
    last = tree["states"].evaluated
    if "best" not in tree:
        return last
    had = np.asarray(tree["best"]["epoch"]) > 0

    def choose(best, last):
        return np.where(had.reshape(-1, *[1] * (np.ndim(best) - 1)), best, last)

    return jax.tree.map(choose, tree["best"]["params"], last)
