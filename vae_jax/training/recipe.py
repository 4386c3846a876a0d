"""What a run is made of: a `Recipe` of choices and sizes, which are compiled in, and `hyper`, the numbers that vary."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike

from vae_jax.data.dataset import Examples
from vae_jax.data.preprocess import Preprocess, grey
from vae_jax.hyperparameter import Declared, Hyperparameter, check, declared
from vae_jax.losses.loss import LOSSES, Loss
from vae_jax.models.part import Part
from vae_jax.models.vae import VAE
from vae_jax.training.optimizers import OPTIMIZERS, Optimizer
from vae_jax.training.schedules import SCHEDULES, Schedule

Hyper = dict[str, Array]

# Hyperparameters of a recipe's optional parts; see `Recipe.options`.
OPTIONAL: Declared = declared(
    {
        "clip_norm": Hyperparameter(default=1.0, exclusive=True),
        "ema": Hyperparameter(default=0.999, most=1.0, exclusive=True),
    }
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is compiled into a program: choices and sizes, never a number that varies.

    Attributes:
      model: encoder, posterior, decoder, likelihood and prior.
      loss: an entry of `LOSSES`.
      batch_size: examples per step. The incomplete last batch of a shuffled epoch is dropped.
      optimizer: an entry of `OPTIMIZERS`, or any function of a learning rate to an optax transformation.
      schedule: an entry of `SCHEDULES`.
      options: names in `OPTIONAL`. `clip_norm` scales the model's gradient down to that norm over all parameters;
        `ema` keeps a moving average of the parameters with that decay, and the average is evaluated.
      accumulate: steps whose gradients are averaged into one update.
      preprocess: pixels -> what the model sees, inside the step.
      skip_nonfinite: whether a step whose loss or new state is not finite changes nothing but the step count; its
        metrics gain `skipped`, the share of such steps.
    """

    model: VAE
    loss: Loss = LOSSES["vae"]
    batch_size: int = 128
    optimizer: Optimizer | Callable[[Any], optax.GradientTransformation] = OPTIMIZERS["adam"]
    schedule: Schedule = SCHEDULES["constant"]
    options: tuple[str, ...] = ()
    accumulate: int = 1
    preprocess: Preprocess = grey
    skip_nonfinite: bool = False

    @property
    def optimizes(self) -> Optimizer:
        """The optimiser with its hyperparameters; a plain function has only the learning rate."""
        if isinstance(self.optimizer, Optimizer):
            return self.optimizer
        function = self.optimizer
        return Optimizer("custom", lambda learning_rate: function(learning_rate))

    def optimizer_at(self, step: ArrayLike, hyper: Mapping[str, Any]) -> optax.GradientTransformation:
        """The optimiser of the model, and Adam for each critic, with the constants of FactorVAE's public code.

        Args:
          step: how many steps are done, `[]`.
          hyper: as from `hyperparameters`.
        """
        optimizer = self.optimizes.at({**hyper, "learning_rate": self.schedule.at(step, hyper)})
        if "clip_norm" in self.options:
            optimizer = optax.chain(optax.clip_by_global_norm(hyper["clip_norm"]), optimizer)
        if self.loss.critics:
            critics = {name: optax.adam(hyper[f"{name}_learning_rate"], b1=0.5, b2=0.9) for name in self.loss.critics}
            optimizer = optax.partition(
                {"model": optimizer, **critics},
                lambda params: {name: name if name in critics else "model" for name in params},
            )
        if self.accumulate > 1:
            return optax.MultiSteps(optimizer, self.accumulate).gradient_transformation()
        return optimizer

    @property
    def declared(self) -> Declared:
        """The declaration of every leaf of `hyper`: the optimiser, schedule and options, the model's parts, the loss.

        Raises:
          ValueError: two of them declare the same name.
        """
        options = {name: OPTIONAL[name] for name in self.options}
        own = [part.declared for part in self.model.parts.values() if isinstance(part, Part)]
        found: dict[str, Hyperparameter] = {}
        for declarations in (self.optimizes.hyper, self.schedule.hyper, options, *own, self.loss.declared):
            for name, entry in declarations.items():
                if not entry.integer:
                    if name in found:
                        raise ValueError(f"two parts of the recipe declare a hyperparameter {name!r}; rename one.")
                    found[name] = entry
        return found

    @property
    def has_density(self) -> bool:
        """Whether q(z|x) has a density, and is trained as one."""
        return self.model.has_density and not self.loss.point

    def preprocessed(self, key: Array, x: ArrayLike) -> Array:
        """Examples `[n, …]` as the model sees them, each with its own key."""
        x = jnp.asarray(x)
        return jax.vmap(self.preprocess)(jax.random.split(key, x.shape[0]), x)

    def labelled(self, data: Examples) -> Examples:
        """The data as the loss needs them: with labels only if it is conditional."""
        return data if self.loss.conditional else data._replace(y=None)


def hyperparameters(recipe: Recipe, **values: ArrayLike) -> Hyper:
    """The leaves of `hyper`, float32: `learning_rate` and whatever else the recipe declares.

    Args:
      recipe: declares them, with their defaults.
      values: hyperparameter -> value; the others keep their defaults. Plain numbers are checked against their ranges,
        arrays and traced values are not.

    Raises:
      InputError: a name that the recipe does not have, or a number out of its range.
    """
    known = recipe.declared
    owner = f"loss {recipe.loss.name!r}"
    for name, value in values.items():
        if name not in known or (not isinstance(value, jax.core.Tracer) and jnp.ndim(value) == 0):
            check(name, value if jnp.ndim(value) == 0 else float("nan"), known, owner=owner)
    return leaves_of(recipe, values)


def leaves_of(recipe: Recipe, values: Mapping[str, ArrayLike]) -> Hyper:
    """The leaves of `hyper`, float32, from values that are already checked; the others keep their defaults."""
    chosen = {name: values.get(name, entry.default) for name, entry in recipe.declared.items()}
    return {name: jnp.asarray(value, jnp.float32) for name, value in chosen.items()}
