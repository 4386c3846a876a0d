"""Training as pure functions of (key, hyperparameters, data), and the driver that runs them for one model or many."""

from vae_jax.training.driver import DivergedError, Epoch, Population, begin, fit, sweep, train_one
from vae_jax.training.experiment import IMPROPER, Experiment
from vae_jax.training.layout import OVER, WITHIN, Layout, lay_out
from vae_jax.training.members import Members, grid, members_of
from vae_jax.training.memory import bytes_per_member, members_that_fit
from vae_jax.training.objective import as_batch, batch_loss, example_loss, example_terms
from vae_jax.training.optimizers import OPTIMIZERS, Optimizer
from vae_jax.training.pure import State, epoch, init, order, run, step, steps, steps_per_epoch
from vae_jax.training.recipe import OPTIONAL, Hyper, Recipe, hyperparameters
from vae_jax.training.schedules import SCHEDULES, Schedule

__all__ = [
    "IMPROPER",
    "OPTIMIZERS",
    "OPTIONAL",
    "OVER",
    "SCHEDULES",
    "WITHIN",
    "DivergedError",
    "Epoch",
    "Experiment",
    "Hyper",
    "Layout",
    "Members",
    "Optimizer",
    "Population",
    "Recipe",
    "Schedule",
    "State",
    "as_batch",
    "batch_loss",
    "begin",
    "bytes_per_member",
    "epoch",
    "example_loss",
    "example_terms",
    "fit",
    "grid",
    "hyperparameters",
    "init",
    "lay_out",
    "members_of",
    "members_that_fit",
    "order",
    "run",
    "step",
    "steps",
    "steps_per_epoch",
    "sweep",
    "train_one",
]
