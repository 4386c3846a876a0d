"""From arrays to a trained model, in a line of Python."""

import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax.data.columns import Columns
from vae_jax.data.dataset import Dataset, Examples, checked
from vae_jax.data.sources.tables import classes_of, is_frame, of_frame
from vae_jax.data.understood import understood
from vae_jax.data.whole import Whole, in_parts, whole
from vae_jax.errors import InputError, nearest
from vae_jax.runs.configuration.cells import cells
from vae_jax.runs.configuration.config import Config, as_config, as_json
from vae_jax.runs.configuration.defaults import settled
from vae_jax.runs.configuration.resolved import Resolved, resolve
from vae_jax.runs.storage.folder import RunFolder
from vae_jax.runs.trainer import train_cell, train_in_memory
from vae_jax.trained.inputs import numbers
from vae_jax.trained.measures import test_metrics
from vae_jax.trained.model import Trained

OF_FILES = (
    "data",
    "size",
    "skip_broken",
    "manual_dir",
    "out",
    "resume",
    "id",
    "label",
    "columns",
    "drop",
    "distributed",
)


def fit(
    x: Any,
    *,
    y: Any = None,
    loss: str = "vae",
    beta: float | None = None,
    latent: int = 10,
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = True,
    name: str = "array",
    **flags: Any,
) -> Trained:
    """Train a model of arrays; what is not chosen is chosen from the data, and said in a line.

        model = vae_jax.fit(x)
        codes = model.encode(x).mean
        unlikely = model.score(x).value < -100

    A tenth of the examples is held out for validation, and a tenth for testing. Training goes on for at most 5,000
    steps, ends once the validation objective no longer improves, and keeps the best epoch, unless `epochs`, `steps`,
    `minutes` or `patience` say otherwise. Rows beyond 0..1, and data frames, are standardised under a Gaussian with a
    learned σ.

    Args:
      x: images `[n, height, width, channels]` or `[n, height, width]`, uint8, bool or float in [0, 1]; or rows
        `[n, features]` of any numbers. A NumPy or JAX array, whatever NumPy can convert, a SciPy sparse matrix, or a
        data frame of pandas or polars, whose columns keep their names.
      y: `[n]` classes, as numbers or names; of a data frame, also the name of a column.
      loss: a name in `losses.LOSSES`.
      beta: weight of the KL term; None for the loss's own.
      latent: how many latents.
      seed: of the initial weights, the order of the data, and all noise.
      out: a folder to leave the run in, as train.py does; by default nothing is written.
      progress: whether to show a bar and to say what was understood and chosen.
      name: what to call the data.
      flags: any other flag of train.py, as in `model="conv"`, `hidden=(64,)`, `likelihood="poisson"`, `epochs=50`.

    Returns:
      The model of the best epoch.

    Raises:
      InputError: x or y cannot be trained on, or a flag is unknown, out of its range, or does not go with the data.
      DivergedError: the loss is no longer finite.
    """
    chosen = chosen_of({"loss": loss, "beta": beta, "latent": latent, "seed": seed, **flags}, name)
    dataset = dataset_of(whole_of(x, y, name), chosen.config)
    return trained(*settled(chosen, dataset), dataset, out=out, progress=progress)


def chosen_of(flags: Mapping[str, Any], name: str) -> Resolved:
    """What flags of Python choose: of a training command's, those that are not for files.

    Raises:
      InputError: an unknown flag, a value of another type, or one out of its range.
    """
    known = {field.name: field for field in fields(Config) if field.name not in OF_FILES}
    for flag in flags:
        if flag not in known:
            raise InputError(f"`{flag}` is no choice of `fit`; {nearest(flag, known)}")
    flags = {name: str(v) if name in ("validation", "test") and v is not None else v for name, v in flags.items()}
    plain = {n: list(v) if isinstance(v, tuple | range) else _python(v) for n, v in flags.items()}
    return resolve(as_config({**as_json(Config()), **plain, "data": name}, Config, "`fit`"))


def dataset_of(found: Whole, config: Config) -> Dataset:
    """Examples in three parts, as the flags say."""
    given = {"validation": config.validation, "test": config.test}
    held: dict[str, Any] = {part: _share(part, value) for part, value in given.items() if value is not None}
    split: Any = config.split
    return in_parts(found, split=split, held=held)


def trained(
    chosen: Resolved, words: str, dataset: Dataset, *, out: str | Path | None = None, progress: bool = True
) -> Trained:
    """Train what was chosen on a data set.

    Args:
      chosen: what the flags choose, and what was chosen for the data.
      words: the latter, to be said.
      dataset: the data, as they were given.
      out: a folder to leave the run in.
      progress: whether to show a bar and to say what was understood and chosen.
    """
    if out is not None:
        chosen = chosen.into(Path(out))
    (cell,) = cells(chosen, dataset)
    experiment = cell.experiment
    if progress:
        lines = understood(experiment.data, experiment.description)
        print("\n".join([*lines, *([f"{dataset.name}: {words}"] if words else [])]), file=sys.stderr, flush=True)
    if out is None:
        return train_in_memory(experiment, progress=progress)[0]
    with RunFolder(Path(out), chosen) as folder:
        (finished,) = train_cell(folder, cell, devices=None, over=None, chunk=None)
        assert finished.population is not None
        model = Trained(experiment, finished.population.params(0), experiment.members.named(0), finished.reached)
        folder.summarise({**test_metrics(model), "epochs": finished.reached})
    return model


def whole_of(x: Any, y: Any, name: str) -> Whole:
    """Examples from whatever arrays the user has.

    Raises:
      InputError: they are not numbers, or not of one length.
    """
    if is_frame(x):
        named = isinstance(y, str)
        found = of_frame(name, x, Columns(label=y if named else None))
        return found if named else _labelled(found, y)
    if hasattr(x, "toarray"):  # SciPy's sparse matrices
        x = x.toarray()
    given = numbers("x", x)
    return _labelled(whole(name, checked(np.asarray(given), None, name, as_given=True)), y)


def _labelled(found: Whole, y: Any) -> Whole:
    if y is None:
        return found
    labels = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
    if labels.shape != found.data.x.shape[:1]:
        raise InputError(f"y has shape {labels.shape}; expected [{len(found.data.x)}], one label for each.")
    codes, names = classes_of("y", labels)
    return found._replace(data=Examples(found.data.x, codes), class_names=names)


def _share(part: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InputError(f"`{part}={value}`: expected a share between 0 and 1.") from None


def _python(value: Any) -> Any:
    """A number of NumPy as one of Python."""
    return value.item() if isinstance(value, np.generic) else value
