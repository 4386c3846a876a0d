"""Autoencoders without a posterior: plain, denoising and sparse. The code z is a point; its rate is not defined."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax.distributions.base import Distribution, has_density, mean_of, total, upcast
from vae_jax.distributions.points import Activations, Delta
from vae_jax.hyperparameter import Hyperparameter
from vae_jax.losses._calls import per_batch, per_example
from vae_jax.losses.batch import Batch, loss_of
from vae_jax.losses.corruption import gaussian_noise, masking, salt_and_pepper
from vae_jax.losses.elbo import Decode, Encode, Terms, elbo_terms, one_number
from vae_jax.losses.loss import LOSSES

_SHARE = Hyperparameter(most=1)  # a share of the pixels


def as_point(code: Any) -> Any:
    """The code as a point: of an array, of a density's mean, or of a point, which is returned unchanged."""
    if not hasattr(code, "log_prob"):
        return Delta(code)
    return Delta(mean_of(code)) if has_density(code) else code


@LOSSES.register("ae", posterior="point", point=True, uses_prior=False)
@per_example
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

    Raises:
      ValueError: the decoded distribution does not have x's shape, or the code has more than one axis.
      TypeError: `decode` does not return a distribution.

    Reference: Hinton & Salakhutdinov, *Reducing the dimensionality of data with neural networks*, 2006.

    >>> from vae_jax import Bernoulli
    >>> loss, terms = autoencoder(jax.random.key(0), jnp.ones(4), lambda x: x[:2], lambda z: Bernoulli(jnp.zeros(4)))
    >>> round(float(loss), 4), terms.z.tolist()  # 4 ln 2
    (2.7726, [1.0, 1.0])
    """
    terms = elbo_terms(key, x, lambda x: as_point(encode(x)), decode, prior)
    return terms.distortion, terms


@LOSSES.register("denoising", posterior="point", point=True, uses_prior=False)
@per_example
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
      noise: strength of the corruption: σ for `gaussian_noise`, a probability for `masking` and `salt_and_pepper`.
      corruption: `(key, x, *, noise) -> x`; see `vae_jax.losses.corruption`.
      prior: not used.

    Returns:
      `(loss [], Terms)` in nats, of the clean x given the corrupted one.

    Raises:
      ValueError: as in `autoencoder`.
      TypeError: as in `autoencoder`.

    Reference: Vincent et al., *Extracting and composing robust features with denoising autoencoders*, 2008.

    >>> from vae_jax import Normal
    >>> copy = lambda z: Normal(z, jnp.zeros(2))
    >>> loss, terms = denoising(jax.random.key(0), jnp.ones(2), lambda x: x, copy, noise=1.0, corruption=masking)
    >>> terms.z.tolist(), round(float(loss), 4)  # what the encoder saw; the clean pixels are one away: 1 + ln 2π
    ([0.0, 0.0], 2.8379)
    """
    key_corruption, key_code = jax.random.split(key)
    corrupted = corruption(key_corruption, x, noise=noise)
    return autoencoder(key_code, x, lambda _: encode(corrupted), decode, prior=prior)


@LOSSES.register("denoising-masking", ranges={"noise": _SHARE}, posterior="point", point=True, uses_prior=False)
@per_example
def denoising_masking(
    key: Array,
    x: Array,
    encode: Encode,
    decode: Decode,
    *,
    noise: ArrayLike = 0.3,
    corruption: Callable[..., Array] = masking,
    prior: Distribution | None = None,
) -> tuple[Array, Terms]:
    """Denoising autoencoder: encodes x with pixels set to 0 at random, reconstructs the clean x.

    Arguments as in `denoising`; `noise` is the share of pixels, from 0 to 1.

    >>> from vae_jax import Normal
    >>> copy = lambda z: Normal(z, jnp.zeros(2))
    >>> loss, terms = denoising_masking(jax.random.key(0), jnp.ones(2), lambda x: x, copy, noise=1.0)
    >>> terms.z.tolist(), round(float(loss), 4)  # every pixel is masked, one away from the clean x: 1 + ln 2π
    ([0.0, 0.0], 2.8379)
    """
    return denoising(key, x, encode, decode, noise=noise, corruption=corruption, prior=prior)


