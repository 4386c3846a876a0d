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
from vae_jax.losses.factor import apply_critic, critic_loss, factor, init_critic, permute_latents
from vae_jax.losses.importance_weighted import importance_weighted
from vae_jax.losses.matching import mmd, mmd2, wasserstein
from vae_jax.losses.moments import dip
from vae_jax.losses.scaling import SCALINGS, Scaling, convert_beta
from vae_jax.losses.sigma import optimal_sigma
from vae_jax.losses.table import LOSSES, Critic, Loss, register
from vae_jax.losses.total_correlation import AggregateDensity, aggregate_density, beta_tc

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "LOSSES",
    "SCALINGS",
    "AggregateDensity",
    "Critic",
    "Loss",
    "Scaling",
    "Terms",
    "aggregate_density",
    "apply_critic",
    "autoencoder",
    "beta_tc",
    "capacity",
    "convert_beta",
    "critic_loss",
    "denoising",
    "dip",
    "elbo_terms",
    "factor",
    "free_bits",
    "importance_weighted",
    "init_critic",
    "kl_normal",
    "kl_standard_normal",
    "kl_to_prior",
    "mmd",
    "mmd2",
    "negative_elbo",
    "optimal_sigma",
    "permute_latents",
    "register",
    "sparse",
    "sparse_rate",
    "wasserstein",
]
