"""The objectives of the VAE family as pure functions of one example and a key. Depends only on jax.

    loss, terms = jax.vmap(partial(losses.negative_elbo, encode=encode, decode=decode))(keys, x)

Every loss is in nats, summed over pixels and latents, and has the name that `--loss` takes, with _ for -. To add one,
put a file with `@LOSSES.register` into this folder; it is found automatically.
"""

from vae_jax.distributions.kl import kl_normal, kl_standard_normal
from vae_jax.distributions.to_prior import kl_to_prior
from vae_jax.losses._aliases import (
    beta_tcvae,
    conditional_negative_elbo,
    dip_vae,
    factor_vae,
    importance_weighted,
    mmd,
    optimal_sigma,
    wasserstein,
)
from vae_jax.losses._calls import per_batch, per_example
from vae_jax.losses._dip import dip, dip_i, dip_ii
from vae_jax.losses._factor import apply_critic, critic_loss, factor, init_critic, permute_latents
from vae_jax.losses._iwae import iwae, iwae_dreg, iwae_stl
from vae_jax.losses._mmd import info_vae, mmd2, wae_mmd
from vae_jax.losses._sigma_vae import sigma_vae
from vae_jax.losses.autoencoders import (
    ae,
    autoencoder,
    denoising,
    denoising_masking,
    denoising_salt_and_pepper,
    sparse,
    sparse_rate,
)
from vae_jax.losses.batch import Batch
from vae_jax.losses.elbo import Terms, beta_vae, cvae, elbo_terms, negative_elbo, vae
from vae_jax.losses.loss import LOSSES, BatchLoss, Critic, ExampleLoss, Loss, Ramp
from vae_jax.losses.rate_control import capacity, free_bits
from vae_jax.losses.scaling import SCALINGS, Scaling, convert_beta
from vae_jax.losses.total_correlation import AggregateDensity, aggregate_density, beta_tc, beta_tc_weighted

__all__ = [
    "LOSSES",
    "SCALINGS",
    "AggregateDensity",
    "Batch",
    "BatchLoss",
    "Critic",
    "ExampleLoss",
    "Loss",
    "Ramp",
    "Scaling",
    "Terms",
    "ae",
    "aggregate_density",
    "apply_critic",
    "autoencoder",
    "beta_tc",
    "beta_tc_weighted",
    "beta_tcvae",
    "beta_vae",
    "capacity",
    "conditional_negative_elbo",
    "convert_beta",
    "critic_loss",
    "cvae",
    "denoising",
    "denoising_masking",
    "denoising_salt_and_pepper",
    "dip",
    "dip_i",
    "dip_ii",
    "dip_vae",
    "elbo_terms",
    "factor",
    "factor_vae",
    "free_bits",
    "importance_weighted",
    "info_vae",
    "init_critic",
    "iwae",
    "iwae_dreg",
    "iwae_stl",
    "kl_normal",
    "kl_standard_normal",
    "kl_to_prior",
    "mmd",
    "mmd2",
    "negative_elbo",
    "optimal_sigma",
    "per_batch",
    "per_example",
    "permute_latents",
    "sigma_vae",
    "sparse",
    "sparse_rate",
    "vae",
    "wae_mmd",
    "wasserstein",
]
