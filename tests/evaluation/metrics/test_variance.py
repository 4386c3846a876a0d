"""Which factor a latent follows, against scikit-learn and what must hold of any code."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import KBinsDiscretizer

from vae_jax.data import Factors
from vae_jax.evaluation.metrics import draw_codes, followed, noise, perfect, variance_explained

NAMES, SIZES = ("hue", "size", "shape"), (10, 8, 4)
RANDOM = np.random.RandomState(3)
FACTORS = np.stack([RANDOM.randint(0, size, 10_000) for size in SIZES], 1)


def test_a_perfect_code_follows_each_factor_and_noise_none():
    found = variance_explained(*perfect(NAMES, SIZES).sample(np.random.RandomState(0), 10_000))
    np.testing.assert_allclose(found, np.eye(3), atol=0.02)
    assert variance_explained(*noise(NAMES, SIZES, 4).sample(np.random.RandomState(0), 10_000)).max() < 0.02


def test_it_is_a_regression_on_quantile_bins():
    codes = FACTORS @ RANDOM.randn(3, 2) + 0.5 * RANDOM.randn(10_000, 2)
    found = variance_explained(FACTORS, codes)
    bins = KBinsDiscretizer(50, encode="onehot-dense", strategy="quantile", quantile_method="linear")
    for j in range(2):
        one_hot = bins.fit_transform(codes[:, [j]])
        for k in range(3):
            expected = LinearRegression().fit(one_hot, FACTORS[:, k]).score(one_hot, FACTORS[:, k])
            assert found[j, k] == pytest.approx(expected, abs=1e-6)


def test_a_bend_and_a_wrap_are_followed_and_a_mixture_is_not():
    wrapped = variance_explained(FACTORS, np.exp((FACTORS[:, :1] + 3) % 10))
    assert wrapped[0, 0] == pytest.approx(1, abs=1e-6)
    mixed = variance_explained(FACTORS, FACTORS[:, :1] / 10 + FACTORS[:, 1:2] / 8)
    assert mixed[0, :2].max() < 0.7


def test_what_does_not_vary_has_none():
    factors = np.stack([np.zeros(10), np.arange(10) % 2], 1)
    codes = np.stack([factors[:, 1], np.ones(10)], 1)
    np.testing.assert_allclose(variance_explained(factors, codes), [[0, 1], [0, 0]])
    np.testing.assert_allclose(variance_explained([[1.0]], [[2.0]]), [[0]])


@pytest.mark.parametrize(
    ("factors", "codes"),
    [(FACTORS, FACTORS[:5]), (FACTORS[:, 0], FACTORS), (np.zeros((0, 2)), np.zeros((0, 1)))],
)
def test_other_shapes_are_refused(factors, codes):
    with pytest.raises(ValueError, match=r"expected factors \[n, factors\] and codes \[n, latent\]"):
        variance_explained(factors, codes)


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="codes hold NaN or infinity"):
        variance_explained(FACTORS[:2], [[np.nan], [0.0]])
    with pytest.raises(ValueError, match="factors hold NaN or infinity"):
        variance_explained([[np.inf], [0.0]], FACTORS[:2])


@pytest.mark.parametrize("sign", [1, -1])
def test_a_latent_that_is_mostly_at_rest_counts_by_the_rest(sign):
    """As after a ReLU: all quantiles tie."""
    active = (np.arange(1000) % 100 == 0).astype(float)[:, None]
    np.testing.assert_allclose(variance_explained(active, sign * active), [[1]])


def test_rounding_is_no_variance():
    constant = np.full((2734, 1), 1.1227949188291289)
    np.testing.assert_array_equal(variance_explained(constant, RANDOM.randn(2734, 1)), [[0]])
    assert variance_explained(FACTORS + 1e12, RANDOM.randn(10_000, 2)).max() < 0.02
    assert variance_explained(FACTORS[:, :0], FACTORS).shape == (3, 0)


def test_a_latent_is_named_by_the_factor_that_it_follows():
    explained = [[0.1, 0.95], [0.4, 0.3]]
    assert followed(("size", "wall_hue"), explained) == [("wall hue", 0.95), ("", 0.4)]


@pytest.mark.parametrize("copies", [1, 3])
def test_codes_are_drawn_with_the_factors_of_their_images(copies):
    """Of images that are their own place in the grid."""
    grid = Factors(NAMES, SIZES, lambda start, stop: np.arange(start, stop).reshape(-1, 1, 1, 1), copies)
    factors, codes = draw_codes(lambda x: x.reshape(-1, 1) // copies, grid, n=2500)
    np.testing.assert_array_equal(np.ravel_multi_index(tuple(factors.T), SIZES), codes[:, 0])
    assert len(np.unique(codes)) > 0.99 * np.prod(SIZES)
