"""Autoencoders without a posterior: plain, denoising and sparse. The code z is a point; its rate is not defined."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax.distributions.base import Distribution, mean_of, total, wide
from vae_jax.distributions.continuous import Delta
from vae_jax.distributions.posteriors import POINT, RATES, Rates
from vae_jax.hyperparameter import Hyperparameter
from vae_jax.losses.batch import Batch, loss_of
from vae_jax.losses.corruption import gaussian_noise, masking, salt_and_pepper
from vae_jax.losses.elbo import Decode, Encode, Terms, elbo_terms, one_number
from vae_jax.losses.table import register

_SHARE = Hyperparameter(default=0.3, most=1)  # of the pixels


def as_point(code: Any) -> Delta:
    """The code as a point: a distribution's mean, or an array as it is."""
    return Delta(mean_of(code) if hasattr(code, "log_prob") else code)


@register("ae", posterior=POINT, uses_prior=False)
def autoencoder(
    key: Array, x: Array, encode: Encode, decode: Decode, *, prior: Distribution | None = None
) -> tuple[Array, Terms]:
    """Autoencoder: reconstruction only, from a code that is a point.

    −log p(x|z),  z = encode(x)

    With a Gaussian likelihood of σ = 1 this is half the squared error plus a constant; with a Bernoulli likelihood, the
    cross-entropy.

    Args:
      key: not used; every loss takes one.
      x: one example.
      encode: x -> z `[latent]`, or a distribution whose mean is taken.
      decode: z -> p(x|z).
      prior: not used.

    Returns:
      `(loss [], Terms)` in nats; `terms.kl` is NaN, since a point has no finite KL to a density.

    Reference: Hinton & Salakhutdinov, *Reducing the dimensionality of data with neural networks*, 2006.

    >>> from vae_jax import Bernoulli
    >>> loss, terms = autoencoder(jax.random.key(0), jnp.ones(4), lambda x: x[:2], lambda z: Bernoulli(jnp.zeros(4)))
    >>> round(float(loss), 4), terms.z.tolist()  # 4 ln 2
    (2.7726, [1.0, 1.0])
    """
    terms = elbo_terms(key, x, lambda x: as_point(encode(x)), decode, prior)
    return terms.distortion, terms


@register("denoising", hyper={"noise": 0.3}, posterior=POINT, uses_prior=False, corrupt=gaussian_noise)
def denoising(
    key: Array,
    x: Array,
    encode: Encode,
    decode: Decode,
    *,
    noise: ArrayLike = 0.3,
    corruption: Callable[..., Array] = gaussian_noise,
    prior: Distribution | None = None,
) -> tuple[Array, Terms]:
    """Denoising autoencoder: encodes x with Gaussian noise added, reconstructs the clean x.

    −log p(x|z),  z = encode(corruption(x))

    Args:
      key: for the corruption.
      x: one example, clean.
      encode: as in `autoencoder`.
      decode: z -> p(x|z).
      noise: its strength: σ for `gaussian_noise`, a probability for `masking` and `salt_and_pepper`.
      corruption: `(key, x, *, noise) -> x`; see `vae_jax.losses.corruption`.
      prior: not used.

    Returns:
      `(loss [], Terms)` in nats, of the clean x given the corrupted one.

    Reference: Vincent et al., *Extracting and composing robust features with denoising autoencoders*, 2008.

    >>> from vae_jax import Normal
    >>> copy = lambda z: Normal(z, jnp.zeros(2))
    >>> loss, terms = denoising(jax.random.key(0), jnp.ones(2), lambda x: x, copy, noise=1.0, corruption=masking)
    >>> terms.z.tolist(), round(float(loss), 4)  # what the encoder saw; the clean pixels are one away: 1 + ln 2π
    ([0.0, 0.0], 2.8379)
    """
    key_corruption, key_code = jax.random.split(key)
    seen = corruption(key_corruption, x, noise=noise)
    return autoencoder(key_code, x, lambda _: encode(seen), decode, prior=prior)


@register("denoising-masking", hyper={"noise": _SHARE}, posterior=POINT, uses_prior=False, corrupt=masking)
def denoising_masking(key: Array, x: Array, encode: Encode, decode: Decode, **hyper: Any) -> tuple[Array, Terms]:
    """Denoising autoencoder: encodes x with pixels set to 0 at random, reconstructs the clean x."""
    return denoising(key, x, encode, decode, corruption=masking, **hyper)


