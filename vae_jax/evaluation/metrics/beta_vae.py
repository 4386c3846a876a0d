"""The β-VAE score: can the factor that pairs share be told from their codes?"""

import numpy as np

from vae_jax.evaluation.metrics.score import SCORES, TEST, TRAIN, Representation

BATCH = 64


@SCORES.register("beta_vae")
def beta_vae_score(random: np.random.RandomState, representation: Representation) -> float:
    """β-VAE score: accuracy of a linear classifier that names the factor that pairs of examples share.

    A point is the mean of |Δμ| over 64 pairs that share one factor; logistic regression on 10,000 points, accuracy on
    5,000 others.

    Reference: Higgins et al., *β-VAE*, 2017.
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
