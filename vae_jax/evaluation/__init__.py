"""Measuring trained models on held-out data.

`disentanglement` is `scores` of `vae_jax.evaluation.metrics`, where each score has its own file.
"""

from vae_jax.evaluation.aggregate import AggregateTerms, aggregate_posterior, minibatch_estimates
from vae_jax.evaluation.codes import PriorMatch, encode_all, fit_code_mixture, prior_match, prior_of
from vae_jax.evaluation.likelihood import LogLikelihood, log_likelihood
from vae_jax.evaluation.metrics.representation import represent
from vae_jax.evaluation.metrics.scoring import scores as disentanglement
from vae_jax.evaluation.metrics.udr import unsupervised_ranking
from vae_jax.evaluation.per_example import Scores, example_scores
from vae_jax.evaluation.populations import evaluate, settings
from vae_jax.evaluation.rate_distortion import Reconstruction, active_units, elbo_means, evaluate_elbo, reconstruct
from vae_jax.evaluation.samples import Distances, SampleQuality, distances, sample_quality

__all__ = [
    "AggregateTerms",
    "Distances",
    "LogLikelihood",
    "PriorMatch",
    "Reconstruction",
    "SampleQuality",
    "Scores",
    "active_units",
    "aggregate_posterior",
    "disentanglement",
    "distances",
    "elbo_means",
    "encode_all",
    "evaluate",
    "evaluate_elbo",
    "example_scores",
    "fit_code_mixture",
    "log_likelihood",
    "minibatch_estimates",
    "prior_match",
    "prior_of",
    "reconstruct",
    "represent",
    "sample_quality",
    "settings",
    "unsupervised_ranking",
]
