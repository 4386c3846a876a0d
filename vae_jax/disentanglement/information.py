"""Scores from the mutual information of single latents and single factors."""

import numpy as np

from vae_jax.disentanglement.table import TRAIN, Representation, register

BINS = 20


def mutual_information(codes: np.ndarray, factors: np.ndarray, *, bins: int = BINS) -> np.ndarray:
    """I(z_j; v_k) in nats of every latent and factor, `[latent, factors]`: plug-in estimates of binned codes.

    Biased up by about (bins − 1)(values − 1)/(2n).

    Args:
      codes: `[n, latent]`; each latent is cut into `bins` intervals of equal width between its extremes.
      factors: `[n, factors]` integers.
      bins: 20 as in disentanglement_lib.

    Raises:
      ValueError: not one row of codes for each row of factors; a transposed matrix, as a rule.
    """
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors):
        raise ValueError(
            f"expected codes [n, latent] and factors [n, factors] of the same n; got {codes.shape} and {factors.shape}."
        )
    from sklearn.metrics import mutual_info_score

    binned = [np.digitize(column, np.histogram(column, bins)[1][:-1]) for column in codes.T]
    return np.array([[mutual_info_score(factor, column) for factor in factors.T] for column in binned])


def entropies(factors: np.ndarray) -> np.ndarray:
    """H(v_k) in nats of each factor, `[factors]`, from its frequencies."""
    shares = [np.unique(factor, return_counts=True)[1] / len(factor) for factor in factors.T]
    return np.array([-np.sum(share * np.log(share)) for share in shares])


@register("mig")
def mutual_information_gap(random: np.random.RandomState, representation: Representation) -> float:
    """Mutual information gap: how far ahead the latent that knows most of a factor is of the next.

    mean over factors of (I₁ − I₂)/H(v), with the mutual information of 20 equal bins of each latent. Its ceiling is
    below 1: the bins merge values of a factor.

    Reference: Chen et al., *Isolating sources of disentanglement in VAEs*, 2018, eq. 6; estimated as by Locatello et
    al., *Challenging common assumptions*, 2019.
    """
    factors, codes = representation.sample(random, TRAIN)
    information = np.sort(mutual_information(codes, factors), axis=0)
    second = information[-2] if len(information) > 1 else 0.0
    return float(np.mean((information[-1] - second) / entropies(factors)))


@register("modularity")
def modularity(random: np.random.RandomState, representation: Representation) -> float:
    """Modularity: whether each latent knows of one factor alone.

    mean over latents of 1 − Σ_{k≠best} I(z_j; v_k)²/(I(z_j; v_best)²(factors − 1)); 0 for one that knows nothing.

    Reference: Ridgeway & Mozer, *Learning deep disentangled embeddings with the F-statistic loss*, 2018, section 2.
    """
    factors, codes = representation.sample(random, TRAIN)
    squares = np.square(mutual_information(codes, factors))
    best = squares.max(axis=1)
    others = (squares.sum(axis=1) - best) / (np.maximum(best, 1e-300) * (squares.shape[1] - 1))
    return float(np.mean(np.where(best > 0, 1 - others, 0.0)))
