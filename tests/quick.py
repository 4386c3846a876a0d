"""What tests leave out that is not what they look at."""

from functools import partial

import pytest

from vae_jax import plots
from vae_jax.commands import sweep as sweep_command
from vae_jax.evaluation import prior_match
from vae_jax.runs import trainer
from vae_jax.trained import measures


def few_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is held against its prior by 100 codes: 1,000 take seconds a model."""
    monkeypatch.setattr(measures, "prior_match", partial(prior_match, num_samples=100))


def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take longer than the rest."""
    drawn = (plots, "draw_all"), (plots, "loss_curves"), (trainer, "draw_epoch"), (sweep_command, "draw")
    for module, name in drawn:
        monkeypatch.setattr(module, name, lambda *_, **__: None)
