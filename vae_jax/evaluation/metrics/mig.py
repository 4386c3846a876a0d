"""MIG: the mutual information gap of binned codes."""

import numpy as np

from vae_jax.evaluation.metrics.information import entropies, mutual_information
from vae_jax.evaluation.metrics.score import SCORES, TRAIN, Representation


@SCORES.register("mig")
def mutual_information_gap(random: np.random.RandomState, representation: Representation) -> float:
    """Mutual information gap: how much more the best latent knows about a factor than the next best.

    mean over factors of (I₁ − I₂)/H(v), with the mutual information of 20 equal bins of each latent. Its ceiling is
    below 1: the bins merge values of a factor.

    Reference: Chen et al., *Isolating sources of disentanglement in VAEs*, 2018; estimated as by Locatello et
    al., *Challenging common assumptions*, 2019.
    """
    factors, codes = representation.sample(random, TRAIN)
    information = np.sort(mutual_information(codes, factors), axis=0)
    second = information[-2] if len(information) > 1 else 0.0
    return float(np.mean((information[-1] - second) / entropies(factors)))
