"""The information gap by quadrature, against the paper's estimator by sampling."""

import numpy as np
import pytest
import scipy.special
import scipy.stats

from vae_jax import Normal
from vae_jax.data.sprites import NAMES, SIZES
from vae_jax.evaluation.metrics import SCORES, Representation, noise, perfect
from vae_jax.evaluation.metrics.mig_chen import information_of_latents


def score(name: str, representation: Representation) -> float:
    return SCORES[name].function(np.random.RandomState(0), representation)


@pytest.mark.slow
def test_chens_gap_on_the_grid_of_dsprites():
    """Quadrature over 737,280 posteriors: all of it in a perfect code, none in noise."""
    assert score("mig_chen", perfect(NAMES, SIZES)) == pytest.approx(1, abs=1e-3)
    assert abs(score("mig_chen", noise(NAMES, SIZES, 10))) < 1e-3


def chen_by_sampling(posterior: Normal, sizes: tuple[int, ...], samples: int) -> np.ndarray:
    """The paper's own estimator: entropies from sampled codes, `[latent, factors]`."""
    random, mean = np.random.RandomState(0), np.asarray(posterior.mean, np.float64)
    scale = np.exp(0.5 * np.asarray(posterior.log_var, np.float64))
    values = np.indices(sizes).reshape(len(sizes), -1)

    def entropy(rows):
        drawn = rows[random.randint(0, len(rows), samples)]
        z = mean[drawn] + scale[drawn] * random.randn(samples, mean.shape[1])
        each = scipy.stats.norm.logpdf(z[:, None], mean[rows], scale[rows])
        return -(scipy.special.logsumexp(each, axis=1) - np.log(len(rows))).mean(axis=0)

    whole = entropy(np.arange(len(mean)))
    conditional = [
        np.mean([entropy(np.flatnonzero(values[k] == value)) for value in range(size)], axis=0)
        for k, size in enumerate(sizes)
    ]
    return np.stack([whole - of_one for of_one in conditional], axis=1)


def test_information_by_quadrature_is_the_papers_by_sampling():
    names, sizes, random = ("a", "shape", "b"), (3, 2, 4), np.random.RandomState(1)
    a, shape, b = np.indices(sizes).reshape(3, -1)
    means = np.stack([a + 0.3 * b, b - 1.0 * shape, 0 * a], axis=1) + 0.1 * random.randn(24, 3)
    posterior = Normal(means.astype(np.float32), (0.5 * random.randn(24, 3) - 2).astype(np.float32))
    found = information_of_latents(posterior, sizes)
    np.testing.assert_allclose(found, chen_by_sampling(posterior, sizes, 20_000), atol=0.02)
    ordered = np.sort(found, axis=0)
    expected = np.mean([(ordered[-1, k] - ordered[-2, k]) / np.log(sizes[k]) for k in (0, 2)])  # not the shape
    assert score("mig_chen", Representation(names, sizes, lambda f: f, posterior)) == pytest.approx(expected)
    assert np.isnan(score("mig_chen", Representation(names, sizes, lambda f: f)))
