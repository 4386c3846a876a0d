"""Encoders and decoders in Flax Linen, for one example each; lift them with `jax.vmap`.

An encoder maps x to a distribution over z; a decoder maps z to the numbers that the likelihood turns into a
distribution over x. A new pair is a new file in this folder with `@register`, found automatically.
"""

from vae_jax.models.networks.convolutional import ConvDecoder, ConvEncoder
from vae_jax.models.networks.dense import DenseDecoder, DenseEncoder
from vae_jax.models.networks.table import INITIALIZERS, NETWORKS, Network, NetworkConfig, register

__all__ = [
    "INITIALIZERS",
    "NETWORKS",
    "ConvDecoder",
    "ConvEncoder",
    "DenseDecoder",
    "DenseEncoder",
    "Network",
    "NetworkConfig",
    "register",
]
