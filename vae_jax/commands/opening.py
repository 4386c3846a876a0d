"""What a command that trains does first: open the data, settle what the flags leave open, say what it understood."""

import sys
from typing import NamedTuple

from vae_jax.data.dataset import Dataset
from vae_jax.data.loading import is_own
from vae_jax.data.understood import understood
from vae_jax.runs.configuration.building import stored
from vae_jax.runs.configuration.datasets import Begun, opened_for
from vae_jax.runs.configuration.defaults import in_progress, settled
from vae_jax.runs.configuration.resolved import Resolved
from vae_jax.runs.process import hosts
from vae_jax.runs.storage.models import load
from vae_jax.training.experiment import Experiment


class Opened(NamedTuple):
    """What is trained, and on what.

    Attributes:
      chosen: the configuration, with what the flags leave open chosen from the data.
      dataset: the data, as their files hold them; None if they are opened later.
      begun: the model whose weights training starts from.
      words: what was chosen.
    """

    chosen: Resolved
    dataset: Dataset | None = None
    begun: Begun | None = None
    words: str = ""


def open_data(chosen: Resolved) -> Opened:
    """Open the data and the model that training starts from, and choose what the flags leave open.

    Published data need no choices, and a run that goes on has made its own: these data are opened later.

    Raises:
      InputError: data or a model that cannot be loaded.
    """
    config = chosen.config
    begun = None
    if config.from_ is not None:
        model = load(str(config.from_))
        begun = Begun(model.params, stored(model.experiment))
    if not is_own(config.data) or in_progress(config) or "size" in config.varied:
        return Opened(chosen, begun=begun)
    dataset = opened_for(config, known=() if begun is None else begun.stored.description.feature_names)
    chosen, words = settled(chosen, dataset)
    return Opened(chosen, dataset, begun, words)


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
