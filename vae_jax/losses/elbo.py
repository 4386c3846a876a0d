"""The evidence lower bound of one example, and the terms that every loss reports."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from vae_jax.distributions.base import (
    Distribution,
    draw,
    expect_distribution,
    has_density,
    is_reparametrised,
    shape_of,
    total,
    wide,
)
from vae_jax.distributions.continuous import Delta
from vae_jax.distributions.kl import kl_to_prior
from vae_jax.hyperparameter import whole
from vae_jax.losses.table import register


class Terms(NamedTuple):
    """What a loss saw of one example. `rate` and `distortion` mean the same under every loss, whatever its weights.

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
        return jnp.sum(wide(self.kl), axis=-1)


Encode = Callable[[Array], Any]
Decode = Callable[[Array], Distribution]


def elbo_terms(
    key: Array,
    x: Array,
    encode: Encode,
    decode: Decode,
    prior: Distribution | None = None,
    *,
    num_samples: int = 1,
) -> Terms:
    """Encode x, draw z, decode it: the `Terms` of one example. Arguments as in `negative_elbo`.

    `encode` may also give an array, the code as a point; its `kl` is NaN, since a point has no KL to a density.
    A batch loss is a function of these, lifted over the batch:

    >>> from vae_jax import Bernoulli, Normal
    >>> encode, decode = lambda x: Normal(x[:1], jnp.zeros(1)), lambda z: Bernoulli(jnp.zeros(2))
    >>> keys, batch = jax.random.split(jax.random.key(0), 3), jnp.ones((3, 2))
    >>> terms = jax.vmap(lambda key, x: elbo_terms(key, x, encode, decode))(keys, batch)
    >>> terms.rate.tolist()
    [0.5, 0.5, 0.5]
    """
    if num_samples < 1:
        raise ValueError(f"num_samples must be at least 1; got {num_samples}.")
    posterior = encode_checked(encode, x)

    def sampled(key):
        z = draw(posterior, key)
        return total(decode_checked(decode, z, x).log_prob(x)), kl_to_prior(posterior, prior, z), z

    if num_samples == 1:
        return Terms(*sampled(key), posterior)
    log_likelihood, kl, z = jax.vmap(lambda i: sampled(jax.random.fold_in(key, i)))(jnp.arange(num_samples))
    return Terms(log_likelihood.mean(), kl.mean(axis=0), z[0], posterior)


_HYPER = {"beta_steps": 0.0, "beta_period": 0.0, "num_samples": whole(1)}
_RAMPS = {"beta": "beta_steps"}


@register("vae", hyper={"beta": 1.0, **_HYPER}, ramps=_RAMPS, beta_elbo=True)
def negative_elbo(
    key: Array,
    x: Array,
    encode: Encode,
    decode: Decode,
    *,
    beta: ArrayLike = 1.0,
    num_samples: int = 1,
    prior: Distribution | None = None,
) -> tuple[Array, Terms]:
    """Variational autoencoder: negative ELBO with the KL weighted by β (β-VAE for β other than 1).

    −log p(x|z) + β KL(q(z|x) ‖ p(z)),  z ~ q(z|x) = encode(x)

    One sample of z makes the first term an unbiased estimate; the KL is exact for this package's normal q and p, and
    otherwise estimated from the same z (see `kl_to_prior`). At β = 1 the *expectation* of this value over z is an
    upper bound on −log p(x); the value of a single sample may lie on either side. β = 0 trains an autoencoder whose
    noise shrinks to 0. In training β rises linearly from 0 over `beta_steps` steps (KL warm-up; 0 for none), and anew
    every `beta_period` steps (Fu et al., *Cyclical annealing schedule*, 2019; 0 for once).

    Args:
      key: a typed `jax.random.key`, used once, for ε.
      x: one example; pixels in [0, 1] for a Bernoulli likelihood.
      encode: x -> q(z|x), a distribution over `[latent]` with a density.
      decode: z -> p(x|z), a distribution over x's shape.
      beta: weight of the KL, ≥ 0. Nats against nats, both summed: no hidden factor of pixels or batch.
      num_samples: how many z the first term averages over, static. More of them lower its variance and do not tighten
        the bound; for that see `importance_weighted`.
      prior: p(z); `None` is N(0, I).

    Returns:
      `(loss [], Terms)`, in nats; the terms are unweighted.

    Raises:
      ValueError: the decoded distribution does not have x's shape; the posterior is a point, has more than one axis, as
        that of a batch has, or gives samples without a gradient to its parameters, as a mixture does; or β is not one
        number.
      TypeError: `encode` or `decode` does not return a distribution.

    References: Kingma & Welling 2014, eq. 10; Higgins et al., *β-VAE*, 2017, eq. 4.

    >>> from vae_jax import Bernoulli, Normal
    >>> encode = lambda x: Normal(jnp.zeros(2), jnp.zeros(2))
    >>> decode = lambda z: Bernoulli(jnp.zeros(4))
    >>> loss, terms = negative_elbo(jax.random.key(0), jnp.ones(4), encode, decode, beta=4.0)
    >>> round(float(loss), 4), float(terms.rate)  # 4 ln 2 and 0
    (2.7726, 0.0)
    """
    terms = elbo_terms(key, x, encode, decode, prior, num_samples=num_samples)
    expect_density(terms.posterior, "the ELBO")
    return one_number(terms.distortion + beta * terms.rate), terms


