"""Scores from batches in which one factor is held: can the held factor be told from the codes?"""

import numpy as np

from vae_jax.disentanglement.table import TEST, TRAIN, Representation, register

BATCH = 64
SMALLEST_DEVIATION = 0.05  # latents below it are taken for unused


@register("beta_vae")
def beta_vae_score(random: np.random.RandomState, representation: Representation) -> float:
    """β-VAE score: accuracy of a linear classifier that names the factor that pairs of examples share.

    A point is the mean of |Δμ| over 64 pairs that share one factor; logistic regression on 10,000 points, accuracy on
    5,000 others.

    Reference: Higgins et al., *β-VAE*, 2017, section 3.
    """
    from sklearn.linear_model import LogisticRegression

    x, held = _difference_points(random, representation, TRAIN)
    classifier = LogisticRegression(max_iter=1000, random_state=random).fit(x, held)
    return float(classifier.score(*_difference_points(random, representation, TEST)))


def _difference_points(
    random: np.random.RandomState, representation: Representation, n: int
) -> tuple[np.ndarray, np.ndarray]:
    held = random.randint(0, len(representation.sizes), n)
    points = []
    for part in np.array_split(held, max(n // 500, 1)):
        first, second = (representation.factors(random, len(part) * BATCH) for _ in range(2))
        rows, columns = np.arange(len(first)), np.repeat(part, BATCH)
        first[rows, columns] = second[rows, columns]
        difference = np.abs(representation.codes(first) - representation.codes(second))
        points.append(np.reshape(difference, (len(part), BATCH, -1)).mean(axis=1))
    return np.concatenate(points), held


@register("factor_vae")
def factor_vae_score(random: np.random.RandomState, representation: Representation) -> float:
    """FactorVAE score: accuracy of naming the held factor by the latent that varies least.

    In a batch of 64 that shares one factor, the latent of the smallest variance, relative to its variance over 10,000
    examples, votes for the factor; the majority of 10,000 votes is the classifier, and 5,000 others test it. Latents
    with a standard deviation below 0.05 are left out; with none left the score is 0.

    Reference: Kim & Mnih, *Disentangling by factorising*, 2018, section 4.
    """
    _, codes = representation.sample(random, TRAIN)
    variances = codes.var(axis=0, ddof=1)
    used = np.flatnonzero(np.sqrt(variances) >= SMALLEST_DEVIATION)
    if not len(used):
        return 0.0
    votes = np.zeros((len(used), len(representation.sizes)), int)
    np.add.at(votes, _votes(random, representation, TRAIN, used, variances), 1)
    latent, held = _votes(random, representation, TEST, used, variances)
    return float(np.mean(votes.argmax(axis=1)[latent] == held))


def _votes(
    random: np.random.RandomState, representation: Representation, n: int, used: np.ndarray, variances: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    held = random.randint(0, len(representation.sizes), n)
    least = []
    for part in np.array_split(held, max(n // 500, 1)):
        factors = representation.factors(random, len(part) * BATCH)
        first = factors[::BATCH]
        rows, columns = np.arange(len(factors)), np.repeat(part, BATCH)
        factors[rows, columns] = np.repeat(first[np.arange(len(part)), part], BATCH)
        codes = np.reshape(representation.codes(factors), (len(part), BATCH, -1))[:, :, used]
        least.append(np.argmin(codes.var(axis=1, ddof=1) / variances[used], axis=1))
    return np.concatenate(least), held
