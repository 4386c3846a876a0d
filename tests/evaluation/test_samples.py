"""Samples against real images: what each measure says of copies, of half the classes, of noise, and of the data."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from sklearn.metrics.pairwise import polynomial_kernel
from squares import SMALL, enter_squares

from vae_jax.data import Examples
from vae_jax.errors import InputError
from vae_jax.evaluation import distances, sample_quality, samples
from vae_jax.runs import Config, build


@pytest.fixture(scope="module")
def digits():
    return build(Config(hidden=(4,)))


def quality_of(digits, monkeypatch, draw):
    """The quality of images that `draw(training pixels, n)` gives in place of a model's samples."""
    data = digits.data
    pixels = np.asarray(data.train.x, np.float32) / 255
    monkeypatch.setattr(samples, "_samples", lambda recipe, params, key, n, y, sampled: draw(pixels, n))
    return sample_quality(digits.recipe, {}, jax.random.key(1), data)


def test_the_data_are_as_good_as_real(digits, monkeypatch):
    quality = quality_of(digits, monkeypatch, lambda x, n: x[np.random.RandomState(3).permutation(len(x))[:n]])
    assert quality.samples == 359 and quality.features == "64 pixels"
    assert quality.model.frechet < 1.2 * quality.real.frechet
    assert abs(quality.model.kernel) < abs(quality.real.kernel) + 4 * quality.model.kernel_error
    for name in ("precision", "recall", "coverage"):
        assert abs(getattr(quality.model, name) - getattr(quality.real, name)) < 0.05
    assert quality.nearest == 0 < quality.nearest_real  # they are the training images


def test_twenty_copied_images_are_not_mistaken_for_a_model(digits, monkeypatch):
    quality = quality_of(digits, monkeypatch, lambda x, n: x[np.arange(n) % 20])
    assert quality.nearest == 0 and quality.model.precision > 0.85
    assert quality.model.recall < 0.3 * quality.real.recall and quality.model.coverage < 0.4 * quality.real.coverage
    assert quality.model.frechet > 3 * quality.real.frechet


def test_missing_classes_are_seen(digits, monkeypatch):
    half = np.flatnonzero(digits.data.train.y < 5)
    quality = quality_of(digits, monkeypatch, lambda x, n: x[half[np.random.RandomState(3).permutation(len(half))[:n]]])
    assert quality.model.recall < 0.75 * quality.real.recall
    assert quality.model.frechet > 3 * quality.real.frechet
    assert quality.model.kernel > quality.real.kernel + 2 * quality.model.kernel_error


def test_noise_is_nothing_like_them(digits, monkeypatch):
    """Each pixel from its own marginal: noise that lights pixels that are always dark is no better for it."""
    random = np.random.RandomState(0)
    shuffle = lambda x, n: np.stack([random.permutation(column)[:n] for column in x.reshape(len(x), -1).T], axis=1)
    quality = quality_of(digits, monkeypatch, lambda x, n: shuffle(x, n).reshape(n, 8, 8, 1))
    assert quality.model.precision < 0.2 and quality.model.frechet > 3 * quality.real.frechet
    worse = quality_of(digits, monkeypatch, lambda x, n: random.rand(n, 8, 8, 1).astype(np.float32))
    assert worse.model.frechet > quality.model.frechet and worse.model.kernel > quality.model.kernel


def test_two_runs_share_their_space(digits):
    """What is compared does not depend on the model or its seed."""
    params = [digits.recipe.model.init(jax.random.key(seed), jnp.zeros((8, 8, 1))) for seed in (1, 2)]
    one, other = (sample_quality(digits.recipe, p, jax.random.key(0), digits.data) for p in params)
    assert one.real == other.real and one.model != other.model


def test_any_features_can_be_named(digits):
    params = digits.recipe.model.init(jax.random.key(1), jnp.zeros((8, 8, 1)))

    def rows(images):
        return images.sum(axis=(2, 3))

    quality = sample_quality(digits.recipe, params, jax.random.key(0), digits.data, features=rows)
    assert quality.features == "rows"
    with pytest.raises(InputError, match=r"the features of 359 images are \(359, 8, 8, 1\); expected finite"):
        sample_quality(digits.recipe, params, jax.random.key(0), digits.data, features=lambda x: x)
    with pytest.raises(InputError, match=r"the function of features failed on images \(359, 8, 8, 1\): division"):
        sample_quality(digits.recipe, params, jax.random.key(0), digits.data, features=lambda x: 1 / 0)


def test_the_frechet_distance_is_scipys():
    random = np.random.RandomState(0)
    a, b = random.randn(400, 5) @ random.randn(5, 5), 0.5 + random.randn(300, 5)
    root = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root)
    assert samples.frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert samples.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_the_kernel_distance_is_the_sum_by_hand(monkeypatch):
    random = np.random.RandomState(0)
    a, b = random.randn(40, 3), 1 + random.randn(40, 3)
    k = lambda u, v: (np.einsum("id,jd->ij", u, v) / 3 + 1) ** 3
    within = sum((k(u, u).sum() - np.trace(k(u, u))) / (40 * 39) for u in (a, b))
    monkeypatch.setattr(samples, "PARTS", 1)
    assert samples.kernel_distance(a, b)[0] == pytest.approx(within - 2 * k(a, b).mean())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [359, 1500])
