"""The FactorVAE score: can the factor that a batch shares be told from the latent that varies least?"""

import numpy as np

from vae_jax.evaluation.metrics.score import SCORES, TEST, TRAIN, Representation

BATCH = 64
SMALLEST_DEVIATION = 0.05  # latents below it count as unused


@SCORES.register("factor_vae")
def factor_vae_score(random: np.random.RandomState, representation: Representation) -> float:
    """FactorVAE score: accuracy of naming the held factor by the latent that varies least.

    In a batch of 64 that shares one factor, the latent with the smallest variance, relative to its variance over 10,000
    examples, votes for the factor; the majority of 10,000 votes is the classifier, and 5,000 others test it. Latents
    with a standard deviation below 0.05 are left out; with none left the score is 0.

    Reference: Kim & Mnih, *Disentangling by factorising*, 2018.
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
