"""Measuring trained models on held-out data.

`disentanglement` is `vae_jax.disentanglement.scores`, where the scores themselves are.
"""

from vae_jax.disentanglement import scores as disentanglement
from vae_jax.evaluation.aggregate import AggregateTerms, aggregate_posterior, minibatch_estimates
from vae_jax.evaluation.elbo import Reconstruction, active_units, elbo_means, evaluate_elbo, reconstruct
from vae_jax.evaluation.latent_space import PriorMatch, encode_all, fit_code_mixture, prior_match
from vae_jax.evaluation.likelihood import LogLikelihood, log_likelihood
from vae_jax.evaluation.samples import SampleQuality, classifier_of, sample_quality, train_classifier

__all__ = [
    "AggregateTerms",
    "LogLikelihood",
    "PriorMatch",
    "Reconstruction",
    "SampleQuality",
    "active_units",
    "aggregate_posterior",
    "classifier_of",
    "disentanglement",
    "elbo_means",
    "encode_all",
    "evaluate_elbo",
    "fit_code_mixture",
    "log_likelihood",
    "minibatch_estimates",
    "prior_match",
    "reconstruct",
    "sample_quality",
    "train_classifier",
]
