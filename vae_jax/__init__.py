"""Variational autoencoders in JAX: losses, models, training and sweeps as pure functions.

Importing this package, or `vae_jax.losses`, loads jax and numpy and nothing else; flax loads when `VAE` is first named.
"""

from typing import TYPE_CHECKING, Any

from vae_jax import losses
from vae_jax.distributions.continuous import Delta, Mixture, Normal, StandardNormal
from vae_jax.distributions.counts import NegativeBinomial, Poisson
from vae_jax.distributions.pixels import (
    Bernoulli,
    ContinuousBernoulli,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
)

if TYPE_CHECKING:
    from vae_jax.models.vae import VAE
    from vae_jax.runs.loading import load

__version__ = "0.2.0"
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
    "load",
    "losses",
]


def __getattr__(name: str) -> Any:
    if name == "VAE":
        from vae_jax.models.vae import VAE

        return VAE
    if name == "load":
        from vae_jax.runs.loading import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
