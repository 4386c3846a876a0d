"""Measuring trained models on held-out data."""

from vae_jax.evaluation.elbo import active_units, evaluate_elbo, reconstruct

__all__ = ["active_units", "evaluate_elbo", "reconstruct"]
