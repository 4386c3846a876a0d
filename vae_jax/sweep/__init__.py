"""Many runs as one compiled program."""

from vae_jax.sweep.folder import load
from vae_jax.sweep.members import Members, grid, members
from vae_jax.sweep.memory import bytes_per_member, members_that_fit
from vae_jax.sweep.pictures import rate_distortion, traversals
from vae_jax.sweep.population import OVER, WITHIN, Population, lift, suited, sweep, train
from vae_jax.sweep.results import evaluate, settings

__all__ = [
    "OVER",
    "WITHIN",
    "Members",
    "Population",
    "bytes_per_member",
    "evaluate",
    "grid",
    "lift",
    "load",
    "members",
    "members_that_fit",
    "rate_distortion",
    "settings",
    "suited",
    "sweep",
    "train",
    "traversals",
]
