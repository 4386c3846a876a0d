"""Bounds on log p(x) from k weighted samples, and their three gradients."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from vae_jax.distributions.base import Distribution, draw, total
from vae_jax.distributions.kl import kl_to_prior, log_prior
from vae_jax.hyperparameter import whole
from vae_jax.losses.elbo import Decode, Encode, Terms, decode_checked, encode_checked, expect_density
from vae_jax.losses.table import register

ESTIMATORS = ("iwae", "stl", "dreg")


@register("iwae", hyper={"num_samples": whole(5)})
def importance_weighted(
    key: Array,
    x: Array,
    encode: Encode,
    decode: Decode,
    *,
    num_samples: int,
    estimator: str = "iwae",
    chunk: int | None = None,
    prior: Distribution | None = None,
) -> tuple[Array, Terms]:
    """Importance-weighted autoencoder: the negative of a bound on log p(x) that k samples make tighter than the ELBO.

    −log (1/k) Σ_i w_i,  w_i = p(x|z_i) p(z_i)/q(z_i|x),  z_i ~ q(z|x)

    In expectation the negative of this value is a lower bound on log p(x), which never falls with k; a single value may
    lie on either side. k = 1 is the ELBO with a sampled KL. The value is the same for every estimator; they differ in
    the encoder's gradient, with w̃ the normalised weights:

    - `iwae`: the gradient of the bound itself. Unbiased; its signal-to-noise ratio falls with k.
    - `stl`, sticking the landing: the encoder's gradient through z only, its score dropped. Exactly 0 where q is the
      posterior; biased for k > 1. Whatever the density of q reads, be it attributes or closures, is held fixed.
    - `dreg`, doubly reparametrised: that gradient with each sample weighted by w̃_i² instead of w̃_i. Unbiased for
      the gradient of the bound, and exactly 0 where q is the posterior.

    Args:
      key: a typed key; sample i uses `fold_in(key, i)`.
      x: one example.
      encode: x -> q(z|x), with a density, reparametrised: its samples are differentiable in its parameters.
      decode: z -> p(x|z).
      num_samples: k, static. Memory grows with it.
      estimator: one of `iwae`, `stl`, `dreg`; static.
      chunk: samples decoded at a time: memory no longer grows with k, but each is decoded twice. None: all at once.
      prior: p(z); `None` is N(0, I).

    Returns:
      `(loss [], Terms)` in nats. In the terms `log_likelihood` is the mean over the samples and `kl` that of q, so that
      distortion and rate are those of the ELBO, with its gradients, whatever the estimator; `z` is the first sample.

    Raises:
      ValueError: an unknown estimator, fewer than one sample or a chunk of none; and as `negative_elbo`.
      TypeError: `encode` or `decode` does not return a distribution.

    References: Burda, Grosse & Salakhutdinov 2016, eq. 8; Roeder, Wu & Duvenaud, *Sticking the landing*, 2017; Tucker
    et al., *Doubly reparameterized gradient estimators*, 2019.

    >>> from vae_jax import Normal
    >>> encode = lambda x: Normal(0.5 * x, jnp.log(0.5) * jnp.ones(1))  # the posterior of the model below
    >>> decode = lambda z: Normal(z, jnp.zeros(1))
    >>> loss, _ = importance_weighted(jax.random.key(0), jnp.ones(1), encode, decode, num_samples=3, estimator="dreg")
    >>> round(float(loss), 4)  # then every weight is p(x) = N(1; 0, 2)
    1.5155
    """
    if estimator not in ESTIMATORS:
        raise ValueError(f"estimator must be one of {', '.join(ESTIMATORS)}; got {estimator!r}.")
    if num_samples < 1:
        raise ValueError(f"num_samples must be at least 1; got {num_samples}.")
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk must be at least 1; got {chunk}.")
    posterior = encode_checked(encode, x)
    expect_density(posterior, "importance weighting")

    def log_weight(z: Array) -> tuple[Array, Array]:
        log_likelihood = total(decode_checked(decode, z, x).log_prob(x))
        log_q = posterior.log_prob(z) if estimator == "iwae" else _held_fixed(posterior.log_prob, z)
        return log_likelihood + log_prior(prior, z) - total(log_q), log_likelihood

    def over(function, inputs):
        if chunk is None or chunk >= num_samples:
            return jax.vmap(function)(inputs)
        return lax.map(jax.checkpoint(function), inputs, batch_size=chunk)

    z = jax.vmap(lambda i: draw(posterior, jax.random.fold_in(key, i)))(jnp.arange(num_samples))
    log_weights, log_likelihood = over(log_weight, z)
    if estimator == "dreg":
        weights = lax.stop_gradient(jax.nn.softmax(log_weights))
        log_weights, _ = over(log_weight, jax.vmap(_scaled_gradient)(z, weights))
    bound = jax.nn.logsumexp(log_weights) - jnp.log(num_samples)
    return -bound, Terms(log_likelihood.mean(), kl_to_prior(posterior, prior, z[0]), z[0], posterior)


@register("iwae-stl", hyper={"num_samples": whole(5)})
def importance_weighted_stl(key: Array, x: Array, encode: Encode, decode: Decode, **rest: Any) -> tuple[Array, Terms]:
    """Importance-weighted autoencoder, sticking the landing: a less noisy encoder gradient, biased for k > 1."""
    return importance_weighted(key, x, encode, decode, estimator="stl", **rest)


@register("iwae-dreg", hyper={"num_samples": whole(5)})
def importance_weighted_dreg(key: Array, x: Array, encode: Encode, decode: Decode, **rest: Any) -> tuple[Array, Terms]:
    """Importance-weighted autoencoder with the doubly reparametrised gradient: less noisy, unbiased."""
    return importance_weighted(key, x, encode, decode, estimator="dreg", **rest)


@jax.custom_jvp
def _scaled_gradient(z: Array, scale: Array) -> Array:
    """z itself, with `scale` times its gradient."""
    del scale
    return z


@_scaled_gradient.defjvp
def _(primals, tangents):
    (z, scale), (tangent, _) = primals, tangents
    return z, scale.astype(tangent.dtype) * tangent


def _held_fixed(log_prob: Callable[[Array], Array], z: Array) -> Array:
    """`log_prob(z)` with a gradient to z alone.

    Traced, the function gives up all that it reads besides z: parameters in attributes, in closures, in bijectors.
    """
    function, read = jax.closure_convert(lambda z: total(log_prob(z)), z)
    return function(z, *map(lax.stop_gradient, read))
