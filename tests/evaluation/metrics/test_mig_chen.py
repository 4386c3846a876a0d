"""The information gap of sampled codes, against the paper's estimator and against quadrature."""

import numpy as np
import pytest
import scipy.special
import scipy.stats

from vae_jax import Normal, data
from vae_jax.data.sources.sprites import NAMES, SIZES
from vae_jax.evaluation.metrics import SCORES, Representation, noise, perfect
from vae_jax.evaluation.metrics.mig_chen import information_of_latents


def score(name: str, representation: Representation) -> float:
    return SCORES[name](np.random.RandomState(0), representation)[name]


@pytest.mark.slow
def test_chens_gap_on_the_grid_of_dsprites():
    """Over 737,280 posteriors: all of it in a perfect code, none in noise."""
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


def chen_by_quadrature(mean: np.ndarray, scale: float, factor: np.ndarray) -> float:
    """I(z; v) of one latent whose posteriors have one σ, on a grid fine enough for it."""
    points = np.arange(mean.min() - 8 * scale, mean.max() + 8 * scale, scale / 4)

    def entropy(means):
        density = scipy.stats.norm.pdf(points[:, None], means, scale).mean(axis=1)
        return -np.sum(scipy.special.xlogy(density, density)) * scale / 4

    return entropy(mean) - np.mean([entropy(mean[factor == value]) for value in np.unique(factor)])


def test_information_is_the_papers_by_sampling():
    sizes, random = (3, 2, 4), np.random.RandomState(1)
    a, shape, b = np.indices(sizes).reshape(3, -1)
    means = np.stack([a + 0.3 * b, b - 1.0 * shape, 0 * a], axis=1) + 0.1 * random.randn(24, 3)
    posterior = Normal(means.astype(np.float32), (0.5 * random.randn(24, 3) - 2).astype(np.float32))
    found = information_of_latents(posterior, sizes, random=np.random.RandomState(0), samples=20_000)
    np.testing.assert_allclose(found, chen_by_sampling(posterior, sizes, 20_000), atol=0.02)


@pytest.mark.parametrize("scale", [1.0, 1e-2, 1e-4, 1e-6])
def test_narrow_posteriors_have_the_information_of_quadrature(scale):
    """A grid of 1,000 points steps over posteriors narrower than a 2,000th of the range."""
    sizes, random = (4, 8), np.random.RandomState(2)
    a, b = np.indices(sizes).reshape(2, -1)
    means = (a + 0.4 * random.randn(32)).astype(np.float32)
    posterior = Normal(means[:, None], np.full((32, 1), 2 * np.log(scale), np.float32))
    found = information_of_latents(posterior, sizes, random=np.random.RandomState(0), samples=20_000)[0]
    # Below, no two posteriors overlap: z tells x, and so its factors.
    expected = np.log(sizes) if scale < 1e-3 else [chen_by_quadrature(means, scale, factor) for factor in (a, b)]
    np.testing.assert_allclose(found, expected, atol=0.015)


def test_which_factors_are_left_out_is_the_data_sets_to_say():
    """On dSprites the shape, as published; on another set a factor of that name counts."""
    names, sizes = ("a", "shape", "b"), (3, 2, 4)
    everything = perfect(names, sizes)
    spoilt = Normal(everything.posterior.mean.at[:, 1].set(0.0), everything.posterior.log_var)
    code = Representation(names, sizes, lambda f: f, spoilt)
    assert score("mig_chen", code) == pytest.approx(2 / 3, abs=0.02)
    assert score("mig_chen", code._replace(aside=("shape",))) == pytest.approx(1, abs=0.02)
    assert np.isnan(score("mig_chen", Representation(names, sizes, lambda f: f)))
    assert data.load("sprites32").factors.aside == ("shape",)
