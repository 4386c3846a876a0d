"""Training as pure functions: a step, an epoch, and a whole run of (key, hyperparameters, data).

    recipe = Recipe(model=model, loss=LOSSES["vae"])
    state, metrics = jax.jit(partial(run, recipe, epochs=10))(key, hyperparameters(recipe, beta=4.0), data)

Numbers that vary (β, learning rate) are float32 leaves of `hyper`: changing one compiles nothing anew, and `jax.vmap`
over them trains a population. Choices and sizes are in the `Recipe`, which is static. Nothing here jits; callers do,
outermost.
"""

import math
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
from vae_jax.distributions import draw
from vae_jax.errors import InputError, nearest
from vae_jax.keys import use
from vae_jax.losses import LOSSES, Loss, Terms, elbo_terms
from vae_jax.model import VAE, Params

Hyper = dict[str, Array]
Metrics = dict[str, Array]

_RATES = ("learning_rate", "critic_learning_rate")
CRITIC_LEARNING_RATE = 1e-4  # Kim & Mnih 2018, appendix A


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

    A loss with a critic has `critic_learning_rate` too.

    Raises:
      InputError: a name that the loss does not have.
    """
    known = {"learning_rate": 1e-3, **recipe.loss.hyper}
    if recipe.loss.critic:
        known["critic_learning_rate"] = CRITIC_LEARNING_RATE
    for name in values:
        if name not in known:
            raise InputError(f"loss {recipe.loss.name!r} has no hyperparameter {name!r}; {nearest(name, known)}")
    return {name: jnp.asarray(value, jnp.float32) for name, value in {**known, **values}.items()}


def init(recipe: Recipe, key: Array, data: Examples) -> State:
    """The state before the first step, from the run's key."""
    key = use(key, "initial state")
    example = jax.tree.map(lambda leaf: leaf[0], labelled(recipe, data))
    x = recipe.preprocess(use(key, "pixels"), example.x)
    params = recipe.model.init(use(key, "model"), x, example.y)
    if recipe.loss.critic:
        latent = jax.eval_shape(lambda: recipe.model.encode(params, x, example.y).mean).size
        params["critic"] = recipe.loss.critic.init(use(key, "critic"), latent, **recipe.loss.options)
    return State(params, _optimizer(recipe, dict.fromkeys(_RATES, 0.0)).init(params), jnp.zeros((), jnp.int32))


def example_terms(recipe: Recipe, params: Params, key: Array, example: Examples) -> Terms:
    """The terms of one example's ELBO, whatever the loss."""
    return elbo_terms(*_parts(recipe, params, key, example))


def example_loss(
    recipe: Recipe, params: Params, hyper: Mapping[str, Array], key: Array, example: Examples
) -> tuple[Array, Terms]:
    """The loss of one example, and its terms. `hyper` are the loss's own, as `Loss.at` gives them."""
    *parts, prior = _parts(recipe, params, key, example)
    return recipe.loss.function(*parts, prior=prior, **recipe.loss.options, **hyper)


def batch_loss(
    recipe: Recipe,
    params: Params,
    hyper: Mapping[str, Array],
    key: Array,
    batch: Examples,
    *,
    data_size: int | None = None,
) -> tuple[Array, Terms]:
    """The loss of a batch, and its terms: one example's function, lifted once by `vmap`, with a key for each.

    `data_size` counts the examples that the batch is drawn from; None for the batch alone.
    """
    keys, batch = jax.random.split(use(key, "examples"), batch.x.shape[0]), labelled(recipe, batch)
    if not recipe.loss.batch:
        losses, terms = jax.vmap(partial(example_loss, recipe, params, hyper))(keys, batch)
        return losses.mean(), terms
    terms = jax.vmap(partial(example_terms, recipe, params))(keys, batch)
    need = needed(recipe, params, use(key, "prior samples"), batch, data_size or batch.x.shape[0])
    return recipe.loss.function(terms, **need, **hyper), terms


def step(
    recipe: Recipe, state: State, key: Array, hyper: Hyper, batch: Examples, *, data_size: int | None = None
) -> tuple[State, Metrics]:
    """One update. `key` is the run's: the step's own is folded from it, so a resumed run draws the same noise."""
    key_noise = jax.random.fold_in(use(key, "noise"), state.step)
    own = recipe.loss.at(state.step, hyper)

    def objective(params):
        loss, terms = batch_loss(recipe, params, own, key_noise, batch, data_size=data_size)
        critic_loss = _critic_loss(recipe, params, use(key_noise, "critic"), terms)
        return loss + critic_loss, (loss, critic_loss, terms)

    grads, (loss, critic_loss, terms) = jax.grad(objective, has_aux=True)(state.params)
    updates, opt_state = _optimizer(recipe, hyper).update(grads, state.opt_state, state.params)
    params: Any = optax.apply_updates(state.params, updates)
    distortion, rate = terms.distortion.mean(), terms.rate.mean()
    metrics = {"loss": loss, "negative_elbo": distortion + rate, "distortion": distortion, "rate": rate}
    if recipe.loss.critic:
        metrics["critic_loss"] = critic_loss
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
    key_order = jax.random.fold_in(use(key, "order"), epoch_index)
    shuffled = jax.random.permutation(key_order, data.x.shape[0])
    return shuffled[: steps_per_epoch(recipe, data) * recipe.batch_size].reshape(-1, recipe.batch_size)


def steps(recipe: Recipe, state: State, key: Array, hyper: Hyper, data: Examples, rows: Array) -> tuple[State, Metrics]:
    """One step for each row of `rows` `[count, batch]`, as one `lax.scan`; metrics are `[count]` each."""

    def body(state, row):
        batch = jax.tree.map(lambda leaf: jnp.asarray(leaf)[row], data)
        return step(recipe, state, key, hyper, batch, data_size=data.x.shape[0])

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


def needed(recipe: Recipe, params: Params, key: Array, batch: Examples, data_size: int) -> dict[str, Any]:
    """What the loss of a batch asks for beside its terms."""
    loss, found = recipe.loss, {}
    if "data_size" in loss.needs:
        found["data_size"] = data_size
    if "pixels" in loss.needs:
        found["pixels"] = math.prod(batch.x.shape[1:])
    if "prior_samples" in loss.needs:
        keys = jax.random.split(key, batch.x.shape[0])
        found["prior_samples"] = jax.vmap(lambda key, y: draw(recipe.model.latent_prior(params, y), key))(keys, batch.y)
    if "critic" in loss.needs and loss.critic:
        found["critic"] = partial(loss.critic.apply, lax.stop_gradient(params["critic"]))
    return found


def _critic_loss(recipe: Recipe, params: Params, key: Array, terms: Terms) -> Array:
    """The critic's own objective, with no gradient to the model; 0 without a critic."""
    critic = recipe.loss.critic
    return jnp.zeros(()) if critic is None else critic.loss(key, terms.z, partial(critic.apply, params["critic"]))


def _optimizer(recipe: Recipe, hyper: Mapping[str, Any]) -> optax.GradientTransformation:
    """The recipe's optimiser for the model, and for a critic Adam as in Kim & Mnih 2018, appendix A."""
    model = recipe.optimizer(hyper["learning_rate"])
    if recipe.loss.critic is None:
        return model
    critic = optax.adam(hyper["critic_learning_rate"], b1=0.5, b2=0.9)
    return optax.partition(
        {"model": model, "critic": critic},
        lambda params: {name: "critic" if name == "critic" else "model" for name in params},
    )


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
