"""Training as pure functions: a step, an epoch, and a whole run of (key, hyperparameters, data).

    recipe = Recipe(model=model, loss=LOSSES["vae"])
    state, metrics = jax.jit(partial(run, recipe, epochs=10))(key, hyperparameters(recipe, beta=4.0), data)

Numbers that vary (β, learning rate) are float32 leaves of `hyper`: changing one compiles nothing anew, and `jax.vmap`
over them trains a population. Choices and sizes are in the `Recipe`, which is static. Nothing here jits; callers do,
outermost.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jax.typing import ArrayLike

from vae_jax.data.preprocess import Preprocess, grey
from vae_jax.data.table import Examples
from vae_jax.errors import InputError, nearest
from vae_jax.losses import LOSSES, Loss, Terms, elbo_terms
from vae_jax.model import VAE, Params

Hyper = dict[str, Array]
Metrics = dict[str, Array]

# What is folded into the run's key for each of its uses; then the epoch or the step is.
_INIT, _ORDER, _NOISE = range(3)


class State(NamedTuple):
    """Everything that training changes. The keys of a step come from the run's key and `step`, so none is kept."""

    params: Params
    opt_state: Any
    step: Array


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is compiled into a program: choices and sizes, never a number that varies.

    Attributes:
      model: the four parts.
      loss: an entry of `LOSSES`.
      batch_size: examples a step. What remains of a shuffled epoch after full batches is left out of that epoch.
      optimizer: learning rate -> optax transformation; any of optax's own will do.
      preprocess: pixels -> what the model sees, inside the step.
    """

    model: VAE
    loss: Loss = LOSSES["vae"]
    batch_size: int = 128
    optimizer: Callable[[Any], optax.GradientTransformation] = optax.adam
    preprocess: Preprocess = grey


def hyperparameters(recipe: Recipe, **values: ArrayLike) -> Hyper:
    """The leaves of `hyper`, float32: the loss's defaults and `learning_rate` 1e-3, unless `values` say otherwise.

    Raises:
      InputError: a name that the loss does not have.
    """
    known = {"learning_rate": 1e-3, **recipe.loss.hyper}
    for name in values:
        if name not in known:
            raise InputError(f"loss {recipe.loss.name!r} has no hyperparameter {name!r}; {nearest(name, known)}")
    return {name: jnp.asarray(value, jnp.float32) for name, value in {**known, **values}.items()}


def init(recipe: Recipe, key: Array, data: Examples) -> State:
    """The state before the first step, from the run's key."""
    key_params, key_pixels = jax.random.split(jax.random.fold_in(key, _INIT))
    example = jax.tree.map(lambda leaf: leaf[0], labelled(recipe, data))
    params = recipe.model.init(key_params, recipe.preprocess(key_pixels, example.x), example.y)
    return State(params, recipe.optimizer(0.0).init(params), jnp.zeros((), jnp.int32))


def example_terms(recipe: Recipe, params: Params, key: Array, example: Examples) -> Terms:
    """The terms of one example's ELBO, whatever the loss."""
    return elbo_terms(*_parts(recipe, params, key, example))


def example_loss(
    recipe: Recipe, params: Params, hyper: Mapping[str, Array], key: Array, example: Examples
) -> tuple[Array, Terms]:
    """The loss of one example, and its terms. `hyper` are the loss's own, as `Loss.at` gives them."""
    *parts, prior = _parts(recipe, params, key, example)
    return recipe.loss.function(*parts, prior=prior, **hyper)


def batch_loss(
    recipe: Recipe, params: Params, hyper: Mapping[str, Array], key: Array, batch: Examples
) -> tuple[Array, Terms]:
    """The loss of a batch, and its terms: one example's function, lifted once by `vmap`, with a key for each."""
    keys, batch = jax.random.split(key, batch.x.shape[0]), labelled(recipe, batch)
    if recipe.loss.batch:
        terms = jax.vmap(partial(example_terms, recipe, params))(keys, batch)
        return recipe.loss.function(terms, **hyper), terms
    losses, terms = jax.vmap(partial(example_loss, recipe, params, hyper))(keys, batch)
    return losses.mean(), terms


