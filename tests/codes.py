"""Terms of a batch made by hand: from distortions and KLs as they stand, or from the codes of a small data set."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax import Normal
from vae_jax.losses import Terms, kl_standard_normal

N, LATENT = 7, 3


def terms_by_hand(distortion: ArrayLike, kl: ArrayLike, z: ArrayLike | None = None) -> Terms:
    """Terms of these distortions `[batch]` and KLs `[batch, latent]`; the codes are 0 unless given."""
    kl = jnp.asarray(kl)
    return Terms(-jnp.asarray(distortion), kl, jnp.zeros_like(kl) if z is None else jnp.asarray(z), None)


def everything(key: Array, spread: float = 1.5) -> tuple[Array, Normal]:
    """`(z, q)` of a whole small data set."""
    key_mean, key_scale, key_noise = jax.random.split(key, 3)
    mean = spread * jax.random.normal(key_mean, (N, LATENT))
    q = Normal(mean, 0.5 * jax.random.normal(key_scale, (N, LATENT)) - 1)
    return mean + jnp.exp(0.5 * q.log_var) * jax.random.normal(key_noise, (N, LATENT)), q


def terms_of(z: Array, q: Normal, distortion: float = 10.0) -> Terms:
    """Terms of these codes and posteriors, each example with one distortion."""
    return Terms(jnp.full(len(z), -distortion), kl_standard_normal(q.mean, q.log_var), z, q)
