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
    draw_weighed,
    expect_distribution,
    has_density,
    is_reparametrised,
    shape_of,
    total,
    upcast,
)
from vae_jax.distributions.points import Delta
from vae_jax.distributions.to_prior import kl_to_prior
from vae_jax.losses._calls import per_example
from vae_jax.losses.loss import LOSSES, Ramp


class Terms(NamedTuple):
    """What a loss computed for one example. `rate` and `distortion` mean the same for every loss and weight.

    Attributes:
      log_likelihood: `[]`, log p(x|z) in nats, summed over pixels.
      kl: `[parts]`, KL(q(z|x) ‖ p(z)) in nats: `[latent]` where it splits over the latents, else `[1]`.
      z: `[latent]`, the code that was decoded.
      posterior: q(z|x).
      decoded: p(x|z), or None if it is not a pytree of arrays; compiled, it is computed only where a loss uses it.
    """

    log_likelihood: Array
    kl: Array
    z: Array
    posterior: Any
    decoded: Any = None

    @property
    def distortion(self) -> Array:
        """−log p(x|z) in nats."""
        return -self.log_likelihood

    @property
    def rate(self) -> Array:
        """KL(q(z|x) ‖ p(z)) in nats, summed over latents."""
        return jnp.sum(upcast(self.kl), axis=-1)


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

    `encode` may also return an array, a code that is a point; its `kl` is NaN, since a point has no KL to a density.

    Raises:
      ValueError: `num_samples` below 1; or as in `negative_elbo`, except that a point is allowed.
      TypeError: `encode` or `decode` does not return a distribution.

    A batch loss is a function of these terms, lifted over the batch:

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
        z, log_q = draw_weighed(posterior, key)
        decoded = decode_checked(decode, z, x)
        kl = kl_to_prior(posterior, prior, z, log_q)
        return Terms(total(decoded.log_prob(x)), kl, z, posterior, decoded if _is_tree(decoded) else None)

    if num_samples == 1:
        return sampled(key)
    several = jax.vmap(lambda i: sampled(jax.random.fold_in(key, i)))(jnp.arange(num_samples))
    first = jax.tree.map(lambda leaf: leaf[0], several.decoded)
    return Terms(several.log_likelihood.mean(), several.kl.mean(axis=0), several.z[0], posterior, first)


_RAMPS = {"beta": Ramp(steps=0.0, period=0.0)}


@LOSSES.register("vae", ramps=_RAMPS, beta_elbo=True)
@per_example
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

    One sample of z gives an unbiased estimate of the first term; the KL is exact for this package's normal q and p, and
    otherwise estimated from the same z (see `kl_to_prior`). At β = 1 the *expectation* of this value over z is an
    upper bound on −log p(x); the value of a single sample may lie on either side. β = 0 trains an autoencoder whose
    noise shrinks to 0. In training, β rises linearly from 0 over `beta_steps` steps (KL warm-up; 0 for none), and again
    every `beta_period` steps (Fu et al., *Cyclical annealing schedule*, 2019; 0 for a single rise).

    Args:
      key: a typed `jax.random.key`, used once, for ε.
      x: one example; pixels in [0, 1] for a Bernoulli likelihood.
      encode: x -> q(z|x), a distribution over `[latent]` with a density.
      decode: z -> p(x|z), a distribution over x's shape.
      beta: weight of the KL, ≥ 0. Nats against nats, both summed: no hidden factor of pixels or batch.
      num_samples: how many z the first term averages over, static. More samples lower its variance but do not tighten
        the bound; for that see `iwae`.
      prior: p(z); `None` is N(0, I).

    Returns:
      `(loss [], Terms)`, in nats; the terms are unweighted.

    Raises:
      ValueError: the decoded distribution does not have x's shape; the posterior is a point, has more than one axis (as
        for a batch), or is not reparametrised (as a mixture); `num_samples` is below 1; or β is not one number.
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


@LOSSES.register("beta-vae", ramps=_RAMPS, beta_elbo=True)
@per_example
def beta_vae(
    key: Array,
    x: Array,
    encode: Encode,
    decode: Decode,
    *,
    beta: ArrayLike = 4.0,
    num_samples: int = 1,
    prior: Distribution | None = None,
) -> tuple[Array, Terms]:
    """β-VAE: the negative ELBO with the KL weighted by β = 4, to disentangle the latents.

    Arguments as in `negative_elbo`.

    >>> from vae_jax import Bernoulli, Normal
    >>> encode = lambda x: Normal(jnp.ones(2), jnp.zeros(2))
    >>> decode = lambda z: Bernoulli(jnp.zeros(4))
    >>> loss, terms = beta_vae(jax.random.key(0), jnp.ones(4), encode, decode)
    >>> round(float(loss), 4), float(terms.rate)  # 4 ln 2 + 4·1
    (6.7726, 1.0)
    """
    return negative_elbo(key, x, encode, decode, beta=beta, num_samples=num_samples, prior=prior)


@LOSSES.register("cvae", ramps=_RAMPS, conditional=True)
@per_example
def cvae(
    key: Array,
    x: Array,
    encode: Encode,
    decode: Decode,
    *,
    beta: ArrayLike = 1.0,
    num_samples: int = 1,
    prior: Distribution | None = None,
) -> tuple[Array, Terms]:
    """Conditional VAE: the negative ELBO of x given its label, which goes into encoder and decoder.

    −log p(x|z, y) + β KL(q(z|x, y) ‖ p(z|y))

    The label is already bound in `encode`, in `decode`, and in the prior if that takes one, as `--prior label` does.
    Arguments as in `negative_elbo`.

    Reference: Sohn, Lee & Yan, *Learning structured output representation using deep conditional generative models*,
    2015.

    >>> from functools import partial
    >>> from vae_jax import Bernoulli, Normal
    >>> encode = lambda x, y: Normal(y * jnp.ones(2), jnp.zeros(2))
    >>> decode = lambda z, y: Bernoulli(jnp.zeros(4))
    >>> loss, _ = cvae(jax.random.key(0), jnp.ones(4), partial(encode, y=3.0), partial(decode, y=3.0))
    >>> round(float(loss), 4)  # 4 ln 2 + 2·½·3²
    11.7726
    """
    return negative_elbo(key, x, encode, decode, beta=beta, num_samples=num_samples, prior=prior)


vae = negative_elbo


def _is_tree(distribution: Any) -> bool:
    """Whether it is a pytree of arrays, so that it can go through `jax.vmap`."""
    return all(isinstance(leaf, (jax.Array, np.ndarray, float)) for leaf in jax.tree.leaves(distribution))


def encode_checked(encode: Encode, x: Array) -> Any:
    """q(z|x) of one example, checked; an array becomes a point.

    Raises:
      TypeError: the output is neither a distribution nor an array.
      ValueError: it does not have one axis, `[latent]`, as when x is a batch; or it is not reparametrised, so that the
        encoder's gradient would silently lack the part through z.
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
    """p(x|z), checked to have x's shape: any other would silently broadcast to a wrong sum.

    Args:
      decode: z -> p(x|z).
      z: one code, `[latent]`.
      x: one example, `[*shape]`.

    Raises:
      TypeError: the output is not a distribution.
      ValueError: it does not have x's shape.
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
    """Reject a point posterior, whose KL to a density is not defined.

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
      ValueError: it is not a scalar, as when a weight such as β is an array.
    """
    if jnp.ndim(loss):
        raise ValueError(
            f"the loss of one example is one number; got shape {jnp.shape(loss)}. Map over several weights, or over a "
            "batch, with jax.vmap."
        )
    return loss
