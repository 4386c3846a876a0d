"""Runs and sweeps in folders: configuration, training, checkpoints, loading and measuring."""

from vae_jax.runs.building import build
from vae_jax.runs.config import Config, SweepConfig
from vae_jax.runs.loading import Models, load
from vae_jax.runs.measure import evaluate_model, test_metrics

__all__ = ["Config", "Models", "SweepConfig", "build", "evaluate_model", "load", "test_metrics"]
