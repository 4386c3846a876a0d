"""How a model's samples compare with real images: Fréchet and kernel distances, what they cover, what they copy."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vae_jax.data.dataset import Dataset, Examples
from vae_jax.distributions.base import draw, mean_of
from vae_jax.errors import InputError
from vae_jax.keys import use
from vae_jax.models.part import Params
from vae_jax.training.recipe import Recipe

Features = Callable[[np.ndarray], np.ndarray]
MOST = 5000  # images of each kind, at most
CHUNK = 4096  # training images compared at a time
RAW = 1024  # the most pixels for which the features are the pixels themselves
NEIGHBOURS = 5
PARTS, PART = 5, 500  # of the kernel distance: at least 5 parts, of about 500 images at most
FEWEST = 2 * NEIGHBOURS  # the fewest images for which every measure is defined


class Distances(NamedTuple):
    """How a set of images compares with a set of real ones, in a space of features.

    Attributes:
      frechet: the Fréchet distance of two normals, |m − m'|² + tr(C + C' − 2 (C C')^½): FID in the features of
        Inception. Biased upwards, more so for fewer images.
      kernel: squared maximum mean discrepancy of the kernel (a·b/features + 1)³: KID in the features of Inception.
        Unbiased, so it can be negative.
      kernel_error: its standard error, over disjoint parts.
      precision: the share of images inside the region of the real ones, the balls that reach to the fifth neighbour.
      recall: the share of real images inside the region of the images.
      density: how many balls of real images an image lies in, divided by 5; not bounded by 1.
      coverage: the share of real images that have at least one image inside their own ball.

    References: Heusel et al., *GANs trained by a two time-scale update rule*, 2017; Bińkowski et al., *Demystifying MMD
    GANs*, 2018; Kynkäänniemi et al., *Improved precision and recall metric*, 2019; Naeem et al., *Reliable fidelity and
    diversity metrics*, 2020.
    """

    frechet: float
    kernel: float
    kernel_error: float
    precision: float
    recall: float
    density: float
    coverage: float


class SampleQuality(NamedTuple):
    """Samples of a model compared with test images, beside the same for training images.

    Attributes:
      model: the distances of the samples.
      real: those of as many training images, for comparison.
      nearest: the median distance of a sample to its nearest training image, in the space of features.
      nearest_real: the same for a test image. A model whose samples are much nearer has memorised.
      features: the name of that space.
      samples: how many of each kind; the Fréchet distance depends on it.
    """

    model: Distances
    real: Distances
    nearest: float
    nearest_real: float
    features: str
    samples: int


def sample_quality(
    recipe: Recipe, params: Params, key: Array, data: Dataset, *, features: Features | None = None
) -> SampleQuality:
    """Compare samples of the model with test images. No labels are needed, and the space is the same for every model.

    If all real pixels are black or white, samples are draws from p(x|z); otherwise its means, as in the pictures.

    Args:
      recipe: that of a model trained to generate from its prior.
      params: those of the model.
      key: a typed key.
      data: the data set.
      features: images `[n, *shape]` as the model sees them -> `[n, features]`, such as a pretrained network's; by
        default the pixels, or a fixed random projection of them if there are more than 1,024, which keeps distances.

    Raises:
      InputError: a loss that matches its codes to no prior, fewer than ten training or test images, or `features` that
        fail.
    """
    if not recipe.loss.uses_prior:
        raise InputError(f"the codes of {recipe.loss.name} are held to no prior that could be sampled from")
    if min(len(data.train.x), len(data.test.x)) < FEWEST:
        raise InputError(f"{data.name} is too small: {len(data.test.x)} test images; expected at least {FEWEST}")
    key = use(key, "sample quality")
    n = min(MOST, len(data.train.x), len(data.test.x))
    name = getattr(features, "__name__", "features of the caller")
    if features is None:
        features, name = default_features(data.test.x.shape[1:])
    (train, _), (other, _) = (_seen(recipe, use(key, part), data.train) for part in ("train", "other"))
    test, rows = _seen(recipe, use(key, "test"), data.test)
    labels = jnp.asarray(data.test.y[rows[:n]]) if recipe.loss.conditional and data.test.y is not None else None
    black_or_white = bool(np.all((test == 0) | (test == 1)))
    drawn = np.asarray(_samples(recipe, params, use(key, "samples"), n, labels, black_or_white))
    sampled, real, held, all_train = (apply_features(features, x) for x in (drawn, other[:n], test[:n], train))
    return SampleQuality(
        distances(sampled, held),
        distances(real, held),
        float(np.median(_nearest(sampled, all_train))),
        float(np.median(_nearest(held, all_train))),
        name,
        n,
    )


def default_features(shape: tuple[int, ...]) -> tuple[Features, str]:
    """The pixels, or a fixed random projection if there are many; and the name of the features."""
    pixels = int(np.prod(shape))
    if pixels <= RAW:
        return lambda x: x.reshape(len(x), -1), f"{pixels} pixels"
    matrix = np.random.RandomState(0).randn(pixels, RAW).astype(np.float32) / np.float32(np.sqrt(RAW))
    return lambda x: x.reshape(len(x), -1) @ matrix, f"{pixels:,} pixels projected to {RAW:,}, NumPy's RandomState(0)"


def distances(a: np.ndarray, real: np.ndarray) -> Distances:
    """Every measure of `Distances`, of features `[n, features]` against real ones `[m, features]`.

    Raises:
      ValueError: fewer than ten of either, or features of another shape.
    """
    if a.ndim != 2 or real.ndim != 2 or a.shape[1] != real.shape[1] or min(len(a), len(real)) < FEWEST:
        raise ValueError(f"expected features [n, d] and [m, d] of at least {FEWEST}; got {a.shape} and {real.shape}.")
    frechet, kernel = frechet_distance(a, real), kernel_distance(a, real)  # the kernel is not invariant to shifts
    a, real = _centred(a, real)
    radius, radius_real = _radius(a), _radius(real)
    between = np.asarray(_squares(a, real))
    inside, inside_other = between <= radius_real[None], between <= radius[:, None]
    return Distances(
        frechet,
        *kernel,
        float(inside.any(axis=1).mean()),
        float(inside_other.any(axis=0).mean()),
        float(inside.sum(axis=1).mean() / NEIGHBOURS),
        float(inside.any(axis=0).mean()),
    )


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """|m − m'|² + tr(C + C' − 2 (C C')^½) of the means and covariances of two sets `[n, features]`."""
    parts = [(part.mean(axis=0), np.atleast_2d(np.cov(part.T))) for part in (np.asarray(x, np.float64) for x in (a, b))]
    (mean, covariance), (other_mean, other) = parts
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other @ root), 0)).sum()
    distance = np.sum(np.square(mean - other_mean)) + np.trace(covariance) + np.trace(other) - 2 * cross
    return float(max(distance, 0.0))


