"""Training into a folder: one path for a run, which is a population of one, and for a sweep."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax.errors import InputError
from vae_jax.evaluation.populations import ModelResult, evaluate
from vae_jax.evaluation.rate_distortion import elbo_means, in_units
from vae_jax.plots.generated import draw_epoch
from vae_jax.runs.best import Best, begin_best, measure_of, ramps_end
from vae_jax.runs.configuration.building import stored
from vae_jax.runs.configuration.cells import Cell
from vae_jax.runs.process import hosts, stopping
from vae_jax.runs.process.background import Background
from vae_jax.runs.process.stopping import Stopped
from vae_jax.runs.storage.folder import RunFolder
from vae_jax.runs.storage.parts import Part, parts_of
from vae_jax.trained.model import Trained
from vae_jax.training.driver import Epoch, Population, begin, expect_finite, fit, starting_at
from vae_jax.training.experiment import Experiment
from vae_jax.training.layout import Layout, lay_out
from vae_jax.training.members import Members, stacked
from vae_jax.training.memory import data_fit
from vae_jax.training.pure import steps_per_epoch
from vae_jax.training.recipe import Recipe

SAVE_EVERY = 10.0  # seconds, at least, between two checkpoints; retraining what lies between gives the same bits
PICTURES = 20  # of each kind, at most, spread over the epochs of a run


class Finished(NamedTuple):
    """A part that has been trained.

    Attributes:
      part: with its results.
      population: as trained now; None if it was trained earlier.
      epochs: how many were trained now.
      reached: how many were trained in all.
      best: the best epochs, with early stopping; the population then has their parameters.
    """

    part: Part
    population: Population | None = None
    epochs: int = 0
    reached: int = 0
    best: Best | None = None


def train_cell(
    folder: RunFolder,
    cell: Cell,
    *,
    devices: Sequence[Any] | None,
    over: str | None,
    chunk: int | None,
    stream: bool = False,
    drawing: Background | None = None,
) -> list[Finished]:
    """Train what is left to be trained of a cell.

    Args:
      folder: where the results go.
      cell: what to train.
      devices: all by default.
      over: how members spread over devices.
      chunk: members trained at a time; by default as many as fit.
      stream: whether training images are read during training even if they fit on the devices; for one model.
      drawing: draws pictures of a run while it trains; by default none are drawn.

    Returns:
      What became of each part.

    Raises:
      InputError: the folder holds parts of another run, or more epochs than are asked for; or a checkpoint or a row
        cannot be read or written.
      DivergedError: a run is no longer finite. Models of a sweep that diverge are reported in their results.
      Stopped: a signal asked the command to stop; the state is saved.
    """
    chosen = tuple(devices or jax.devices())
    parts = parts_of(folder.path / "checkpoints", cell, chosen, chunk)
    if not folder.kind.names_models and len(parts) > 1:
        raise InputError(f"{folder.path / 'checkpoints'} holds parts of another run; delete them to train again.")
    train = partial(
        _train_part,
        folder,
        experiment=cell.experiment,
        devices=chosen,
        over=over,
        stream=stream,
        drawing=drawing,
    )
    return [Finished(part) if part.is_finished() else train(part) for part in parts]


def train_in_memory(experiment: Experiment, *, progress: bool = True) -> tuple[Trained, int]:
    """Train one model as a run does, with early stopping if it is asked for; nothing is written.

    Args:
      experiment: with its data.
      progress: whether to show a bar.

    Returns:
      The model, and how many epochs were trained; `Trained.epoch` is the one that is kept.

    Raises:
      DivergedError: the loss or the state is no longer finite; names the step.
    """
    recipe, data, members = experiment.recipe, experiment.data, experiment.members
    layout, in_epoch = lay_out(1, jax.devices()[:1]), steps_per_epoch(recipe, data.train)
    population, best = begin(recipe, members, data.train, layout), None
    if experiment.patience is not None:
        best = begin_best(experiment.patience, population, None, ramps_end(recipe, members, in_epoch))
    validate, measure, reached = _Validation(experiment, members, layout), measure_of(recipe), 0
    together = None if best is None else 1
    how: dict[str, Any] = {"epochs": experiment.epochs, "together": together, "progress": progress}
    for report in fit(recipe, members, data.train, start=population, **how):
        population, reached = report.population, report.done
        expect_finite(population, in_epoch, skips=recipe.skip_nonfinite)
        if best is not None:
            best = best.after(population, validate(population)[measure], report.done)
            if best.done(report.done).all():
                break
    kept = reached if best is None or not best.epoch[0] else int(best.epoch[0])
    population = population if best is None else best.of(population)
    return Trained(experiment, population.params(0), members.named(0), kept), reached


def _train_part(
    folder: RunFolder,
    part: Part,
    *,
    experiment: Experiment,
    devices: tuple[Any, ...],
    over: str | None,
    stream: bool,
    drawing: Background | None,
) -> Finished:
    """Train a part from its last checkpoint, or from the start; validate, save and draw as it goes; measure it."""
    recipe, data, epochs = experiment.recipe, experiment.data, experiment.epochs
    members = stacked(recipe, part.runs)
    names = [ModelResult.of({**part.choices, **run}).name if folder.kind.names_models else "" for run in part.runs]
    layout = lay_out(members.count, devices, over=over)
    part.rows = part.epoch = None
    part.stored = stored(experiment)
    part.write()
    done, population, best = _start(part, experiment, members, layout)
    if done > epochs:
        raise InputError(f"--epochs {epochs}: {folder.path} has {done} already; expected at least that many.")
    folder.rewind(names, done, part.store.recorded(done).get("rows"))
    part.store.clean_up(newest=done)
    stream = bool(hosts.agree(int(stream or not data_fit(recipe, data.train, devices))))
    validate = _Validation(experiment, members, layout)
    measure = measure_of(recipe)  # lower is better
    began = last = time.monotonic()
    reached = epochs if best is None or not best.done(done).all() else done
    with Background("checkpoints", needed=True) as saving:
        for report in fit(recipe, members, data.train, epochs=reached, start=population, stream=stream):
            population, reached = report.population, report.done
            if members.count == 1 and not folder.kind.keeps_results:
                expect_finite(population, steps_per_epoch(recipe, data.train), skips=recipe.skip_nonfinite)
            validated = validate(population)
            _write_rows(folder, names, report, validated, steps_per_epoch(recipe, data.train))
            if best is not None:
                best = best.after(population, validated[measure], report.done)
            ask = stopping.asked()
            late = experiment.minutes is not None and time.monotonic() - began >= 60.0 * experiment.minutes
            tired = best is not None and bool((best.done(report.done) | ~population.finite).all())
            ended = bool(hosts.agree(int(report.done == epochs or not population.finite.any() or late or tired)))
            if drawing and hosts.is_first() and (report.done % -(-epochs // PICTURES) == 0 or ended):
                model = Trained(experiment, population.params(0))
                draw_epoch(model, folder.path, report.done, call=drawing)
            if hosts.agree(int(ask or ended or time.monotonic() - last > SAVE_EVERY)):
                saving.wait()  # at most one copy of the states is waiting to be written
                save(part, population, report.done, {**experiment.about, "rows": folder.written()}, saving, best)
                last = time.monotonic()
            if ended:
                break
            if hosts.agree(int(ask)):
                saving.wait()
                raise Stopped(
                    f"stopped after epoch {report.done} of {epochs}, which is saved; --resume goes on from it."
                )
    population = population if best is None else best.of(population)
    if folder.kind.keeps_results:
        rows = [
            replace(row, measures=in_units(dict(row.measures), experiment.description.log_jacobian))
            for row in evaluate(recipe, members, population, data.test)
        ]
        named = [replace(row, setting={**part.choices, **row.setting}) for row in rows]
        part.finish(named, part.store.steps()[-1])
    return Finished(part, population, reached - done, reached, best)


def save(
    part: Part,
    population: Population,
    done: int,
    about: Mapping[str, Any],
    saving: Background,
    best: Best | None = None,
) -> None:
    """Write a checkpoint of the whole population. All its states are finite: see `fit`.

    The states are copied to the host, and training goes on while they are written. Several processes write together,
    and wait until it is done.

    Args:
      part: whose checkpoint it is.
      population: the members after an epoch.
      done: epochs completed.
      about: what the states belong to; see `Store.save`.
      saving: writes them.
      best: the best epochs, with early stopping.
    """
    layout = population.layout
    more = {} if best is None else {"best": best.tree(layout)}
    if jax.process_count() == 1:
        saving(part.store.save, done, {"states": population.states(), "bad": population.bad, **more}, about)
        return
    tree = {"states": layout.gather(population.calls), "bad": layout.gather(layout.place(population.bad)), **more}
    part.store.save(done, tree, about)


def _start(part: Part, experiment: Experiment, members: Members, layout: Layout) -> tuple[int, Population, Best | None]:
    """The epochs completed, the population after them, and its best epochs if they are kept."""
    restored = part.restore(experiment)
    if restored is None:
        done, tree, population = 0, {}, begin(experiment.recipe, members, experiment.data.train, layout)
        if experiment.initial is not None:
            population = starting_at(population, experiment.initial)
    else:
        done, tree = restored
        population = Population(layout, layout.place(tree["states"]), np.asarray(tree["bad"]), {})
    if experiment.patience is None:
        return done, population, None
    ramped = ramps_end(experiment.recipe, members, steps_per_epoch(experiment.recipe, experiment.data.train))
    return done, population, begin_best(experiment.patience, population, tree.get("best"), ramped)


class _Validation:
    """The ELBO and the objective of every member on the validation images, mapped like the steps.

    Four numbers per member come back.
    """

    def __init__(self, experiment: Experiment, members: Members, layout: Layout):
        self._function = _validation_program(experiment.recipe, layout)
        keys = jax.random.key_data(members.keys_for("validation"))
        names = sorted(experiment.recipe.loss.hyper.keys() & members.hypers.keys())
        self._own = layout.place((keys, {name: members.hypers[name] for name in names}))
        self._data = layout.share(experiment.data.validation)

    def __call__(self, population: Population) -> dict[str, np.ndarray]:
        return population.measure(self._function, self._own, self._data)


@lru_cache(maxsize=64)
def _validation_program(recipe: Recipe, layout: Layout) -> Callable:
    """The validation ELBO and objective, compiled once for all values, as the steps are."""

    def one(params, own, data):
        key, hyper = own
        return elbo_means(recipe, params, jax.random.wrap_key_data(key), data, hyper)

    return layout.lift(one, 2, 1)


def _write_rows(
    folder: RunFolder, names: Sequence[str], report: Epoch, validation: Mapping[str, np.ndarray], in_epoch: int
) -> None:
    """Append a row for each model."""
    for index, name in enumerate(names):
        of_train = {metric: float(values[index, -1]) for metric, values in report.metrics.items()}
        lost = not report.population.finite[index]  # what is measured now is the state from before
        of_validation = {metric: math.nan if lost else float(values[index]) for metric, values in validation.items()}
        row = {"epoch": report.done, "step": report.done * in_epoch, "train": of_train, "validation": of_validation}
        folder.append({"model": name, **row} if name else row)
