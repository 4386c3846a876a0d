"""The objectives of the VAE family as pure functions of one example and a key. Depends only on jax.

    loss, terms = jax.vmap(partial(losses.negative_elbo, encode=encode, decode=decode))(keys, x)

Every loss is in nats, summed over pixels and latents. A new loss is a new file in this folder with `@register`,
found automatically.
"""

from vae_jax.distributions.kl import kl_normal, kl_standard_normal, kl_to_prior
from vae_jax.losses.autoencoders import autoencoder, denoising, sparse, sparse_rate
from vae_jax.losses.batch import Batch
from vae_jax.losses.dip_vae import dip
from vae_jax.losses.elbo import Terms, elbo_terms, negative_elbo
from vae_jax.losses.factor_vae import apply_critic, critic_loss, factor, init_critic, permute_latents
from vae_jax.losses.iwae import importance_weighted
from vae_jax.losses.mmd_vae import mmd, mmd2, wasserstein
from vae_jax.losses.rate_control import capacity, free_bits
from vae_jax.losses.scaling import SCALINGS, Scaling, convert_beta
from vae_jax.losses.sigma_vae import optimal_sigma
from vae_jax.losses.table import LOSSES, Critic, Loss, register
from vae_jax.losses.total_correlation import AggregateDensity, aggregate_density, beta_tc

__all__ = [
    "LOSSES",
    "SCALINGS",
    "AggregateDensity",
    "Batch",
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
