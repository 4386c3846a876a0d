"""The evidence lower bound of one example, and the terms that every loss reports."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax.distributions import Distribution, draw
from vae_jax.losses.divergences import kl_to_prior
from vae_jax.losses.table import register


class Terms(NamedTuple):
    """What a loss saw of one example. `rate` and `distortion` mean the same under every loss, whatever it weighs.

    Attributes:
      log_likelihood: `[]`, log p(x|z) in nats, summed over pixels.
      kl: `[latent]`, KL(q(z|x) ‖ p(z)) in nats per latent (`[1]` where it does not split over them).
      z: `[latent]`, the code that was decoded.
      posterior: q(z|x).
    """

    log_likelihood: Array
    kl: Array
    z: Array
    posterior: Any

    @property
    def distortion(self) -> Array:
        """−log p(x|z) in nats."""
        return -self.log_likelihood

    @property
    def rate(self) -> Array:
        """KL(q(z|x) ‖ p(z)) in nats, summed over latents."""
        return jnp.sum(self.kl, axis=-1)


Encode = Callable[[Array], Distribution]
Decode = Callable[[Array], Distribution]


def elbo_terms(key: Array, x: Array, encode: Encode, decode: Decode, prior: Distribution | None = None) -> Terms:
    """Encode x, draw one z, decode it: the `Terms` of one example. Arguments as in `negative_elbo`."""
    posterior = encode(x)
    z = draw(posterior, key)
    likelihood = decode(z)
    _expect_shape(x, likelihood)
    return Terms(jnp.sum(likelihood.log_prob(x)), kl_to_prior(posterior, prior, z), z, posterior)


@register("vae", ramps={"beta": "beta_steps"}, beta=1.0, beta_steps=0.0)
def negative_elbo(
    key: Array, x: Array, encode: Encode, decode: Decode, *, beta: ArrayLike = 1.0, prior: Distribution | None = None
) -> tuple[Array, Terms]:
    """Variational autoencoder: negative ELBO with the KL weighed by β (β-VAE for β other than 1).

    −log p(x|z) + β KL(q(z|x) ‖ p(z)),  z ~ q(z|x) = encode(x)

    One sample of z makes the first term an unbiased estimate; the KL is exact for normal q and p. With β = 1 minus this
    value is a lower bound on log p(x). β = 0 trains an autoencoder whose noise shrinks away. In training β rises
    linearly from 0 over `beta_steps` steps (KL warm-up; 0 for none).

    Args:
      key: a typed `jax.random.key`, used once, for ε.
      x: one example; pixels in [0, 1] for a Bernoulli likelihood.
      encode: x -> q(z|x), a distribution over `[latent]`.
      decode: z -> p(x|z), a distribution over x's shape.
      beta: weight of the KL, ≥ 0. Nats against nats, both summed: no hidden factor of pixels or batch.
      prior: p(z); `None` is N(0, I).

    Returns:
      `(loss [], Terms)`, in nats; the terms are unweighted.

    Raises:
      ValueError: the decoded distribution is not of x's shape.

    References: Kingma & Welling 2014, eq. 10; Higgins et al., *β-VAE*, 2017, eq. 4.

    >>> import jax
    >>> from vae_jax.distributions import Bernoulli, Normal
    >>> encode = lambda x: Normal(jnp.zeros(2), jnp.zeros(2))
    >>> decode = lambda z: Bernoulli(jnp.zeros(4))
    >>> loss, terms = negative_elbo(jax.random.key(0), jnp.ones(4), encode, decode, beta=4.0)
    >>> round(float(loss), 4), float(terms.rate)  # 4 ln 2 and 0
    (2.7726, 0.0)
    """
    terms = elbo_terms(key, x, encode, decode, prior)
    return terms.distortion + beta * terms.rate, terms


@register("beta-vae", ramps={"beta": "beta_steps"}, beta=4.0, beta_steps=0.0)
def beta_vae(key: Array, x: Array, encode: Encode, decode: Decode, **hyper: Any) -> tuple[Array, Terms]:
    """β-VAE: the negative ELBO with the KL weighed by β = 4, for latents that vary apart."""
    return negative_elbo(key, x, encode, decode, **hyper)


@register("cvae", conditional=True, ramps={"beta": "beta_steps"}, beta=1.0, beta_steps=0.0)
def conditional_negative_elbo(
    key: Array, x: Array, encode: Encode, decode: Decode, **hyper: Any
) -> tuple[Array, Terms]:
    """Conditional VAE: the negative ELBO of x given its label, which goes into encoder, decoder and prior.

    −log p(x|z, y) + β KL(q(z|x, y) ‖ p(z|y)); `encode` and `decode` have the label in them.

    Reference: Sohn, Lee & Yan, *Learning structured output representation using deep conditional generative models*,
    2015, eq. 4.
    """
    return negative_elbo(key, x, encode, decode, **hyper)


def _expect_shape(x: Array, likelihood: Distribution) -> None:
    """A decoder of another shape would broadcast to a wrong sum without a word."""
    mean = getattr(likelihood, "mean", None)
    if mean is not None and not callable(mean) and jnp.shape(mean) != jnp.shape(x):
        raise ValueError(
            f"decode(z) must be a distribution over x's shape {jnp.shape(x)}; got {jnp.shape(mean)}. "
            "Losses take one example: lift them with jax.vmap."
        )
