"""The family's objectives as pure functions of one example and a key. Depends on jax alone.

    loss, terms = jax.vmap(partial(losses.negative_elbo, encode=encode, decode=decode))(keys, x)

Every loss is in nats, summed over pixels and latents. A new loss is a new file in this folder with `@register`; it is
found by itself.
"""

from importlib import import_module
from pkgutil import iter_modules

from vae_jax.losses.autoencoders import autoencoder, denoising, sparse, sparse_rate
from vae_jax.losses.capacity import capacity, free_bits
from vae_jax.losses.divergences import kl_normal, kl_standard_normal, kl_to_prior
from vae_jax.losses.elbo import Terms, elbo_terms, negative_elbo
from vae_jax.losses.table import LOSSES, Loss, register

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "LOSSES",
    "Loss",
    "Terms",
    "autoencoder",
    "capacity",
    "denoising",
    "elbo_terms",
    "free_bits",
    "kl_normal",
    "kl_standard_normal",
    "kl_to_prior",
    "negative_elbo",
    "register",
    "sparse",
    "sparse_rate",
]