def test_the_error_of_the_kernel_distance_is_its_spread_over_fresh_data(n):
    random = np.random.RandomState(0)
    found = [samples.kernel_distance(random.randn(n, 20), random.randn(n, 20) + 0.2) for _ in range(60)]
    values, errors = np.array(found).T
    assert 0.7 < np.sqrt(np.mean(errors**2)) / values.std() < 1.4


@pytest.mark.parametrize(("offset", "scale"), [(0, 1), (100, 1e-2), (1000, 1e-2)])
def test_features_far_from_zero_keep_their_distances(offset, scale):
    random = np.random.RandomState(0)
    a, b = random.randn(2, 300, 8)
    expected, found = distances(a, b), distances(offset + scale * a, offset + scale * b)
    for name in ("precision", "recall", "density", "coverage"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=0.01)


def test_labels_go_with_the_images_that_they_are_compared_with(digits, monkeypatch):
    """A perfect conditional model, on a test set that is sorted by class and larger than what is compared."""
    conditional = build(Config(loss="cvae", hidden=(4,)))
    data = conditional.data
    order = np.argsort(data.test.y, kind="stable")
    sorted_test = Examples(data.test.x[order], data.test.y[order])
    asked = []
    monkeypatch.setattr(samples, "MOST", 100)

    def draw(recipe, params, key, n, y, sampled):
        asked.append(np.asarray(y))
        return np.zeros((n, 8, 8, 1), np.float32)

    monkeypatch.setattr(samples, "_samples", draw)
    sample_quality(conditional.recipe, {}, jax.random.key(1), data._replace(test=sorted_test))
    assert len(np.unique(asked[0])) == 10


def test_precision_and_recall_by_hand():
    """Two clusters: samples in one of them are all plausible, and half of the real ones are never seen."""
    random = np.random.RandomState(0)
    one, other = random.randn(200, 2), random.randn(100, 2)
    real = np.concatenate([other, other + 100])
    found = distances(one, real)
    assert found.precision > 0.9 and 0.45 < found.recall < 0.51 and 0.4 < found.coverage < 0.51
    assert found.density == pytest.approx(distances(one, other).density, abs=0.01)


def test_what_cannot_be_compared_is_refused(digits):
    data, recipe = digits.data, digits.recipe
    few = data._replace(test=Examples(data.test.x[:7], data.test.y[:7]))
    with pytest.raises(InputError, match="digits is too small: 7 test images; expected at least 10"):
        sample_quality(recipe, {}, jax.random.key(0), few)
    with pytest.raises(ValueError, match=r"expected features \[n, d\] and \[m, d\] of at least 10; got \(5, 2\)"):
        distances(np.zeros((5, 2)), np.zeros((20, 2)))


def test_binary_data_are_compared_with_binary_samples(key, monkeypatch):
    """Means of p(x|z) are grey; where all real pixels are black or white, samples are draws."""
    enter_squares(monkeypatch)
    experiment = build(Config(**SMALL))
    params = experiment.recipe.model.init(jax.random.clone(key), jnp.zeros((12, 12, 1)))
    drawn, means = (
        samples._samples(experiment.recipe, params, jax.random.clone(key), 4, None, binary) for binary in (True, False)
    )
    assert set(np.unique(drawn)) == {0.0, 1.0} and np.asarray(means).min() > 0
    assert drawn.shape == (4, 12, 12, 1)


@pytest.mark.parametrize("scale", [0.0, 2.0])
def test_the_kernel_distance_is_that_of_the_features_as_they_are(scale):
    """The cubic kernel is not invariant to shifts; scikit-learn's kernel, over all pairs, is the oracle."""
    random = np.random.RandomState(0)
    a, b = (np.maximum(random.randn(400, 20) + shift, 0 if scale == 0 else -np.inf) for shift in (scale + 0.2, scale))
    kernel = partial(polynomial_kernel, degree=3, coef0=1)
    within = sum((k.sum() - np.trace(k)) / (400 * 399) for k in (kernel(a), kernel(b)))
    found = samples.distances(a.astype(np.float32), b.astype(np.float32))
    assert abs(found.kernel - (within - 2 * kernel(a, b).mean())) < 4 * found.kernel_error
    if scale:  # E(x·y/d + 1)³ for independent normals in d = 20, from the moments of x·y

        def mean(m, n):
            d = 20
            first, second = d * m * n, d * (1 + m**2) * (1 + n**2) + d * (d - 1) * (m * n) ** 2
            cube = (m**3 + 3 * m) * (n**3 + 3 * n)
            third = d * cube + 3 * d * (d - 1) * (1 + m**2) * (1 + n**2) * m * n + d * (d - 1) * (d - 2) * (m * n) ** 3
            return third / d**3 + 3 * second / d**2 + 3 * first / d + 1

        truth = mean(2.2, 2.2) + mean(2.0, 2.0) - 2 * mean(2.2, 2.0)
        assert abs(found.kernel - truth) < 5 * found.kernel_error
