"""Trained models read back from the folder of a run or of a sweep."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vae_jax.errors import InputError
from vae_jax.evaluation.populations import ModelResult
from vae_jax.keys import Keys
from vae_jax.runs.configuration.building import build
from vae_jax.runs.configuration.config import Config
from vae_jax.runs.configuration.resolved import resolve
from vae_jax.runs.storage.choosing import choose
from vae_jax.runs.storage.folder import read_config
from vae_jax.runs.storage.hub import HUB, pull
from vae_jax.runs.storage.parts import Part, read_parts
from vae_jax.trained.model import Trained
from vae_jax.training.experiment import Experiment
from vae_jax.training.recipe import leaves_of


def load(folder: str | Path, *, data: str | Path | None = None, best: str | None = None, **which: Any) -> Trained:
    """A trained model: a run's, or one of a sweep's. It needs nothing but its folder.

        model = vae_jax.load("runs/digits-sweep", beta=4.0, seed=0)
        model.decode(model.encode(x).mean)

    Args:
      folder: the `--out` of `train.py` or `sweep.py`; or `hf:user/name`, as uploaded by `export.py --push`.
      data: where its data are now, as `--data` takes it, if not where they were. They are loaded when `model.data` is
        first used.
      best: of the models of a sweep that match, the best by `negative_elbo`, `distortion` or `objective` of the
        validation examples, or by a score of disentanglement that evaluate.py measured, such as `mig`. Several that
        match are told apart by `negative_elbo`, and a line says which is taken.
      which: the model of a sweep, as in `beta=4.0, seed=0`.

    Returns:
      The model after its last checkpoint, with its row of results.

    Raises:
      InputError: nothing was trained there, no model matches, or several do that cannot be compared; or the folder is
        of version 0.2, which does not store what a model needs to know of its data, and the data cannot be loaded.
    """
    if str(folder).startswith(HUB):
        folder = pull(str(folder).removeprefix(HUB))
    folder = Path(folder)
    models = Models(folder, data=data)
    return models.read(*choose(models, best=best, which=which))


@dataclass(frozen=True)
class _At:
    """Where a model is: its part, and its index there."""

    part: Part
    index: int


class Models:
    """The models in a folder.

    Args:
      folder: that of a run or of a sweep.
      data: where their data are now, if not where they were.

    Raises:
      InputError: the folder holds neither.
    """

    def __init__(self, folder: Path, *, data: str | Path | None = None):
        self.folder = folder
        self._data = None if data is None else str(data)
        self.config: Config = read_config(folder)
        self.parts = read_parts(folder / "checkpoints")
        self._built: dict[str, Experiment] = {}
        self._restored: dict[Path, tuple[int, dict[str, Any]]] = {}

    def rows(self) -> Iterator[tuple[ModelResult, _At]]:
        """The row of every finished model of a sweep, or of a run that has a checkpoint, and where the model is."""
        for part in self.parts:
            if self.config.kind.keeps_results:
                yield from ((row, _At(part, index)) for index, row in enumerate(part.rows or []))
            elif part.store.steps():
                yield ModelResult.of(part.runs[0]), _At(part, 0)

    def read(self, row: ModelResult, at: _At) -> Trained:
        """One model of `rows`.

        Raises:
          InputError: its checkpoint is not whole, or the data that it needs cannot be loaded.
        """
        experiment = self._experiment(at.part)
        numbers = {name: row[name] for name in experiment.hyper if name in row}
        experiment = replace(experiment, hyper=leaves_of(experiment.recipe, numbers), keys=Keys(row.seed))
        epoch, tree = self._restore(at.part, experiment)
        if at.part.epoch not in (None, epoch):
            raise InputError(
                f"the results in {at.part.path} are of epoch {at.part.epoch}, whose checkpoint is not whole; train it "
                f"again: {self.config.kind.script} --out {self.folder} --resume."
            )
        params = jax.device_put(jax.tree.map(lambda leaf: leaf[at.index], params_of(tree)))
        return Trained(experiment, params, row, epoch)

    def kept_epoch(self, at: _At) -> int:
        """The epoch whose parameters a model has: the best, if that was kept, else the last."""
        if self.config.patience is None:
            return at.part.epoch or max(at.part.store.steps())
        epoch, tree = self._restore(at.part, self._experiment(at.part))
        best = int(np.asarray(tree["best"]["epoch"])[at.index]) if "best" in tree else 0
        return best or epoch

    def _experiment(self, part: Part) -> Experiment:
        """What a cell was trained with; data are loaded once for all its models."""
        name = repr(sorted(part.choices.items()))
        if name not in self._built:
            chosen = resolve(self.config).with_choices(part.choices)
            if part.stored is None and self._data is not None:
                built = build(replace(chosen, config=replace(chosen.config, data=self._data)))
                self._built[name] = replace(built, config=chosen.lasting)  # the same data, under another name
            else:
                self._built[name] = build(chosen, part.stored, data=self._data)
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
    """The parameters of a checkpoint to use: those of the best epoch if it has one, else of the last."""
    last = tree["states"].evaluated
    if "best" not in tree:
        return last
    had = np.asarray(tree["best"]["epoch"]) > 0

    def choose(best, last):
        return np.where(had.reshape(-1, *[1] * (np.ndim(best) - 1)), best, last)

    return jax.tree.map(choose, tree["best"]["params"], last)
