"""Measuring trained models on held-out data.

`disentanglement` is `scores` of `vae_jax.evaluation.metrics`, where each score has its own file.
"""

from vae_jax.evaluation.aggregate import AggregateTerms, aggregate_posterior, minibatch_estimates
from vae_jax.evaluation.elbo import Reconstruction, active_units, elbo_means, evaluate_elbo, reconstruct
from vae_jax.evaluation.latent_space import PriorMatch, encode_all, fit_code_mixture, prior_match
from vae_jax.evaluation.likelihood import LogLikelihood, log_likelihood
from vae_jax.evaluation.metrics.representation import represent
from vae_jax.evaluation.metrics.scoring import scores as disentanglement
from vae_jax.evaluation.metrics.udr import unsupervised_ranking
from vae_jax.evaluation.populations import evaluate, settings
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
    "evaluate",
    "evaluate_elbo",
    "fit_code_mixture",
    "log_likelihood",
    "minibatch_estimates",
    "prior_match",
    "reconstruct",
    "represent",
    "sample_quality",
    "settings",
    "train_classifier",
    "unsupervised_ranking",
]
