"""Encoders and decoders in Flax Linen, for one example each; lift them with `jax.vmap`.

An encoder maps x to the numbers that the posterior turns into a distribution over z; a decoder maps z to the numbers
that the likelihood turns into a distribution over x. To add a pair, put a file with `@NETWORKS.register` into this
folder; it is found automatically.
"""

from vae_jax.models.networks.convolutional import ConvDecoder, ConvEncoder
from vae_jax.models.networks.dense import DenseDecoder, DenseEncoder
from vae_jax.models.networks.network import INITIALIZERS, NETWORKS, Network, NetworkConfig

__all__ = [
    "INITIALIZERS",
    "NETWORKS",
    "ConvDecoder",
    "ConvEncoder",
    "DenseDecoder",
    "DenseEncoder",
    "Network",
    "NetworkConfig",
]
