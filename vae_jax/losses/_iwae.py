"""Bounds on log p(x) from k weighted samples, with three estimators of the gradient."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

from vae_jax.distributions.base import Distribution, draw_weighed, total
from vae_jax.distributions.to_prior import kl_to_prior, log_prior
from vae_jax.losses._calls import per_example
from vae_jax.losses.elbo import Decode, Encode, Terms, decode_checked, encode_checked, expect_density
from vae_jax.losses.loss import LOSSES

ESTIMATORS = ("iwae", "stl", "dreg")


@LOSSES.register("iwae")
@per_example
def iwae(
    key: Array,
    x: Array,
    encode: Encode,
    decode: Decode,
    *,
    num_samples: int = 5,
    estimator: str = "iwae",
    chunk: int | None = None,
    prior: Distribution | None = None,
) -> tuple[Array, Terms]:
    """Importance-weighted autoencoder: the negative of a bound on log p(x) that k samples make tighter than the ELBO.

    −log (1/k) Σ_i w_i,  w_i = p(x|z_i) p(z_i)/q(z_i|x),  z_i ~ q(z|x)

    In expectation, the negative of this value is a lower bound on log p(x) that never falls as k grows; a single value
    may lie on either side. k = 1 is the ELBO with a sampled KL. The value is the same for every estimator. They differ
    in the encoder's gradient, with w̃ the normalised weights:

    - `iwae`: the gradient of the bound itself. Unbiased; its signal-to-noise ratio falls with k.
    - `stl`, sticking the landing: the encoder's gradient through z only, without the score term. Exactly 0 where q is
      the true posterior; biased for k > 1. Everything that q's density reads, in attributes or closures, is held fixed.
    - `dreg`, doubly reparametrised: as `stl`, with each sample weighted by w̃_i² instead of w̃_i. Unbiased for the
      gradient of the bound, and exactly 0 where q is the true posterior.

    Args:
      key: a typed key; sample i uses `fold_in(key, i)`.
      x: one example.
      encode: x -> q(z|x), with a density, reparametrised: its samples are differentiable in its parameters.
      decode: z -> p(x|z).
      num_samples: k, static. Memory grows with it.
      estimator: one of `iwae`, `stl`, `dreg`; static.
      chunk: how many samples to decode at a time: memory then does not grow with k, but each sample is decoded twice.
        None for all at once.
      prior: p(z); `None` is N(0, I).

    Returns:
      `(loss [], Terms)` in nats. In the terms, `log_likelihood` is the mean over the samples and `kl` is that of q, so
      distortion and rate are those of the ELBO, with its gradients, whatever the estimator. `z` is the first sample.

    Raises:
      ValueError: an unknown estimator, `num_samples` or `chunk` below 1; and as in `negative_elbo`.
      TypeError: `encode` or `decode` does not return a distribution.

    References: Burda, Grosse & Salakhutdinov 2016, eq. 8; Roeder, Wu & Duvenaud, *Sticking the landing*, 2017; Tucker
    et al., *Doubly reparameterized gradient estimators*, 2019.

    >>> from vae_jax import Normal
    >>> encode = lambda x: Normal(0.5 * x, jnp.log(0.5) * jnp.ones(1))  # the posterior of the model below
    >>> decode = lambda z: Normal(z, jnp.zeros(1))
    >>> loss, _ = iwae(jax.random.key(0), jnp.ones(1), encode, decode, num_samples=3, estimator="dreg")
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

    def log_weight(drawn: tuple[Array, Array | None]) -> tuple[Array, Array]:
        z, log_q = drawn
        log_likelihood = total(decode_checked(decode, z, x).log_prob(x))
        if estimator != "iwae":
            log_q = _held_fixed(posterior.log_prob, z)
        elif log_q is None:
            log_q = posterior.log_prob(z)
        return log_likelihood + log_prior(prior, z) - total(log_q), log_likelihood

    def over(function, inputs):
        if chunk is None or chunk >= num_samples:
            return jax.vmap(function)(inputs)
        return lax.map(jax.checkpoint(function), inputs, batch_size=chunk)

    z, log_q = jax.vmap(lambda i: draw_weighed(posterior, jax.random.fold_in(key, i)))(jnp.arange(num_samples))
    log_weights, log_likelihood = over(log_weight, (z, log_q))
    if estimator == "dreg":
        weights = lax.stop_gradient(jax.nn.softmax(log_weights))
        log_weights, _ = over(log_weight, (jax.vmap(_scaled_gradient)(z, weights), None))
    bound = jax.nn.logsumexp(log_weights) - jnp.log(num_samples)
    return -bound, Terms(log_likelihood.mean(), kl_to_prior(posterior, prior, z[0]), z[0], posterior)


@LOSSES.register("iwae-stl")
@per_example
def iwae_stl(
    key: Array, x: Array, encode: Encode, decode: Decode, *, num_samples: int = 5, prior: Distribution | None = None
) -> tuple[Array, Terms]:
    """Importance-weighted autoencoder, sticking the landing: a less noisy encoder gradient, biased for k > 1.

    Arguments as in `iwae`.

    >>> from vae_jax import Normal
    >>> decode = lambda z: Normal(z, jnp.zeros(1))
    >>> def loss(shift):  # of the encoder's mean from that of the posterior
    ...     encode = lambda x: Normal(0.5 * x + shift, jnp.log(0.5) * jnp.ones(1))
    ...     return iwae_stl(jax.random.key(0), jnp.ones(1), encode, decode, num_samples=3)[0]
    >>> value, slope = jax.value_and_grad(loss)(0.0)
    >>> round(float(value), 4), abs(round(float(slope), 4))  # −log N(1; 0, 2), and no gradient at the posterior
    (1.5155, 0.0)
    """
    return iwae(key, x, encode, decode, num_samples=num_samples, estimator="stl", prior=prior)


@LOSSES.register("iwae-dreg")
@per_example
def iwae_dreg(
    key: Array, x: Array, encode: Encode, decode: Decode, *, num_samples: int = 5, prior: Distribution | None = None
) -> tuple[Array, Terms]:
    """Importance-weighted autoencoder with the doubly reparametrised gradient: less noisy, unbiased.

    Arguments as in `iwae`.

    >>> from vae_jax import Normal
    >>> encode = lambda x: Normal(0.5 * x, jnp.log(0.5) * jnp.ones(1))  # the posterior of the model below
    >>> decode = lambda z: Normal(z, jnp.zeros(1))
    >>> loss, _ = iwae_dreg(jax.random.key(0), jnp.ones(1), encode, decode, num_samples=3)
    >>> round(float(loss), 4)  # every weight is p(x) = N(1; 0, 2)
    1.5155
    """
    return iwae(key, x, encode, decode, num_samples=num_samples, estimator="dreg", prior=prior)


@jax.custom_jvp
def _scaled_gradient(z: Array, scale: Array) -> Array:
    """z, with its gradient multiplied by `scale`."""
    del scale
    return z


@_scaled_gradient.defjvp
def _(primals, tangents):
    (z, scale), (tangent, _) = primals, tangents
    return z, scale.astype(tangent.dtype) * tangent


def _held_fixed(log_prob: Callable[[Array], Array], z: Array) -> Array:
    """`log_prob(z)`, with a gradient to z alone.

    Tracing the function exposes everything else that it reads: parameters in attributes, closures and bijectors.
    """
    function, read = jax.closure_convert(lambda z: total(log_prob(z)), z)
    return function(z, *map(lax.stop_gradient, read))