@register(
    "denoising-salt-and-pepper", hyper={"noise": _SHARE}, posterior=POINT, uses_prior=False, corrupt=salt_and_pepper
)
def denoising_salt_and_pepper(
    key: Array, x: Array, encode: Encode, decode: Decode, **hyper: Any
) -> tuple[Array, Terms]:
    """Denoising autoencoder: encodes x with pixels set to 0 or 1 at random, reconstructs the clean x."""
    return denoising(key, x, encode, decode, corruption=salt_and_pepper, **hyper)


@register("sparse", hyper={"weight": 1.0}, posterior=POINT, uses_prior=False)
def sparse(
    key: Array,
    x: Array,
    encode: Encode,
    decode: Decode,
    *,
    weight: ArrayLike = 1.0,
    prior: Distribution | None = None,
) -> tuple[Array, Terms]:
    """Sparse autoencoder: an L1 penalty on the code.

    −log p(x|z) + weight·Σ_j |z_j|,  z = encode(x)

    Args:
      key: not used.
      x: one example.
      encode: as in `autoencoder`.
      decode: z -> p(x|z).
      weight: nats per unit of |z|, ≥ 0.
      prior: not used.

    Returns:
      `(loss [], Terms)`.

    Reference: Goodfellow, Bengio & Courville, *Deep Learning*, 2016, section 14.2.1.

    >>> from vae_jax import Bernoulli
    >>> decode = lambda z: Bernoulli(jnp.zeros(2))
    >>> loss, _ = sparse(jax.random.key(0), jnp.ones(2), lambda x: jnp.array([3.0, -2.0]), decode, weight=10.0)
    >>> round(float(loss), 4)  # 2 ln 2 + 10·5
    51.3863
    """
    loss, terms = autoencoder(key, x, encode, decode, prior=prior)
    return one_number(loss + weight * total(jnp.abs(terms.z))), terms


_TARGET = Hyperparameter(default=0.05, most=1, exclusive=True)


@register("sparse-rate", hyper={"weight": 1.0, "target": _TARGET}, batch=True, posterior=RATES, uses_prior=False)
def sparse_rate(
    batch: Batch, *, weight: ArrayLike = 1.0, target: ArrayLike = 0.05, axis_name: str | None = None
) -> Array:
    """Sparse autoencoder: the KL from a target rate to each unit's mean activation, codes in (0, 1).

    mean(−log p(x|z)) + weight·Σ_j KL(ρ ‖ ρ̂_j),  ρ̂_j = mean over the batch of z_j

    KL(ρ ‖ ρ̂) = ρ ln(ρ/ρ̂) + (1 − ρ) ln((1 − ρ)/(1 − ρ̂)), zero where a unit is active at the target rate.

    From posteriors that keep their logits, as the family `rates` does, ln ρ̂ and ln(1 − ρ̂) come from these, so that a
    unit that is always on or off still has its gradient; from codes alone, as far as float32 tells them from 0 and 1.

    Args:
      batch: with codes `[batch, latent]` in (0, 1), such as a sigmoid gives.
      weight: ≥ 0.
      target: ρ, in (0, 1).
      axis_name: a mapped axis over which the batch is split, as in `jax.lax.pmean`; the loss is that of the whole.

    Returns:
      The loss of the batch, `[]`.

    Reference: Ng, *Sparse autoencoder*, CS294A lecture notes, 2011.

    >>> terms = Terms(jnp.array([-80.0, -90.0]), jnp.zeros((2, 1)), jnp.array([[0.0], [0.1]]), None)
    >>> float(sparse_rate(Batch(terms), target=0.05))  # active at the target rate
    85.0
    """
    terms = batch.whole(axis_name).terms
    if isinstance(terms.posterior, Rates):
        logits, n = wide(terms.posterior.logits), terms.z.shape[0]
        on, off = (jax.nn.logsumexp(jax.nn.log_sigmoid(sign * logits), axis=0) - jnp.log(n) for sign in (1, -1))
    else:
        z = jnp.mean(wide(terms.z), axis=0)
        limits = jnp.finfo(z.dtype)
        on, off = jnp.log(jnp.maximum(z, limits.tiny)), jnp.log(jnp.maximum(1 - z, limits.epsneg))
    divergence = target * (jnp.log(target) - on) + (1 - target) * (jnp.log1p(-jnp.asarray(target)) - off)
    return loss_of(jnp.mean(terms.distortion) + weight * jnp.sum(divergence), axis_name)
