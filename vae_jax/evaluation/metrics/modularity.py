"""Modularity: one factor per latent."""

import numpy as np

from vae_jax.evaluation.metrics.information import mutual_information
from vae_jax.evaluation.metrics.score import SCORES, TRAIN, Representation


@SCORES.register("modularity")
def modularity(random: np.random.RandomState, representation: Representation) -> float:
    """Modularity: whether each latent knows about only one factor.

    mean over latents of 1 − Σ_{k≠best} I(z_j; v_k)²/(I(z_j; v_best)²(factors − 1)); 0 for a latent that knows nothing.

    Reference: Ridgeway & Mozer, *Learning deep disentangled embeddings with the F-statistic loss*, 2018.
    """
    factors, codes = representation.sample(random, TRAIN)
    squares = np.square(mutual_information(codes, factors))
    best = squares.max(axis=1)
    others = (squares.sum(axis=1) - best) / (np.maximum(best, 1e-300) * (squares.shape[1] - 1))
    return float(np.mean(np.where(best > 0, 1 - others, 0.0)))
