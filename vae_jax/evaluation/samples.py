"""How far a model's samples are from real images, in the features of a classifier trained here on the real ones."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vae_jax.data.table import Dataset, Examples
from vae_jax.distributions.base import draw
from vae_jax.errors import InputError
from vae_jax.keys import use
from vae_jax.losses.mmd_vae import mmd2
from vae_jax.models.vae import Params
from vae_jax.training.recipe import Recipe

FITTED = 20_000  # real images that the classifier sees, at most


class SampleQuality(NamedTuple):
    """A two-sample statistic. This is not FID: features and statistic differ, so published numbers do not compare.

    Attributes:
      feature_mmd2: squared maximum mean discrepancy between samples and test images, unbiased, on features of mean 0
        and variance 1 over test images; RBF kernel exp(−|a − b|²/(2·features)).
      error: its standard error, over disjoint parts of the samples.
      chance: the 95th percentile of the same statistic, from as many images in as many parts, between training images
        and test images.
      classifier_accuracy: that of the classifier on test images.
      samples: how many of each.
    """

    feature_mmd2: float
    error: float
    chance: float
    classifier_accuracy: float
    samples: int


def train_classifier(x: np.ndarray, y: np.ndarray) -> Any:
    """scikit-learn's perceptron with one hidden layer of 256, stopped early on a tenth of the data.

    Args:
      x: `[n, pixels]` in [0, 1].
      y: `[n]` labels.
    """
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((256,), max_iter=100, early_stopping=True, random_state=0).fit(x, y)


def classifier_of(recipe: Recipe, key: Array, data: Dataset) -> Any:
    """`train_classifier` on up to 20,000 training images, taken at random, as the model sees them."""
    x, y = _seen(recipe, use(key, "classifier"), data.train)
    return train_classifier(x, y)


def sample_quality(
    recipe: Recipe, params: Params, key: Array, data: Dataset, *, classifier: Any = None, parts: int = 4
) -> SampleQuality:
    """Compare samples of the model with test images, in the hidden layer of a classifier of real images.

    Where all real pixels are black or white, samples are draws from p(x|z); elsewhere its means, as in the pictures.

    Args:
      recipe: that of a model trained to generate from its prior.
      params: those of the model.
      key: a typed key.
      data: labelled; the classifier learns from the training part.
      classifier: from `classifier_of`; trained here by default.
      parts: the statistic is the mean over this many random parts of up to 500 samples and 500 test images.

    Raises:
      InputError: data without labels, or too few; or a loss that matches its codes to no prior.

    Reference: Gretton et al., *A kernel two-sample test*, 2012, eq. 3.
    """
    _expect_labels(data, parts)
    if not recipe.loss.uses_prior:
        raise InputError(f"the codes of {recipe.loss.name} are held to no prior that could be sampled from")
    key = use(key, "sample quality")
    size = min(500, len(data.test.x) // parts)
    n = parts * size
    if classifier is None:
        classifier = classifier_of(recipe, use(key, "classifier"), data)
    train, _ = _seen(recipe, use(key, "train"), data.train)
    test, y = _seen(recipe, use(key, "test"), data.test)
    labels = jnp.asarray(y[:n]) if recipe.loss.conditional else None
    black_or_white = bool(np.all((test == 0) | (test == 1)))
    drawn = np.asarray(_samples(recipe, params, use(key, "samples"), n, labels, black_or_white))
    features = [_features(classifier, part) for part in (drawn, test, train)]
    middle, scale = features[1].mean(axis=0), np.maximum(features[1].std(axis=0), 1e-6)
    samples, real, other = (jnp.asarray((part - middle) / scale, jnp.float32) for part in features)
    values = np.asarray(_parts(samples, real[:n], parts), np.float64)
    chance = np.asarray(_chance(use(key, "chance"), other, real, parts, size, 40))
    return SampleQuality(
        float(values.mean()),
        float(values.std(ddof=1) / np.sqrt(parts)),
        float(np.quantile(chance, 0.95)),
        float(classifier.score(test, y)),
        n,
    )


def _expect_labels(data: Dataset, parts: int) -> None:
    if data.train.y is None or data.test.y is None:
        raise InputError(f"{data.name} has no labels, which the feature classifier needs")
    fewest = np.bincount(data.train.y).min()
    if len(data.test.x) < 2 * parts or fewest < 10:
        raise InputError(
            f"{data.name} is too small: {len(data.test.x)} test images and {fewest} training images of some class; "
            f"expected at least {2 * parts} and 10"
        )


def _seen(recipe: Recipe, key: Array, data: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Images as the model sees them, flat, `[n, pixels]`, and their labels; up to 20,000 in random order."""
    key_rows, key_pixels = jax.random.split(key)
    rows = np.asarray(jax.random.permutation(key_rows, len(data.x)))[:FITTED]
    return np.asarray(_flat(recipe, key_pixels, jnp.asarray(data.x[rows]))), np.asarray(data.y[rows])


@partial(jax.jit, static_argnums=0)
def _flat(recipe: Recipe, key: Array, x: Array) -> Array:
    return jax.vmap(lambda key, x: jnp.ravel(recipe.preprocess(key, x)))(jax.random.split(key, x.shape[0]), x)


@partial(jax.jit, static_argnums=(0, 3, 5))
def _samples(recipe: Recipe, params: Params, key: Array, n: int, y: Array | None, sampled: bool) -> Array:
    def one(key, y):
        key_z, key_x = jax.random.split(key)
        p = recipe.model.decode(params, draw(recipe.model.latent_prior(params, y), key_z), y)
        return jnp.ravel(draw(p, key_x) if sampled else p.mean)

    return jax.vmap(one)(jax.random.split(key, n), y)


def _features(classifier: Any, x: np.ndarray) -> np.ndarray:
    """The hidden layer, `[n, 256]`."""
    return np.maximum(x @ classifier.coefs_[0] + classifier.intercepts_[0], 0)


@partial(jax.jit, static_argnums=2)
def _parts(a: Array, b: Array, parts: int) -> Array:
    """The statistic of each of several parts, `[parts]`."""
    return lax.map(lambda pair: mmd2(*pair), tuple(part.reshape(parts, -1, part.shape[1]) for part in (a, b)))


@partial(jax.jit, static_argnums=(3, 4, 5))
def _chance(key: Array, a: Array, b: Array, parts: int, size: int, repeats: int) -> Array:
    """The mean statistic over random parts of two sets of real images, redrawn each time, `[repeats]`."""
    size = min(size, len(a) // parts)

    def one(index):
        keys = jax.random.split(jax.random.fold_in(key, index))
        drawn = (x[jax.random.permutation(k, len(x))[: parts * size]] for k, x in zip(keys, (a, b), strict=True))
        return _parts(*drawn, parts).mean()

    return lax.map(one, jnp.arange(repeats))
