"""What a command prints first: what it understood of its data."""

import sys

from vae_jax.data.understood import understood
from vae_jax.runs.process import hosts
from vae_jax.training.experiment import Experiment


def say_understood(experiment: Experiment) -> None:
    """Print what was understood of the data, and what about them is unlikely to be meant; the first process does."""
    if hosts.is_first():
        print("\n".join(understood(experiment.data, experiment.description)), file=sys.stderr, flush=True)
