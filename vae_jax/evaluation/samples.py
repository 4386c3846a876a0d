"""How far a model's samples are from real images, in the features of a classifier trained here on the real ones."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vae_jax.data.table import Dataset, Examples
from vae_jax.distributions import draw
from vae_jax.losses import mmd2
from vae_jax.model import Params
from vae_jax.training import Recipe

FITTED = 20_000  # real images that the classifier sees, at most


class SampleQuality(NamedTuple):
    """A two-sample statistic. It is no FID: other features, another statistic, and no number of other papers compares.

    Attributes:
      feature_mmd2: squared maximum mean discrepancy between samples and test images, unbiased, of features of mean 0
        and variance 1 over test images; RBF kernel exp(−|a − b|²/(2·features)).
      error: its standard error, over disjoint parts of the samples.
      chance: the 95th percentile of the same statistic between training images and test images.
      classifier_accuracy: of the classifier on test images.
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
    """`train_classifier` on the first 20,000 training images as the model sees them."""
    return train_classifier(_seen(recipe, key, data.train), np.asarray(data.train.y[:FITTED]))


def sample_quality(
    recipe: Recipe, params: Params, key: Array, data: Dataset, *, classifier: Any = None, parts: int = 4
) -> SampleQuality:
    """Samples of the model against test images, in the hidden layer of a classifier of real images.

    Where all real pixels are black or white, samples are draws from p(x|z); elsewhere its means, as in the pictures.

    Args:
      recipe: of a model with a prior.
      params: of the model.
      key: a typed key.
      data: labelled; the classifier learns from the training part.
      classifier: from `classifier_of`; trained here by default.
      parts: the statistic is the mean over so many parts of up to 500 samples and 500 test images.

    Raises:
      ValueError: data without labels; or a code that is a point, for which there is no prior to sample.

    Reference: Gretton et al., *A kernel two-sample test*, 2012, eq. 3.
    """
    if data.train.y is None:
        raise ValueError(f"{data.name} has no labels; the features are those of a classifier of real images.")
    if recipe.loss.posterior != "normal":
        raise ValueError(f"loss {recipe.loss.name!r} has a point for a posterior, and no prior to sample from.")
    key_train, key_test, key_classifier, key_samples, key_rows = jax.random.split(key, 5)
    size = min(500, len(data.test.x) // parts)
    train, test = _seen(recipe, key_train, data.train), _seen(recipe, key_test, data.test)
    if classifier is None:
        classifier = classifier_of(recipe, key_classifier, data)
    y = jnp.asarray(data.test.y[: parts * size]) if recipe.loss.conditional else None
    black_or_white = bool(np.all((test == 0) | (test == 1)))
    drawn = np.asarray(_samples(recipe, params, key_samples, parts * size, y, black_or_white))
    features = [_features(classifier, part) for part in (drawn, test, train)]
    middle, scale = features[1].mean(axis=0), np.maximum(features[1].std(axis=0), 1e-6)
    samples, real, other = (jnp.asarray((part - middle) / scale, jnp.float32) for part in features)
    found = np.asarray(_parts(samples, real[: parts * size], parts), np.float64)
    chance = np.asarray(_chance(key_rows, other, real, size, 40))
    return SampleQuality(
        float(found.mean()),
        float(found.std(ddof=1) / np.sqrt(parts)),
        float(np.quantile(chance, 0.95)),
        float(classifier.score(test, np.asarray(data.test.y[:FITTED]))),
        parts * size,
    )


def _seen(recipe: Recipe, key: Array, data: Examples) -> np.ndarray:
    """The first images as the model sees them, flat, `[n, pixels]`."""
    return np.asarray(_flat(recipe, key, jnp.asarray(data.x[:FITTED])))


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
    return lax.map(lambda pair: mmd2(*pair), tuple(part.reshape(parts, -1, part.shape[1]) for part in (a, b)))


@partial(jax.jit, static_argnums=(3, 4))
def _chance(key: Array, a: Array, b: Array, size: int, repeats: int) -> Array:
    """The statistic of random parts of two sets of real images."""

    def one(index):
        keys = jax.random.split(jax.random.fold_in(key, index))
        return mmd2(*(part[jax.random.permutation(k, len(part))[:size]] for k, part in zip(keys, (a, b), strict=True)))

    return lax.map(one, jnp.arange(repeats))
