"""The loss of one example and of a batch, as training, validation and evaluation compute it."""

import math
from collections.abc import Mapping
from functools import partial

import jax
from jax import Array, lax

from vae_jax.data.dataset import Examples
from vae_jax.distributions.base import Distribution, draw
from vae_jax.keys import use
from vae_jax.losses.batch import Batch
from vae_jax.losses.elbo import Decode, Encode, Terms, elbo_terms
from vae_jax.models.part import Params
from vae_jax.training.recipe import Recipe


def example_parts(
    recipe: Recipe, params: Params, key: Array, example: Examples
) -> tuple[Array, Array, Encode, Decode, Distribution]:
    """What a loss takes for one example, in its order: a key, x as the model sees it, encode, decode, the prior.

    Args:
      recipe: static.
      params: those of the model.
      key: a typed key, split over the pixels and z.
      example: one example, leaves without a batch axis.
    """
    model, (x, y) = recipe.model, example
    key_pixels, key_latent = jax.random.split(key)
    return (
        key_latent,
        recipe.preprocess(key_pixels, x),
        lambda x: model.encode(params, x, y),
        lambda z: model.decode(params, z, y),
        model.latent_prior(params, y),
    )


def example_terms(recipe: Recipe, params: Params, key: Array, example: Examples) -> Terms:
    """The terms of one example's ELBO, whatever the loss.

    Args:
      recipe: static.
      params: those of the model.
      key: a typed key, for the pixels and for z.
      example: one example, leaves without a batch axis.
    """
    return elbo_terms(*example_parts(recipe, params, key, example))


def example_loss(
    recipe: Recipe, params: Params, hyper: Mapping[str, Array], key: Array, example: Examples
) -> tuple[Array, Terms]:
    """The loss of one example, `[]`, and its terms, for losses of one example.

    Args:
      recipe: static.
      params: those of the model.
      hyper: the loss's hyperparameters, as from `Loss.at`.
      key: a typed key, for the pixels and for z.
      example: one example, leaves without a batch axis.
    """
    *parts, prior = example_parts(recipe, params, key, example)
    return recipe.loss.function(*parts, prior=prior, **recipe.loss.own_sizes, **hyper)


def batch_loss(
    recipe: Recipe,
    params: Params,
    hyper: Mapping[str, Array],
    key: Array,
    batch: Examples,
    *,
    data_size: int | None = None,
) -> tuple[Array, Terms]:
    """The loss of a batch: the function of one example, lifted once by `vmap`, with a key for each.

    Args:
      recipe: static.
      params: those of the model, and of the loss's critics.
      hyper: the loss's hyperparameters, as from `Loss.at`.
      key: the key of the step.
      batch: leaves `[batch, …]`.
      data_size: how many examples the batch is drawn from; None for the size of the batch.

    Returns:
      `(loss [], Terms)`, the terms with leaves `[batch, …]`.
    """
    loss, seen = loss_and_batch(recipe, params, hyper, key, batch, data_size)
    return loss, seen.terms


def loss_and_batch(
    recipe: Recipe, params: Params, hyper: Mapping[str, Array], key: Array, batch: Examples, data_size: int | None
) -> tuple[Array, Batch]:
    """The loss of a batch, and the batch as its loss and its critics see it.

    Args:
      recipe: static.
      params: those of the model, and of the loss's critics.
      hyper: the loss's hyperparameters, as from `Loss.at`.
      key: the key of the step.
      batch: leaves `[batch, …]`.
      data_size: as in `batch_loss`.
    """
    keys, batch = jax.random.split(use(key, "examples"), batch.x.shape[0]), recipe.labelled(batch)
    if not recipe.loss.batch:
        losses, terms = jax.vmap(partial(example_loss, recipe, params, hyper))(keys, batch)
        return losses.mean(), Batch(terms)
    x, terms = jax.vmap(partial(_x_and_terms, recipe, params))(keys, batch)
    key_prior, n = use(key, "prior samples"), batch.x.shape[0]
    seen = as_batch(recipe, params, key_prior, batch, terms, data_size or n)._replace(x=x)
    return recipe.loss.function(seen, **recipe.loss.own_sizes, **hyper), seen


def _x_and_terms(recipe: Recipe, params: Params, key: Array, example: Examples) -> tuple[Array, Terms]:
    """One example as the model sees it, and its terms."""
    parts = example_parts(recipe, params, key, example)
    return parts[1], elbo_terms(*parts)


def as_batch(recipe: Recipe, params: Params, key: Array, examples: Examples, terms: Terms, data_size: int) -> Batch:
    """A batch as its loss sees it. Once compiled, only what the loss uses is computed.

    Args:
      recipe: static.
      params: those of the model, and of the loss's critics.
      key: for samples of the prior.
      examples: leaves `[batch, …]`, with labels if the loss is conditional.
      terms: those of the examples.
      data_size: how many examples the batch is drawn from.
    """
    keys = jax.random.split(key, examples.x.shape[0])
    prior = jax.vmap(lambda key, y: draw(recipe.model.latent_prior(params, y), key))(keys, examples.y)
    critics = {
        name: partial(critic.apply, lax.stop_gradient(params[name])) for name, critic in recipe.loss.critics.items()
    }
    return Batch(terms, data_size, math.prod(examples.x.shape[1:]), prior, critics)


def critic_losses(recipe: Recipe, params: Params, key: Array, seen: Batch) -> dict[str, Array]:
    """Each critic's own objective, name -> `[]`, with no gradient to the model.

    Args:
      recipe: static.
      params: those of the critics are used.
      key: the key of the step.
      seen: the batch, as from `loss_and_batch`.
    """
    losses = {}
    for name, critic in recipe.loss.critics.items():
        held = seen._replace(critics={})
        held = jax.tree.map(lax.stop_gradient, held)
        losses[name] = critic.loss(use(key, name), held, partial(critic.apply, params[name]))
    return losses
