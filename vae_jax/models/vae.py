"""A variational autoencoder as four parts and pure functions of its parameters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vae_jax.distributions.base import Distribution, Support, draw, expect_distribution, mean_of
from vae_jax.distributions.continuous import StandardNormal
from vae_jax.distributions.pixels import Bernoulli
from vae_jax.keys import use

Params = dict[str, Any]


@dataclass(frozen=True)
class VAE:
    """Encoder, decoder, likelihood and prior; no state, so it can be closed over by a compiled program.

    Hashable, and so a static argument, unless the prior holds arrays.

        model = VAE(DenseEncoder(latent=20), DenseDecoder(shape=(28, 28, 1)))
        params = model.init(key, x)
        q = model.encode(params, x)          # a distribution over z
        p = model.decode(params, q.mean)     # a distribution over x

    All functions take one example; lift them with `jax.vmap`. A label `y`, where given, goes to the networks.

    Any Flax module serves as encoder that returns a distribution over `[latent]`, ours or another library's. With
    `prior=None` it must have an attribute `latent`, their number; a module without one needs a prior that says it,
    such as `prior=StandardNormal(20)`.

    Attributes:
      encoder: Flax module, x[, y] -> distribution over `[latent]`.
      decoder: Flax module, z[, y] -> the numbers that `likelihood` reads.
      likelihood: those numbers -> distribution over x; a Flax module, or any callable such as `Bernoulli`.
      prior: a distribution over z; a Flax module that gives one (see `models/priors.py`); or `None` for N(0, I) over
        `encoder.latent` dimensions.
      dtype: in which encoder and decoder compute, as in `jnp.bfloat16`: their parameters and inputs are cast to it, and
        their outputs to float32, in which all else is computed. None for that of their arguments.

    Raises:
      ValueError: no prior, and an encoder that does not say how many latents it has.
    """

    encoder: nn.Module
    decoder: nn.Module
    likelihood: nn.Module | Callable[[Array], Distribution] = Bernoulli
    prior: nn.Module | Distribution | None = None
    dtype: Any = None

    def __post_init__(self):
        if self.prior is None and not hasattr(getattr(self.encoder, "latent", None), "__index__"):
            raise ValueError(
                f"VAE: the encoder {type(self.encoder).__name__} has no attribute `latent`, the number of its latents. "
                "Give it one, or a prior that says it: VAE(…, prior=StandardNormal(latent))."
            )

    def init(self, key: Array, x: Array, y: Array | None = None) -> Params:
        """Parameters for examples of x's shape and dtype (and labels like y)."""
        label = () if y is None else (y,)
        params: Params = {"encoder": self.encoder.init(use(key, "encoder"), self._seen(x), *label)}
        z = draw(expect_distribution("the encoder", self.encode(params, x, y)), use(key, "code"))
        params["decoder"] = self.decoder.init(use(key, "decoder"), z, *label)
        if isinstance(self.likelihood, nn.Module):
            h = self._apply(self.decoder, params["decoder"], z, y)
            params["likelihood"] = self.likelihood.init(use(key, "likelihood"), h)
        if isinstance(self.prior, nn.Module):
            params["prior"] = self.prior.init(use(key, "prior"), lambda x: self.encode(params, x, y), y)
        return params

    def encode(self, params: Params, x: Array, y: Array | None = None) -> Any:
        """q(z|x[, y]), a distribution over `[latent]`. Of counts, the encoder sees ln(1 + x)."""
        return self._apply(self.encoder, params["encoder"], self._seen(x), y)

    def decode(self, params: Params, z: Array, y: Array | None = None) -> Any:
        """p(x|z[, y]), a distribution over x's shape."""
        h = self._apply(self.decoder, params["decoder"], z, y)
        if isinstance(self.likelihood, nn.Module):
            return self.likelihood.apply(params["likelihood"], h)
        return self.likelihood(h)

    def latent_prior(self, params: Params, y: Array | None = None) -> Any:
        """p(z[|y])."""
        if isinstance(self.prior, nn.Module):
            return self.prior.apply(params["prior"], lambda x: self.encode(params, x, y), y)
        if self.prior is not None:
            return self.prior
        encoder: Any = self.encoder
        return StandardNormal(int(encoder.latent))

    @property
    def support(self) -> Support | None:
        """The values of x that the likelihood gives probability to; None where it does not say."""
        return getattr(self.likelihood, "support", None)

    @property
    def standard_prior(self) -> bool:
        """Whether p(z) is N(0, I)."""
        return self.prior is None or isinstance(self.prior, StandardNormal) or getattr(self.prior, "standard", False)

    def generate(self, key: Array, params: Params, n: int, y: Array | None = None) -> Array:
        """The means of p(x|z) for n draws of z from the prior, `[n, *shape of x]`.

        Args:
          key: a typed key; the same key draws the same z whatever the parameters.
          params: as returned by `init`.
          n: how many.
          y: `[n]` labels, for a conditional model.

        Raises:
          ValueError: y does not hold n labels.
        """
        if y is not None and y.shape[:1] != (n,):
            raise ValueError(f"y must hold one label for each of the {n} images; got shape {y.shape}.")

        def one(key, y):
            return mean_of(self.decode(params, draw(self.latent_prior(params, y), key), y))

        return jax.vmap(one)(jax.random.split(use(key, "generate"), n), y)

    def _seen(self, x: Array) -> Array:
        return jnp.log1p(x) if self.support is Support.COUNTS else x

    def _apply(self, module: nn.Module, params: Any, value: Array, label: Array | None) -> Any:
        """A network's output, with the label where there is one."""
        given = () if label is None else (label,)
        if self.dtype is None:
            return module.apply(params, value, *given)
        params, value = _cast((params, value), self.dtype)
        return _cast(module.apply(params, value, *given), jnp.float32)


def _cast(tree: Any, dtype: Any) -> Any:
    """The floating-point leaves of a tree in another dtype."""

    def one(leaf):
        known = isinstance(leaf, (jax.Array, np.ndarray)) and jnp.issubdtype(leaf.dtype, jnp.floating)
        return leaf.astype(dtype) if known else leaf

    return jax.tree.map(one, tree)
