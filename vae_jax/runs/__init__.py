"""Runs and sweeps in folders: configuration, training, checkpoints, and models read back."""

from vae_jax.runs.configuration.building import build
from vae_jax.runs.configuration.config import Config, SweepConfig
from vae_jax.runs.configuration.resolved import Resolved, resolve
from vae_jax.runs.storage.models import Models, load
from vae_jax.trained.measures import evaluate_model, test_metrics

__all__ = ["Config", "Models", "Resolved", "SweepConfig", "build", "evaluate_model", "load", "resolve", "test_metrics"]
