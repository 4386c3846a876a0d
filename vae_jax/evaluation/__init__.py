"""Measuring trained models on held-out data."""

from vae_jax.evaluation.elbo import Reconstruction, active_units, evaluate_elbo, reconstruct
from vae_jax.evaluation.latent_space import PriorMatch, encode_all, fit_code_mixture, mmd2, prior_match

__all__ = [
    "PriorMatch",
    "Reconstruction",
    "active_units",
    "encode_all",
    "evaluate_elbo",
    "fit_code_mixture",
    "mmd2",
    "prior_match",
    "reconstruct",
]
