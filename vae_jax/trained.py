"""A trained model: trained now, or read back from the folder of its run."""

import json
from pathlib import Path

from vae_jax.checkpoint import Checkpoints
from vae_jax.errors import InputError
from vae_jax.experiment import Config, Experiment, build
from vae_jax.fit import fit, start
from vae_jax.model import Params
from vae_jax.run_folder import read_config


def train(experiment: Experiment) -> Params:
    """The parameters after all epochs of an experiment, with a progress bar; nothing is written."""
    data, recipe, hyper, keys, epochs = experiment
    state = start(recipe, keys.train, data.train)
    for _, last, _ in fit(recipe, state, keys.train, hyper, data.train, epochs=epochs):
        state = last
    return state.params


def is_sweep(folder: Path) -> bool:
    """Whether a folder is that of a sweep and not of a run.

    Raises:
      InputError: neither is there, or a sweep that is not finished.
    """
    try:
        sweep = "betas" in json.loads((folder / "config.json").read_text())
    except (OSError, ValueError, TypeError):
        sweep = False  # `read_run` says what is wrong
    if sweep and not (folder / "results.csv").exists():
        raise InputError(f"the sweep in {folder} is not finished; go on with it: sweep.py --out {folder} --resume.")
    return sweep


def read_run(folder: Path) -> tuple[Experiment, Params]:
    """What a run of `experiments/train.py` was made of, and its parameters after its last whole epoch.

    Raises:
      InputError: there is no run in the folder, or no epoch of it is finished; or its data cannot be had.
    """
    experiment = build(read_config(folder, Config))
    if not (folder / "checkpoints").is_dir():
        raise InputError(f"{folder} holds no checkpoints; expected the --out of experiments/train.py.")
    with Checkpoints(folder / "checkpoints") as checkpoints:
        epochs, state = checkpoints.restore(start(experiment.recipe, experiment.keys.train, experiment.data.train))
    if not epochs:
        raise InputError(f"{folder} has no finished epoch; go on with it: train.py --out {folder} --resume.")
    return experiment, state.params
