"""Scores of disentanglement, each beside that of a perfect code and its chance level.

    scores(represent(recipe, params, data.load("sprites").factors))  # name -> value, perfect, chance

A new score is a new file in this folder with `@register`, found automatically.
"""

from vae_jax.evaluation.metrics.representation import draw_codes, represent
from vae_jax.evaluation.metrics.score import SCORES, Representation, Score, noise, perfect, score_names
from vae_jax.evaluation.metrics.scoring import Scored, quick, scores
from vae_jax.evaluation.metrics.udr import Agreement, unsupervised_ranking
from vae_jax.evaluation.metrics.variance import followed, variance_explained

__all__ = [
    "SCORES",
    "Agreement",
    "Representation",
    "Score",
    "Scored",
    "draw_codes",
    "followed",
    "noise",
    "perfect",
    "quick",
    "represent",
    "score_names",
    "scores",
    "unsupervised_ranking",
    "variance_explained",
]
