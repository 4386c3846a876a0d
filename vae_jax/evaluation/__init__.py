"""Measuring trained models on held-out data. Scores of disentanglement are in `vae_jax.disentanglement`."""

from vae_jax.evaluation.aggregate import AggregateTerms, aggregate_posterior, minibatch_estimates
from vae_jax.evaluation.elbo import Reconstruction, active_units, evaluate_elbo, reconstruct
from vae_jax.evaluation.latent_space import PriorMatch, encode_all, fit_code_mixture, prior_match
from vae_jax.evaluation.likelihood import LogLikelihood, log_likelihood

__all__ = [
    "AggregateTerms",
    "LogLikelihood",
    "PriorMatch",
    "Reconstruction",
    "active_units",
    "aggregate_posterior",
    "encode_all",
    "evaluate_elbo",
    "fit_code_mixture",
    "log_likelihood",
    "minibatch_estimates",
    "prior_match",
    "reconstruct",
]
