"""The ELBO and its two terms over a whole data set, and how many latents are in use."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vae_jax.data.dataset import Examples
from vae_jax.distributions.base import mean_of
from vae_jax.keys import use
from vae_jax.losses.elbo import elbo_terms
from vae_jax.models.part import Params
from vae_jax.training.objective import batch_loss, example_loss, example_parts, example_terms
from vae_jax.training.recipe import Hyper, Recipe

CHUNK = 500  # examples at a time on the device


def active_units(means: Array, threshold: float = 0.01) -> Array:
    """How many latents carry information about x: Var_x(E[z|x]) above the threshold.

    Args:
      means: `[n, latent]` posterior means over a data set; say which when you report the number.
      threshold: 0.01 as in the paper.

    Returns:
      A whole number, `[]` int32.

    Reference: Burda, Grosse & Salakhutdinov, *Importance Weighted Autoencoders*, 2016, section 5.2.
    """
    return jnp.sum(jnp.var(means, axis=0) > threshold)


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """The mean over examples and its standard error s/√n; an error of NaN for a single example."""
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return float(values.mean()), float(error)


def evaluate_elbo(
    recipe: Recipe, params: Params, key: Array, data: Examples, hyper: Hyper | None = None
) -> dict[str, Any]:
    """Negative ELBO with β = 1, whatever was trained, over every example of the data.

    One sample of z per example: an unbiased estimate, with its standard error over examples. A point posterior has a
    distortion, but its rate and its negative ELBO are not defined: NaN.

    Args:
      recipe: the model, its preprocessing and its loss.
      params: those of the model.
      key: a typed key, for z and for dynamic binarisation.
      data: e.g. the test set, as the recipe takes it: standardised rows, if the model's were.
      hyper: if given, the training loss is reported too, with its corruption and with all ramps complete; a batch loss
        over full batches of the training size.

    Returns:
      `negative_elbo`, `distortion` and `rate` in nats per example, with `negative_elbo_error` and `rate_error`, their
      standard errors (the rate to a prior without a closed form is an estimate, and may be negative);
      `rate_per_latent`, a list; `mean_squared_error`, summed over pixels, of the mean of p(x|z) at the posterior mean;
      `active_units` over these data; `examples`; and, with `hyper`, `loss`.
    """
    own = None
    if hyper is not None:  # always float32: otherwise each type of number would compile its own program
        own = {name: jnp.asarray(hyper[name], jnp.float32) for name in recipe.loss.hyper if name in hyper}
    found = _of_each(recipe, params, key, recipe.labelled(data), own)
    distortion, kl, squared_error = (np.asarray(a, np.float64) for a in found[:3])
    rate = kl.sum(axis=1)
    negative_elbo, error = mean_and_error(distortion + rate)
    result = {
        "negative_elbo": negative_elbo,
        "negative_elbo_error": error,
        "distortion": float(distortion.mean()),
        "rate": float(rate.mean()),
        "rate_error": mean_and_error(rate)[1],
        "rate_per_latent": kl.mean(axis=0).tolist(),
        "mean_squared_error": float(squared_error.mean()),
        "active_units": int(found.active_units),
        "examples": len(rate),
    }
    if found.loss is not None:
        result["loss"] = float(np.asarray(found.loss, np.float64).mean())
    return result


def in_units(measured: dict[str, Any], log_jacobian: float) -> dict[str, Any]:
    """What `evaluate_elbo` measured, in nats of the data in their own units; see `Units.log_jacobian`.

    The loss stays as it is trained, and the squared error in the units of the model.
    """
    if not log_jacobian:
        return measured
    shifted = {name: measured[name] + log_jacobian for name in ("negative_elbo", "distortion")}
    return {**measured, **shifted, "log_jacobian": log_jacobian}


def elbo_means(
    recipe: Recipe, params: Params, key: Array, data: Examples, hyper: Hyper | None = None
) -> dict[str, Array]:
    """Only the means of `evaluate_elbo`, float32 on the device: what is monitored while a model trains.

    Pure, so that it can be mapped over models; it returns a few numbers, not a few for each example.

    Args:
      recipe: the model and its preprocessing; static.
      params: those of the model.
      key: a typed key, for z and for dynamic binarisation.
      data: e.g. the validation set, leaves `[n, …]`.
      hyper: if given, the objective is returned too.

    Returns:
      `negative_elbo`, `distortion` and `rate`, `[]` each, in nats per example, at β = 1; and, with `hyper`,
      `objective`, what is minimised in training, with its corruption and with all ramps complete.
    """
    key_loss = None if hyper is None else use(key, "loss")
    data, keys = recipe.labelled(data), jax.random.split(use(key, "elbo"), data.x.shape[0])

    def one(inputs):
        terms = example_terms(recipe, params, *inputs)
        return terms.distortion, terms.rate

    distortion, rate = (values.mean() for values in lax.map(one, (keys, data), batch_size=CHUNK))
    means = {"negative_elbo": distortion + rate, "distortion": distortion, "rate": rate}
    if hyper is not None and key_loss is not None:
        means["objective"] = _losses(recipe, params, recipe.loss.at(jnp.inf, hyper), key_loss, data).mean()
    return means


class Reconstruction(NamedTuple):
    """Images before and after the model, each `[n, *shape of x]`.

    Attributes:
      original: after preprocessing.
      encoded: what the encoder saw: corrupted, if the loss corrupts.
      decoded: the mean of p(x|z) at the mean of q(z|encoded).
    """

    original: Array
    encoded: Array
    decoded: Array


@partial(jax.jit, static_argnums=0)
def reconstruct(recipe: Recipe, params: Params, key: Array, data: Examples, hyper: Hyper) -> Reconstruction:
    """Encode and decode examples, with the loss's own corruption.

    Args:
      recipe: the model, its preprocessing and its loss; static.
      params: those of the model.
      key: for the pixels and the corruption of each example.
      data: leaves `[n, …]`.
      hyper: the leaves of the run; the corruption reads its own.
    """

    def one(key, example):
        key_pixels, key_corruption = jax.random.split(key)
        x = recipe.preprocess(key_pixels, example.x)
        corrupt = recipe.loss.corrupt
        encoded = x if corrupt is None else corrupt(key_corruption, x, **recipe.loss.at(jnp.inf, hyper))
        code = mean_of(recipe.model.encode(params, encoded, example.y))
        return Reconstruction(x, encoded, recipe.model.decode_mean(params, code, example.y))

    keys = jax.random.split(use(key, "reconstruction"), data.x.shape[0])
    return jax.vmap(one)(keys, recipe.labelled(data))


class _OfEach(NamedTuple):
    """What is measured of every example, `[n]` or `[n, latent]`, and how many latents are active over all of them.

    Attributes:
      distortion, kl: the terms of its ELBO.
      squared_error: of its reconstruction from the posterior's mean, against the x that was encoded.
      active_units: a whole number.
      loss: the training loss, if it is asked for.
    """

    distortion: Array
    kl: Array
    squared_error: Array
    active_units: Array
    loss: Array | None


@partial(jax.jit, static_argnums=0)
def _of_each(recipe: Recipe, params: Params, key: Array, data: Examples, hyper: Hyper | None) -> _OfEach:
    """All in one program: compiled operation by operation, it would take longer to start than to measure."""
    key = use(key, "elbo")

    def one(inputs):
        key, x, encode, decode, prior = example_parts(recipe, params, *inputs)
        terms = elbo_terms(key, x, encode, decode, prior)
        mean = mean_of(terms.posterior)
        return terms.distortion, terms.kl, jnp.sum(jnp.square(mean_of(decode(mean)) - x)), mean

    keys = jax.random.split(use(key, "terms"), data.x.shape[0])
    distortion, kl, squared_error, means = lax.map(one, (keys, data), batch_size=CHUNK)
    loss = None
    if hyper is not None:
        loss = _losses(recipe, params, recipe.loss.at(jnp.inf, hyper), use(key, "loss"), data)
    return _OfEach(distortion, kl, squared_error, active_units(means), loss)


def _losses(recipe: Recipe, params: Params, own: Hyper, key: Array, data: Examples) -> Array:
    """The training loss of every example, `[n]`; or, for a batch loss, of batches of the training size."""
    n = data.x.shape[0]
    if not recipe.loss.batch:
        keys = jax.random.split(key, n)
        return lax.map(lambda inputs: example_loss(recipe, params, own, *inputs)[0], (keys, data), batch_size=CHUNK)
    size = min(recipe.batch_size, n)
    batches = jax.tree.map(lambda leaf: leaf[: n - n % size].reshape(-1, size, *leaf.shape[1:]), data)

    def one(inputs):
        index, batch = inputs
        return batch_loss(recipe, params, own, jax.random.fold_in(key, index), batch, data_size=n)[0]

    return lax.map(one, (jnp.arange(n // size), batches))