@register("beta-vae", hyper={"beta": 4.0, **_HYPER}, ramps=_RAMPS, beta_elbo=True)
def beta_vae(key: Array, x: Array, encode: Encode, decode: Decode, **hyper: Any) -> tuple[Array, Terms]:
    """β-VAE: the negative ELBO with the KL weighted by β = 4, to disentangle the latents."""
    return negative_elbo(key, x, encode, decode, **hyper)


@register("cvae", hyper={"beta": 1.0, **_HYPER}, ramps=_RAMPS, conditional=True)
def conditional_negative_elbo(
    key: Array, x: Array, encode: Encode, decode: Decode, **hyper: Any
) -> tuple[Array, Terms]:
    """Conditional VAE: the negative ELBO of x given its label, which goes into encoder and decoder.

    −log p(x|z, y) + β KL(q(z|x, y) ‖ p(z|y)); the label is already bound in `encode`, `decode` and a prior that takes
    it, as `--prior label` does.

    Reference: Sohn, Lee & Yan, *Learning structured output representation using deep conditional generative models*,
    2015.
    """
    return negative_elbo(key, x, encode, decode, **hyper)


def encode_checked(encode: Encode, x: Array) -> Any:
    """q(z|x) of one example, checked; an array becomes a point.

    Raises:
      TypeError: neither a distribution nor an array.
      ValueError: not over one axis, `[latent]`, as where x is a batch; or not reparametrised, so that the encoder's
        gradient would silently miss what the choice of z contributes.
    """
    posterior = encode(x)
    if isinstance(posterior, (jax.Array, np.ndarray)):
        posterior = Delta(jnp.asarray(posterior))
    shape = shape_of(expect_distribution("encode(x)", posterior))
    if len(shape) != 1:
        raise ValueError(
            f"encode(x) must be a distribution over [latent]; got one over {shape}. Losses take one example: lift them "
            "over a batch with jax.vmap."
        )
    if not is_reparametrised(posterior):
        raise ValueError(
            f"the samples of {type(posterior).__name__} have no gradient to its parameters; expected a reparametrised "
            "q(z|x), such as vae_jax.Normal."
        )
    return posterior


def decode_checked(decode: Decode, z: Array, x: Array) -> Distribution:
    """p(x|z), checked: a decoder of another shape than x's would silently broadcast to a wrong sum.

    Raises:
      TypeError: not a distribution.
      ValueError: not over x's shape.
    """
    likelihood = expect_distribution("decode(z)", decode(z))
    shape = shape_of(likelihood)
    if shape != jnp.shape(x):
        raise ValueError(
            f"decode(z) must be a distribution over x's shape {jnp.shape(x)}; got one over {shape}. Losses take one "
            "example: lift them over a batch with jax.vmap."
        )
    return likelihood


def expect_density(posterior: Any, what: str) -> None:
    """Refuse a point posterior, whose KL to a density is not defined.

    Raises:
      ValueError: the posterior has no density.
    """
    if not has_density(posterior):
        raise ValueError(
            f"{what} needs a posterior with a density; got {type(posterior).__name__}, a point. Return "
            "vae_jax.Normal from encode, or use losses.autoencoder."
        )


def one_number(loss: Array) -> Array:
    """The loss of one example, checked to be a scalar.

    Raises:
      ValueError: it has axes, as where a weight such as β is an array.
    """
    if jnp.ndim(loss):
        raise ValueError(
            f"the loss of one example is one number; got shape {jnp.shape(loss)}. Map over several weights, or over a "
            "batch, with jax.vmap."
        )
    return loss
