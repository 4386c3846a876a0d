"""Many models as one compiled program.

    recipe = Recipe(model=model)
    models = sweep(recipe, grid(recipe, beta=[0.5, 1, 2, 4], seeds=3), data, epochs=50)

A single run is a population of one, so a sweep runs the code that training runs; this module collects its names.
"""

from vae_jax.evaluation.populations import evaluate, settings
from vae_jax.plots.population import rate_distortion, traversals
from vae_jax.runs.storage.models import load
from vae_jax.training.driver import Population, fit, sweep
from vae_jax.training.layout import OVER, WITHIN, Layout, lay_out
from vae_jax.training.members import Members, grid, members_of
from vae_jax.training.memory import bytes_per_member, members_that_fit

__all__ = [
    "OVER",
    "WITHIN",
    "Layout",
    "Members",
    "Population",
    "bytes_per_member",
    "evaluate",
    "fit",
    "grid",
    "lay_out",
    "load",
    "members_of",
    "members_that_fit",
    "rate_distortion",
    "settings",
    "sweep",
    "traversals",
]
