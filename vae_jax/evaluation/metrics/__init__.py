"""Scores of disentanglement, each with its ceiling and its chance level.

    scores(represent(recipe, params, data.load("sprites").factors))  # name -> value, ceiling, chance

A new score is a new file in this folder with `@register`, found automatically.
"""

from vae_jax.evaluation.metrics.representation import represent
from vae_jax.evaluation.metrics.scoring import Scored, quick, scores
from vae_jax.evaluation.metrics.table import SCORES, Representation, Score, noise, perfect, register
from vae_jax.evaluation.metrics.udr import unsupervised_ranking

__all__ = [
    "SCORES",
    "Representation",
    "Score",
    "Scored",
    "noise",
    "perfect",
    "quick",
    "register",
    "represent",
    "scores",
    "unsupervised_ranking",
]