@LOSSES.register("denoising-salt-and-pepper", ranges={"noise": _SHARE}, posterior="point", point=True, uses_prior=False)
@per_example
def denoising_salt_and_pepper(
    key: Array,
    x: Array,
    encode: Encode,
    decode: Decode,
    *,
    noise: ArrayLike = 0.3,
    corruption: Callable[..., Array] = salt_and_pepper,
    prior: Distribution | None = None,
) -> tuple[Array, Terms]:
    """Denoising autoencoder: encodes x with pixels set to 0 or 1 at random, reconstructs the clean x.

    Arguments as in `denoising`; `noise` is the share of pixels, from 0 to 1.

    >>> from vae_jax import Normal
    >>> x, copy = jnp.full(2, 0.5), lambda z: Normal(z, jnp.zeros(2))
    >>> loss, terms = denoising_salt_and_pepper(jax.random.key(0), x, lambda x: x, copy, noise=1.0)
    >>> set(terms.z.tolist()) <= {0.0, 1.0}, round(float(loss), 4)  # every pixel is ½ away: ¼ + ln 2π
    (True, 2.0879)
    """
    return denoising(key, x, encode, decode, noise=noise, corruption=corruption, prior=prior)


@LOSSES.register("sparse", posterior="point", point=True, uses_prior=False)
@per_example
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
      `(loss [], Terms)` in nats.

    Raises:
      ValueError: the weight is not one number; and as in `autoencoder`.
      TypeError: as in `autoencoder`.

    Reference: Goodfellow, Bengio & Courville, *Deep Learning*, 2016, section 14.2.1.

    >>> from vae_jax import Bernoulli
    >>> decode = lambda z: Bernoulli(jnp.zeros(2))
    >>> loss, _ = sparse(jax.random.key(0), jnp.ones(2), lambda x: jnp.array([3.0, -2.0]), decode, weight=10.0)
    >>> round(float(loss), 4)  # 2 ln 2 + 10·5
    51.3863
    """
    loss, terms = autoencoder(key, x, encode, decode, prior=prior)
    return one_number(loss + weight * total(jnp.abs(terms.z))), terms


_TARGET = Hyperparameter(most=1, exclusive=True)


@LOSSES.register(
    "sparse-rate", ranges={"target": _TARGET}, posterior="rates", fixed_posterior=True, point=True, uses_prior=False
)
@per_batch
def sparse_rate(
    batch: Batch, *, weight: ArrayLike = 1.0, target: ArrayLike = 0.05, axis_name: str | None = None
) -> Array:
    """Sparse autoencoder: the KL from a target rate to each unit's mean activation, codes in (0, 1).

    mean(−log p(x|z)) + weight·Σ_j KL(ρ ‖ ρ̂_j),  ρ̂_j = mean over the batch of z_j

    KL(ρ ‖ ρ̂) = ρ ln(ρ/ρ̂) + (1 − ρ) ln((1 − ρ)/(1 − ρ̂)), zero where a unit is active at the target rate.

    If the posterior keeps its logits, as `rates` does, ln ρ̂ and ln(1 − ρ̂) are computed from them, so that a unit that
    is always on or off still has a gradient. From codes alone it has one only where float32 tells them from 0 and 1.

    Args:
      batch: with codes `[batch, latent]` in (0, 1), such as a sigmoid gives.
      weight: nats per nat of the KL, ≥ 0.
      target: ρ, in (0, 1).
      axis_name: a mapped axis that the batch is split over, as in `jax.lax.pmean`; the loss is that of the whole batch.

    Returns:
      The loss of the batch in nats, `[]`.

    Reference: Ng, *Sparse autoencoder*, CS294A lecture notes, 2011.

    >>> terms = Terms(jnp.array([-80.0, -90.0]), jnp.zeros((2, 1)), jnp.array([[0.0], [0.1]]), None)
    >>> float(sparse_rate(Batch(terms), target=0.05))  # active at the target rate
    85.0
    """
    terms = batch.gathered(axis_name).terms
    if isinstance(terms.posterior, Activations):
        logits, n = upcast(terms.posterior.logits), terms.z.shape[0]
        on, off = (jax.nn.logsumexp(jax.nn.log_sigmoid(sign * logits), axis=0) - jnp.log(n) for sign in (1, -1))
    else:
        z = jnp.mean(upcast(terms.z), axis=0)
        limits = jnp.finfo(z.dtype)
        on, off = jnp.log(jnp.maximum(z, limits.tiny)), jnp.log(jnp.maximum(1 - z, limits.epsneg))
    divergence = target * (jnp.log(target) - on) + (1 - target) * (jnp.log1p(-jnp.asarray(target)) - off)
    return loss_of(jnp.mean(terms.distortion) + weight * jnp.sum(divergence), axis_name)


ae = autoencoder
