"""Measuring trained models on held-out data."""

from vae_jax.evaluation.elbo import Reconstruction, active_units, evaluate_elbo, reconstruct
from vae_jax.evaluation.latent_space import PriorMatch, encode_all, fit_code_mixture, prior_match
from vae_jax.evaluation.likelihood import LogLikelihood, log_likelihood

__all__ = [
    "LogLikelihood",
    "PriorMatch",
    "Reconstruction",
    "active_units",
    "encode_all",
    "evaluate_elbo",
    "fit_code_mixture",
    "log_likelihood",
    "prior_match",
    "reconstruct",
]
