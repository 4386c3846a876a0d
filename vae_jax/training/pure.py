"""Training as pure functions: a step, an epoch, and a whole run of (key, hyperparameters, data).

    recipe = Recipe(model=model, loss=LOSSES["vae"])
    state, metrics = jax.jit(partial(run, recipe, epochs=10))(key, hyperparameters(recipe, beta=4.0), data)

Numbers that vary (β, learning rate) are float32 leaves of `hyper`: changing one does not recompile, and `jax.vmap`
over them trains a population. Choices and sizes are in the `Recipe`, which is static. Nothing here jits; callers do,
at the outermost level.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jax.typing import ArrayLike

from vae_jax.data.dataset import Examples
from vae_jax.distributions.base import draw
from vae_jax.errors import InputError
from vae_jax.keys import use
from vae_jax.losses.elbo import Terms
from vae_jax.models.part import Params, joined
from vae_jax.training.objective import critic_losses, loss_and_batch
from vae_jax.training.recipe import Hyper, Recipe

Metrics = dict[str, Array]


class State(NamedTuple):
    """Everything that training changes. The keys of a step come from the run's key and `step`, so none is stored.

    Attributes:
      params: the parameters of the model and of the loss's critics.
      opt_state: the optimiser's state.
      step: `[]` int32, the number of steps completed.
      average: a moving average of the parameters, if the recipe keeps one.
    """

    params: Params
    opt_state: Any
    step: Array
    average: Params | None = None

    @property
    def evaluated(self) -> Params:
        """The parameters to evaluate: the average, if there is one."""
        return self.params if self.average is None else self.average


def init(recipe: Recipe, key: Array, data: Examples) -> State:
    """The state before the first step.

    Args:
      recipe: static.
      key: the run's key.
      data: leaves `[n, …]`; the first example gives all shapes.
    """
    key = use(key, "initial state")
    example = jax.tree.map(lambda leaf: leaf[0], recipe.labelled(data))
    x = recipe.preprocess(use(key, "pixels"), example.x)
    params = recipe.model.init(use(key, "model"), x, example.y)
    for name, critic in recipe.loss.critics.items():
        code = jax.eval_shape(lambda key: draw(recipe.model.encode(params, x, example.y), key), key)
        z = jnp.zeros(code.shape, code.dtype)
        params[name] = critic.init(use(key, name), x, z, **recipe.loss.sizes_of(critic.sizes))
    rates = {name: jnp.float32(entry.default) for name, entry in recipe.declared.items()}
    opt_state = recipe.optimizer_at(0, rates).init(recipe.model.split_trained(params)[0])
    average = jax.tree.map(jnp.copy, params) if "ema" in recipe.options else None
    return State(params, opt_state, jnp.zeros((), jnp.int32), average)


def state_shapes(recipe: Recipe, data: Examples) -> State:
    """Shapes and dtypes of the state that `init` returns for such data; the trace is cached."""
    key = jax.eval_shape(jax.random.key, 0)
    example = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape[1:]), leaf.dtype), data)
    try:
        hash(recipe)
    except TypeError:  # it holds arrays or lists, and JAX caches no trace for these
        return jax.eval_shape(partial(init, recipe), key, example)
    return _init.eval_shape(recipe, key, example)


_init = jax.jit(init, static_argnums=0)  # never run, only traced: JAX caches the trace


def step(
    recipe: Recipe, state: State, key: Array, hyper: Hyper, batch: Examples, *, data_size: int | None = None
) -> tuple[State, Metrics]:
    """One update. The key of the step is folded from the run's, so a resumed run draws the same noise.

    Args:
      recipe: static.
      state: before the step.
      key: the run's key, the same for every step.
      hyper: as from `hyperparameters`.
      batch: leaves `[batch, …]`.
      data_size: as in `batch_loss`.

    Returns:
      `(state, metrics)`, metrics `[]` each: `loss`; `negative_elbo`, `distortion` and `rate` in nats; what the parts of
      the model report; the loss of each critic; and `skipped`, 0 or 1, if the recipe has `skip_nonfinite`.
    """
    key_noise = jax.random.fold_in(use(key, "noise"), state.step)
    own = recipe.loss.at(state.step, hyper)

    trained, held = recipe.model.split_trained(state.params)

    def objective(trained):
        params = joined(trained, held) if held else trained
        loss, seen = loss_and_batch(recipe, params, own, key_noise, batch, data_size)
        of_critics = critic_losses(recipe, params, key_noise, seen)
        return loss + sum(of_critics.values(), jnp.zeros(())), (loss, of_critics, seen.terms)

    grads, (loss, of_critics, terms) = jax.grad(objective, has_aux=True)(trained)
    updates, opt_state = recipe.optimizer_at(state.step, hyper).update(grads, state.opt_state, trained)
    params: Any = optax.apply_updates(trained, updates)
    if held:
        params = _learned(recipe, joined(params, held), terms, use(key_noise, "learned"), hyper, state.step)
    average = None if state.average is None else _average(recipe, state, params, hyper["ema"])
    distortion, rate = terms.distortion.mean(), terms.rate.mean()
    metrics = {"loss": loss, "negative_elbo": distortion + rate, "distortion": distortion, "rate": rate}
    metrics |= recipe.model.report(terms)
    metrics |= {f"{name}_loss": value for name, value in of_critics.items()}
    new = State(params, opt_state, state.step + 1, average)
    if recipe.skip_nonfinite:
        wrong = (first_nonfinite(new) >= 0) | ~jnp.isfinite(loss)
        new = choose(wrong, state._replace(step=state.step + 1), new)
        metrics["skipped"] = wrong.astype(jnp.float32)
    return new, metrics


def first_nonfinite(state: State) -> Array:
    """The index, in the order of `jax.tree.leaves`, of the first leaf that holds NaN or infinity; −1 if none does."""
    wrong = jnp.stack([~jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(state)])
    return jnp.where(wrong.any(), wrong.argmax(), -1)


def choose(which: Array, if_true: State, if_false: State) -> State:
    """One of two states.

    Args:
      which: `[]` bool.
      if_true: a state.
      if_false: another, of the same structure and shapes.
    """
    return jax.tree.map(lambda one, other: jnp.where(which, one, other), if_true, if_false)


def over_steps(metrics: Mapping[str, Any], mean: Callable = jnp.mean) -> dict[str, Any]:
    """Means over the last axis, the steps. Skipped steps count only in `skipped` itself."""
    if "skipped" not in metrics:
        return {name: mean(values, axis=-1) for name, values in metrics.items()}
    counted = {name: metrics["skipped"] == 0 for name in metrics} | {"skipped": True}
    return {name: mean(values, axis=-1, where=counted[name]) for name, values in metrics.items()}


def steps_per_epoch(recipe: Recipe, data: Examples) -> int:
    """The number of full batches in the data.

    Raises:
      InputError: the data do not fill one batch.
    """
    n = data.x.shape[0]
    if n < recipe.batch_size:
        raise InputError(f"a batch of {recipe.batch_size} needs as many images; got {n}. Use `batch_size={n}` or less.")
    return n // recipe.batch_size


def order(recipe: Recipe, key: Array, epoch_index: ArrayLike, data: Examples) -> Array:
    """Which examples each step of an epoch takes, `[steps, batch]`: a new shuffle for each epoch.

    Args:
      recipe: static; only its batch size is used.
      key: the run's key.
      epoch_index: `[]`, counted from 0.
      data: leaves `[n, …]`; only n is used.

    Raises:
      InputError: the data do not fill one batch.
    """
    key_order = jax.random.fold_in(use(key, "order"), epoch_index)
    shuffled = jax.random.permutation(key_order, data.x.shape[0])
    return shuffled[: steps_per_epoch(recipe, data) * recipe.batch_size].reshape(-1, recipe.batch_size)


def steps(recipe: Recipe, state: State, key: Array, hyper: Hyper, data: Examples, rows: Array) -> tuple[State, Metrics]:
    """One step for each row of `rows`, as one `lax.scan`.

    Args:
      recipe: static.
      state: before the first step.
      key: the run's key.
      hyper: as from `hyperparameters`.
      data: the training set, leaves `[n, …]`.
      rows: `[count, batch]`, which examples each step takes, as from `order`.

    Returns:
      `(state, metrics)`, metrics `[count]` each, as from `step`.
    """

    def body(state, row):
        batch = jax.tree.map(lambda leaf: jnp.asarray(leaf)[row], data)
        return step(recipe, state, key, hyper, batch, data_size=data.x.shape[0])

    return lax.scan(body, state, rows)


def steps_of(
    recipe: Recipe, state: State, key: Array, hyper: Hyper, batches: Examples, *, data_size: int
) -> tuple[State, Metrics]:
    """As `steps`, for batches that are already gathered.

    Args:
      recipe: static.
      state: before the first step.
      key: the run's key.
      hyper: as from `hyperparameters`.
      batches: leaves `[count, batch, …]`.
      data_size: how many examples they are drawn from.

    Returns:
      `(state, metrics)`, metrics `[count]` each, as from `step`.
    """

    def body(state, batch):
        return step(recipe, state, key, hyper, batch, data_size=data_size)

    return lax.scan(body, state, batches)


def epoch(recipe: Recipe, state: State, key: Array, hyper: Hyper, data: Examples) -> tuple[State, Metrics]:
    """One epoch: every full batch once.

    Args:
      recipe: static.
      state: before the epoch; its step says which epoch it is.
      key: the run's key.
      hyper: as from `hyperparameters`.
      data: the training set, leaves `[n, …]`.

    Returns:
      `(state, metrics)`, metrics `[steps]` each, as from `step`.

    Raises:
      InputError: the data do not fill one batch.
    """
    index = state.step // steps_per_epoch(recipe, data)
    return steps(recipe, state, key, hyper, data, order(recipe, key, index, data))


def run(recipe: Recipe, key: Array, hyper: Hyper, data: Examples, *, epochs: int) -> tuple[State, Metrics]:
    """A whole training run, pure: `jax.vmap(partial(run, recipe, epochs=10), (0, 0, None))` is a population.

    Args:
      recipe: static.
      key: a typed key; initial weights, the order of the data and all noise come from it.
      hyper: as from `hyperparameters`.
      data: the training set, on the device.
      epochs: static.

    Returns:
      `(state, metrics)`; each metric is `[epochs]`, the mean over that epoch's steps, in nats.
    """

    def body(state, _):
        state, metrics = epoch(recipe, state, key, hyper, data)
        return state, over_steps(metrics)

    return lax.scan(body, init(recipe, key, data), length=epochs)


def _learned(recipe: Recipe, params: Params, terms: Terms, key: Array, hyper: Hyper, step: Array) -> Params:
    """The parameters after what parts of the model learn without a gradient, once per update of the optimiser."""
    new = recipe.model.learned(params, terms, key, hyper)
    if recipe.accumulate == 1:
        return new
    updated = (step + 1) % recipe.accumulate == 0
    return jax.tree.map(lambda after, before: jnp.where(updated, after, before), new, params)


def _average(recipe: Recipe, state: State, params: Params, decay: Array) -> Any:
    """The average after one more update. Its decay starts low, so that it forgets the initial parameters.

    Collections that no gradient trains are copied as they are. Steps that only accumulate leave the average alone.
    """
    updates, every = state.step // recipe.accumulate, recipe.accumulate
    decay = jnp.minimum(decay, (1.0 + updates) / (10.0 + updates))
    if every > 1:
        decay = jnp.where((state.step + 1) % every == 0, decay, 1.0)
    trained, held = recipe.model.split_trained(params)
    before, _ = recipe.model.split_trained(state.average or {})
    mean = jax.tree.map(lambda mean, new: decay * mean + (1.0 - decay) * new, before, trained)
    return joined(mean, held) if held else mean
