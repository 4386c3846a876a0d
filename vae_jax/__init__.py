"""Variational autoencoders in JAX: losses, models, training and sweeps as pure functions.

Importing this package, or `vae_jax.losses`, loads jax and numpy and nothing else; flax loads when `VAE` is first named.
"""

from typing import TYPE_CHECKING, Any

from vae_jax import losses
from vae_jax.distributions import Bernoulli, Delta, Mixture, Normal, StandardNormal
from vae_jax.pixel_distributions import ContinuousBernoulli, DiscretizedLogistic, DiscretizedLogisticMixture

if TYPE_CHECKING:
    from vae_jax.model import VAE

__version__ = "0.1.0"
__all__ = [
    "VAE",
    "Bernoulli",
    "ContinuousBernoulli",
    "Delta",
    "DiscretizedLogistic",
    "DiscretizedLogisticMixture",
    "Mixture",
    "Normal",
    "StandardNormal",
    "losses",
]


def __getattr__(name: str) -> Any:
    if name == "VAE":
        from vae_jax.model import VAE

        return VAE
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
