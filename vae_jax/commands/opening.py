"""What a command that trains does first: open the data, settle what the flags leave open, say what it understood."""

import sys

from vae_jax.data.dataset import Dataset
from vae_jax.data.loading import is_own
from vae_jax.data.understood import understood
from vae_jax.runs.configuration.datasets import opened_for
from vae_jax.runs.configuration.defaults import in_progress, settled
from vae_jax.runs.configuration.resolved import Resolved
from vae_jax.runs.process import hosts
from vae_jax.training.experiment import Experiment


def open_data(chosen: Resolved) -> tuple[Resolved, Dataset | None, str]:
    """The configuration with what the flags leave open chosen from the data, the data, and what was chosen, in words.

    Published data need no choices, and a run that goes on has made its own: these data are opened later.
    """
    config = chosen.config
    if not is_own(config.data) or in_progress(config) or "size" in config.varied:
        return chosen, None, ""
    dataset = opened_for(config)
    chosen, words = settled(chosen, dataset)
    return chosen, dataset, words


def say_understood(experiment: Experiment, words: str = "") -> None:
    """Print what was understood of the data, what about them is unlikely to be meant, and what was chosen for them.

    Of several processes, the first does.

    Args:
      experiment: with its data.
      words: what was chosen for them.
    """
    if hosts.is_first():
        lines = understood(experiment.data, experiment.description)
        print(
            "\n".join([*lines, *([f"{experiment.data.name}: {words}"] if words else [])]), file=sys.stderr, flush=True
        )