def step(recipe: Recipe, state: State, key: Array, hyper: Hyper, batch: Examples) -> tuple[State, Metrics]:
    """One update. `key` is the run's: the step's own is folded from it, so a resumed run draws the same noise."""
    key_noise = jax.random.fold_in(jax.random.fold_in(key, _NOISE), state.step)
    gradient = jax.value_and_grad(batch_loss, argnums=1, has_aux=True)
    own = recipe.loss.at(state.step, hyper)
    (loss, terms), grads = gradient(recipe, state.params, own, key_noise, batch)
    updates, opt_state = recipe.optimizer(hyper["learning_rate"]).update(grads, state.opt_state, state.params)
    params: Any = optax.apply_updates(state.params, updates)
    distortion, rate = terms.distortion.mean(), terms.rate.mean()
    metrics = {"loss": loss, "negative_elbo": distortion + rate, "distortion": distortion, "rate": rate}
    return State(params, opt_state, state.step + 1), metrics


def steps_per_epoch(recipe: Recipe, data: Examples) -> int:
    """Full batches in the data.

    Raises:
      InputError: the data do not fill one batch.
    """
    n = data.x.shape[0]
    if n < recipe.batch_size:
        raise InputError(f"a batch of {recipe.batch_size} needs as many images; got {n}. Use --batch-size {n} or less.")
    return n // recipe.batch_size


def order(recipe: Recipe, key: Array, epoch_index: ArrayLike, data: Examples) -> Array:
    """Which examples each step of an epoch takes, `[steps, batch]`: a shuffle of the epoch's own."""
    key_order = jax.random.fold_in(jax.random.fold_in(key, _ORDER), epoch_index)
    shuffled = jax.random.permutation(key_order, data.x.shape[0])
    return shuffled[: steps_per_epoch(recipe, data) * recipe.batch_size].reshape(-1, recipe.batch_size)


def steps(recipe: Recipe, state: State, key: Array, hyper: Hyper, data: Examples, rows: Array) -> tuple[State, Metrics]:
    """One step for each row of `rows` `[count, batch]`, as one `lax.scan`; metrics are `[count]` each."""

    def body(state, row):
        return step(recipe, state, key, hyper, jax.tree.map(lambda leaf: jnp.asarray(leaf)[row], data))

    return lax.scan(body, state, rows)


def epoch(recipe: Recipe, state: State, key: Array, hyper: Hyper, data: Examples) -> tuple[State, Metrics]:
    """Every full batch once; metrics are `[steps]` each."""
    index = state.step // steps_per_epoch(recipe, data)
    return steps(recipe, state, key, hyper, data, order(recipe, key, index, data))


def run(recipe: Recipe, key: Array, hyper: Hyper, data: Examples, *, epochs: int) -> tuple[State, Metrics]:
    """A whole training run, pure: `jax.vmap(partial(run, recipe, epochs=10), (0, 0, None))` is a population.

    Args:
      recipe: static.
      key: a typed key; initial weights, the order of the data and all noise come from it.
      hyper: as `hyperparameters` gives them.
      data: the training set, on the device.
      epochs: static.

    Returns:
      `(state, metrics)`; each metric is `[epochs]`, the mean over that epoch's steps, in nats.
    """

    def body(state, _):
        state, metrics = epoch(recipe, state, key, hyper, data)
        return state, {name: values.mean() for name, values in metrics.items()}

    return lax.scan(body, init(recipe, key, data), length=epochs)


def labelled(recipe: Recipe, data: Examples) -> Examples:
    """The data as the loss wants them: with labels only where it is conditional."""
    return data if recipe.loss.conditional else data._replace(y=None)


def _parts(recipe: Recipe, params: Params, key: Array, example: Examples) -> tuple[Array, Array, Any, Any, Any]:
    """What a loss takes of one example: a key, x as the model sees it, encode, decode, and the prior."""
    model, (x, y) = recipe.model, example
    key_pixels, key_latent = jax.random.split(key)
    return (
        key_latent,
        recipe.preprocess(key_pixels, x),
        lambda x: model.encode(params, x, y),
        lambda z: model.decode(params, z, y),
        model.latent_prior(params, y),
    )
