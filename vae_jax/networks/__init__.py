"""Encoders and decoders in Flax Linen, for one example each; lift them with `jax.vmap`.

An encoder maps x to a distribution over z; a decoder maps z to the numbers that the likelihood turns into a
distribution over x. A new pair is a new file in this folder with `@register`; it is found by itself.
"""

from importlib import import_module
from pkgutil import iter_modules

from vae_jax.networks.convolutional import ConvDecoder, ConvEncoder
from vae_jax.networks.dense import DenseDecoder, DenseEncoder
from vae_jax.networks.table import INITIALIZERS, NETWORKS, Network, Sizes, register

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "INITIALIZERS",
    "NETWORKS",
    "ConvDecoder",
    "ConvEncoder",
    "DenseDecoder",
    "DenseEncoder",
    "Network",
    "Sizes",
    "register",
]
