"""The distance of samples to real images: at chance for the data themselves, far above it for noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from squares import SMALL, enter_squares

from vae_jax.data import Examples
from vae_jax.errors import InputError
from vae_jax.evaluation import sample_quality, samples
from vae_jax.runs import Config, build


def test_samples_that_are_the_data_are_at_chance(key, monkeypatch):
    """A decoder that draws real digits, one that draws their mean, and one that draws noise."""
    experiment = build(Config(hidden=(4,)))
    data, recipe = experiment.data, experiment.recipe
    params = recipe.model.init(jax.random.clone(key), jnp.zeros((8, 8, 1)))
    pixels = jnp.asarray(data.validation.x, jnp.float32) / 255
    pixels = jnp.asarray(np.concatenate([pixels, jnp.asarray(data.train.x, jnp.float32) / 255]))
    images = pixels[jax.random.permutation(jax.random.clone(key), len(pixels))[:356]].reshape(356, -1)
    flat = jnp.broadcast_to(pixels.mean(axis=0).ravel(), images.shape)
    noise = jax.random.permutation(jax.random.clone(key), images, axis=1, independent=True)
    found = []
    in_order = np.argsort(data.test.y, kind="stable")  # a test set sorted by class is the same test set
    data = data._replace(test=Examples(data.test.x[in_order], data.test.y[in_order]))
    for drawn in (images, flat, noise):
        monkeypatch.setattr(samples, "_samples", lambda *_, drawn=drawn: drawn)
        found.append(sample_quality(recipe, params, jax.random.clone(key), data))
    real, mean, scrambled = (quality.feature_mmd2 for quality in found)
    assert abs(real) < found[0].chance + 2 * found[0].error
    assert min(mean, scrambled) > 5 * found[0].chance
    assert found[0].classifier_accuracy > 0.85 and found[0].samples == 356


def test_data_too_small_for_a_classifier_are_refused(key):
    experiment = build(Config(hidden=(4,)))
    data, recipe = experiment.data, experiment.recipe
    few = data._replace(test=Examples(data.test.x[:7], data.test.y[:7]))
    with pytest.raises(InputError, match="digits is too small: 7 test images"):
        sample_quality(recipe, {}, key, few)
    with pytest.raises(InputError, match="has no labels"):
        sample_quality(recipe, {}, key, data._replace(train=Examples(data.train.x)))


def test_chance_is_what_real_images_score(key):
    """Two halves of one law: the statistic is above the 95th percentile about once in twenty."""
    a, b = jax.random.normal(jax.random.clone(key), (2, 800, 4))
    chance = np.asarray(samples._chance(jax.random.clone(key), a, b, 4, 100, 200))
    found = [
        float(samples._parts(*jax.random.normal(jax.random.fold_in(key, i), (2, 400, 4)), 4).mean()) for i in range(60)
    ]
    assert 0.7 < np.std(chance) / np.std(found) < 1.4


def test_binary_data_are_compared_with_binary_samples(key, monkeypatch):
    """Means of p(x|z) are grey; where all real pixels are black or white, samples are draws."""
    enter_squares(monkeypatch)
    experiment = build(Config(**SMALL))
    params = experiment.recipe.model.init(jax.random.clone(key), jnp.zeros((12, 12, 1)))
    drawn, means = (
        samples._samples(experiment.recipe, params, jax.random.clone(key), 4, None, binary) for binary in (True, False)
    )
    assert set(np.unique(drawn)) == {0.0, 1.0} and np.asarray(means).min() > 0
    assert drawn.shape == (4, 144)
