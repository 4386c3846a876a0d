"""Aliases of losses, in Python and for `--loss`: names from papers, from other libraries and from version 0.2."""

from vae_jax.losses._dip import dip
from vae_jax.losses._factor import factor
from vae_jax.losses._iwae import iwae
from vae_jax.losses._mmd import info_vae, wae_mmd
from vae_jax.losses._sigma_vae import sigma_vae
from vae_jax.losses.elbo import cvae
from vae_jax.losses.loss import LOSSES
from vae_jax.losses.total_correlation import beta_tc

beta_tcvae = beta_tc
conditional_negative_elbo = cvae
dip_vae = dip
factor_vae = factor
importance_weighted = iwae
mmd = info_vae
optimal_sigma = sigma_vae
wasserstein = wae_mmd

LOSSES.alias("ae", "autoencoder")
LOSSES.alias("beta-tc", "beta-tcvae")
LOSSES.alias("dip-i", "dip", "dip-vae", "dip-vae-i")
LOSSES.alias("dip-ii", "dip-vae-ii")
LOSSES.alias("factor", "factor-vae")
LOSSES.alias("info-vae", "mmd")
LOSSES.alias("iwae", "importance-weighted")
LOSSES.alias("sigma-vae", "optimal-sigma")
LOSSES.alias("vae", "negative-elbo")
LOSSES.alias("wae-mmd", "wasserstein")