def kernel_distance(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """The unbiased squared discrepancy under (x·y/features + 1)³: the mean over disjoint parts, its standard error."""
    random, n = np.random.RandomState(0), min(len(a), len(b))
    parts = max(PARTS, n // PART)
    size = n // parts

    def of_part(u: np.ndarray, v: np.ndarray) -> float:
        within = [(x @ x.T / x.shape[1] + 1) ** 3 for x in (u, v)]
        same = sum((k.sum() - np.trace(k)) / (size * (size - 1)) for k in within)
        return float(same - 2 * np.mean((u @ v.T / u.shape[1] + 1) ** 3))

    rows = [random.permutation(len(x))[: parts * size].reshape(parts, size) for x in (a, b)]
    values = [of_part(a[i].astype(np.float64), b[j].astype(np.float64)) for i, j in zip(*rows, strict=True)]
    error = np.std(values, ddof=1) / np.sqrt(parts) if parts > 1 else np.nan
    return float(np.mean(values)), float(error)


def _centred(*sets: np.ndarray) -> list[np.ndarray]:
    """Features minus the mean of the last set, in float32: far from 0, the squares would swamp the distances."""
    middle = np.asarray(sets[-1], np.float64).mean(axis=0)
    return [np.asarray(x - middle, np.float32) for x in sets]


@jax.jit
def _squares(a: Array, b: Array) -> Array:
    """Squared distances `[n, m]`."""
    a, b = (jnp.asarray(x, jnp.float32) for x in (a, b))
    products = jnp.matmul(a, b.T, precision="highest")
    return jnp.maximum(jnp.sum(jnp.square(a), 1)[:, None] + jnp.sum(jnp.square(b), 1)[None] - 2 * products, 0.0)


@jax.jit
def _nearest_square(a: Array, b: Array) -> Array:
    return _squares(a, b).min(axis=1)


def _radius(a: np.ndarray) -> np.ndarray:
    """The squared distance of each point to its fifth neighbour, `[n]`."""
    squares = np.array(_squares(a, a))
    np.fill_diagonal(squares, 0.0)
    return np.partition(squares, NEIGHBOURS, axis=1)[:, NEIGHBOURS]


def _nearest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The distance of each of `a` to the nearest of `b`, `[n]`."""
    a, b = _centred(a, b)
    nearest = np.full(len(a), np.inf, np.float32)
    for start in range(0, len(b), CHUNK):
        nearest = np.minimum(nearest, _nearest_square(a, b[start : start + CHUNK]))
    return np.sqrt(nearest)


def apply_features(features: Features, x: np.ndarray) -> np.ndarray:
    """The features of images, checked.

    Raises:
      InputError: the function fails, or does not give finite `[n, features]`.
    """
    try:
        values = np.asarray(features(x))
    except Exception as error:
        raise InputError(f"the function of features failed on images {x.shape}: {error}") from error
    if values.ndim != 2 or len(values) != len(x) or not np.isfinite(values).all():
        raise InputError(f"the features of {len(x)} images are {values.shape}; expected finite [{len(x)}, features]")
    return values


def _seen(recipe: Recipe, key: Array, data: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Images as the model sees them, in random order, at most 50,000; and their rows in the data."""
    key_rows, key_pixels = jax.random.split(key)
    rows = np.asarray(jax.random.permutation(key_rows, len(data.x)))[: 10 * MOST]
    return np.asarray(_preprocessed(recipe, key_pixels, jnp.asarray(data.x[rows]))), rows


@partial(jax.jit, static_argnums=0)
def _preprocessed(recipe: Recipe, key: Array, x: Array) -> Array:
    return recipe.preprocessed(key, x)


@partial(jax.jit, static_argnums=(0, 3, 5))
def _samples(recipe: Recipe, params: Params, key: Array, n: int, y: Array | None, sampled: bool) -> Array:
    def one(key, y):
        key_z, key_x = jax.random.split(key)
        p = recipe.model.decode(params, draw(recipe.model.latent_prior(params, y), key_z), y)
        return draw(p, key_x) if sampled else mean_of(p)

    return jax.vmap(one)(jax.random.split(key, n), y)
