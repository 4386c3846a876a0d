"""Variational autoencoders in JAX: losses, models, training and sweeps as pure functions.

Nothing is imported before it is used: `vae_jax.losses` and the distributions need only jax and numpy; `VAE` needs flax.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vae_jax import losses
    from vae_jax.arrays import fit
    from vae_jax.distributions.continuous import Mixture, Normal, StandardNormal
    from vae_jax.distributions.counts import NegativeBinomial, Poisson
    from vae_jax.distributions.pixels import (
        Bernoulli,
        ContinuousBernoulli,
        DiscretizedLogistic,
        DiscretizedLogisticMixture,
    )
    from vae_jax.distributions.points import Delta
    from vae_jax.estimator import VariationalAutoencoder
    from vae_jax.models.vae import VAE
    from vae_jax.runs.storage.models import load
    from vae_jax.trained.model import Trained

__version__ = "0.3.0.dev0"
__all__ = [
    "VAE",
    "Bernoulli",
    "ContinuousBernoulli",
    "Delta",
    "DiscretizedLogistic",
    "DiscretizedLogisticMixture",
    "Mixture",
    "NegativeBinomial",
    "Normal",
    "Poisson",
    "StandardNormal",
    "Trained",
    "VariationalAutoencoder",
    "fit",
    "load",
    "losses",
]

_ELSEWHERE = {
    "VAE": "models.vae",
    "Trained": "trained.model",
    "VariationalAutoencoder": "estimator",
    "fit": "arrays",
    "load": "runs.storage.models",
}


def __getattr__(name: str) -> Any:
    if name == "losses":
        return import_module("vae_jax.losses")
    if name in _ELSEWHERE:
        return getattr(import_module(f"vae_jax.{_ELSEWHERE[name]}"), name)
    if name in __all__:
        return getattr(import_module("vae_jax.distributions"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
