"""A variational autoencoder as five parts and pure functions of its parameters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vae_jax.distributions.base import Distribution, Support, draw, expect_distribution, mean_of
from vae_jax.distributions.continuous import Normal, StandardNormal
from vae_jax.distributions.pixels import Bernoulli
from vae_jax.keys import use
from vae_jax.models.latents import Latents, vector
from vae_jax.models.part import Network, Params, Part, split_trained
from vae_jax.models.posteriors import NormalPosterior, Posterior

PARTS = ("encoder", "posterior", "prior", "decoder", "likelihood")


@dataclass(frozen=True)
class VAE:
    """Encoder, posterior, decoder, likelihood and prior. It holds no state, so a compiled program can close over it.

    Hashable, so that it can be a static argument, unless the prior holds arrays.

        model = VAE(DenseEncoder(latent=20), DenseDecoder(shape=(28, 28, 1)))
        params = model.init(key, x)
        q = model.encode(params, x)          # a distribution over z
        p = model.decode(params, q.mean)     # a distribution over x

    All functions take one example; lift them with `jax.vmap`. A label `y`, if given, goes to the networks.

    Encoder and decoder are Flax modules, or anything else with `init` and `apply`: see `models.foreign` for NNX,
    Equinox and Haiku. An encoder returns the numbers that the posterior reads, or a distribution over `[latent]`, ours
    or another library's. Without a `posterior` and with `prior=None` it must have an attribute `latent`, the number of
    latents; if it has none, give a prior that does, such as `prior=StandardNormal(20)`.

    Attributes:
      encoder: x[, y] -> the numbers that `posterior` reads, or a distribution over `[latent]`.
      decoder: z[, y] -> the numbers that `likelihood` reads.
      likelihood: those numbers -> distribution over x; a Flax module, or any callable such as `Bernoulli`.
      prior: a distribution over z; a Flax module that gives one (see `models/priors.py`); or `None` for N(0, I).
      dtype: of encoder and decoder, such as `jnp.bfloat16`: their parameters and inputs are cast to it, and their
        outputs to float32, in which everything else is computed. None for the dtype of their arguments.
      posterior: the encoder's numbers -> distribution over z; a Flax module (see `models/posteriors.py`). None for a
        normal. If the encoder has an attribute `numbers` that is None, it is set to how many this reads.

    Raises:
      ValueError: the number of latents is not given anywhere; or posterior and prior read each other.
    """

    encoder: Any
    decoder: Any
    likelihood: nn.Module | Callable[[Array], Distribution] = Bernoulli
    prior: nn.Module | Distribution | None = None
    dtype: Any = None
    posterior: Posterior | None = None

    def __post_init__(self):
        if self.posterior is None and (latent := _whole_number(getattr(self.encoder, "latent", None))):
            object.__setattr__(self, "posterior", NormalPosterior(latent=latent))
        if self.posterior is not None and getattr(self.encoder, "numbers", 0) is None:
            object.__setattr__(self, "encoder", _with_numbers(self.encoder, self.posterior.numbers))
        if self.prior is None and self.posterior is None:
            raise ValueError(
                f"VAE: the encoder {type(self.encoder).__name__} has no attribute `latent`, the number of its latents. "
                "Give it one, or a prior that says it: VAE(…, prior=StandardNormal(latent))."
            )
        if getattr(self.posterior, "reads_prior", False) and getattr(self.prior, "reads_posterior", False):
            raise ValueError(
                f"VAE: {type(self.posterior).__name__} reads the prior and {type(self.prior).__name__} the posterior; "
                "expected at most one that reads the other."
            )

    @cached_property
    def parts(self) -> dict[str, Any]:
        """The parts that have parameters, by name."""
        return {name: getattr(self, name) for name in PARTS if isinstance(getattr(self, name), Network)}

    def init(self, key: Array, x: Array, y: Array | None = None) -> Params:
        """Parameters for examples of x's shape and dtype, and labels like y: a tree for each of `parts`.

        Args:
          key: a typed key.
          x: one example, `[*shape]`.
          y: its label, `[]`, for a conditional model.
        """
        label = () if y is None else (y,)

        @cache
        def code() -> Array:
            return draw(expect_distribution("the encoder", self.encode(params, x, y)), use(key, "code"))

        inputs: dict[str, Callable[[], tuple[Any, ...]]] = {
            "encoder": lambda: (self._encoded(x), *label),
            "posterior": lambda: (self._numbers(params, x, y), lambda: self.latent_prior(params, y)),
            "prior": lambda: (lambda x: self.encode(params, x, y), y),
            "decoder": lambda: (code(), *label),
            "likelihood": lambda: (self._output(params, code(), y),),
        }
        params = _OnDemand(lambda name: self.parts[name].init(use(key, name), *inputs[name]()))
        if isinstance(self._numbers(params, x, y), Distribution):  # an encoder with a posterior of its own
            params["posterior"] = {}
        return {name: params[name] for name in self.parts}

    def encode(self, params: Params, x: Array, y: Array | None = None) -> Any:
        """q(z|x[, y]), a distribution over `[latent]`. If x holds counts, the encoder sees ln(1 + x).

        Args:
          params: as returned by `init`.
          x: one example, `[*shape]`; pixels in [0, 1].
          y: its label, `[]`, for a conditional model.

        Raises:
          ValueError: the encoder does not give as many numbers as the posterior reads.
        """
        h = self._numbers(params, x, y)
        if isinstance(h, Distribution):
            return h
        if self.posterior is None:
            return Normal(*jnp.split(h, 2))
        return self.posterior.apply(params.get("posterior", {}), h, lambda: self.latent_prior(params, y))

    def decode(self, params: Params, z: Array, y: Array | None = None) -> Any:
        """p(x|z[, y]), a distribution over x's shape.

        Args:
          params: as returned by `init`.
          z: one code, `[latent]`.
          y: its label, `[]`, for a conditional model.
        """
        h = self._output(params, z, y)
        if isinstance(self.likelihood, Network):
            return self.likelihood.apply(params["likelihood"], h)
        return self.likelihood(h)

    def decode_mean(self, params: Params, z: Array, y: Array | None = None) -> Array:
        """The mean of p(x|z[, y]), in x's shape: what pictures show of a code. Arguments as in `decode`."""
        return mean_of(self.decode(params, z, y))

    def latent_prior(self, params: Params, y: Array | None = None) -> Any:
        """p(z[|y])."""
        if isinstance(self.prior, Network):
            return self.prior.apply(params["prior"], lambda x: self.encode(params, x, y), y)
        if self.prior is not None:
            return self.prior
        return StandardNormal(self.latents.size)

    @property
    def latents(self) -> Latents:
        """The layout of a code: the encoder's, if it has one (`latents`), else a vector.

        Raises:
          ValueError: the number of latents is not given anywhere.
        """
        own = getattr(self.encoder, "latents", None)
        if own is not None:
            return own
        sizes = (getattr(self.posterior, "latent", None), getattr(self.prior, "size", None))
        found = next((size for size in map(_whole_number, sizes) if size), None)
        if found is None:
            raise ValueError(f"{type(self.prior).__name__} does not say how many latents there are, as `size`.")
        return vector(found)

    @property
    def has_density(self) -> bool:
        """Whether q(z|x) has a density; a distribution from the encoder itself is assumed to have one."""
        return getattr(self.posterior, "has_density", True)

    @property
    def support(self) -> Support | None:
        """The values of x that the likelihood is defined on; None if it does not say."""
        return getattr(self.likelihood, "support", None)

    @property
    def standard_prior(self) -> bool:
        """Whether p(z) is N(0, I)."""
        return self.prior is None or isinstance(self.prior, StandardNormal) or getattr(self.prior, "standard", False)

    def split_trained(self, params: Params) -> tuple[Params, Params]:
        """The parameters that gradients train, and the collections that they do not; `part.joined` is the inverse."""
        return split_trained(self.parts, params)

    def learned(self, params: Params, terms: Any, key: Array, hyper: Mapping[str, Array]) -> Params:
        """The parameters after a step, with what parts learn without a gradient.

        Args:
          params: after the gradient's update.
          terms: the `Terms` of the step's batch, leaves `[batch, …]`.
          key: a typed key, folded with the name of each part.
          hyper: the leaves of the run.
        """
        changed = {
            name: part.learn(params[name], jax.lax.stop_gradient(terms), use(key, name), hyper)
            for name, part in self.parts.items()
            if isinstance(part, Part) and part.learns()
        }
        return {**params, **changed}

    def report(self, terms: Any) -> dict[str, Array]:
        """What the rows of training report of a batch, from all parts together, name -> `[]`."""
        reports = [part.report(terms) for part in self.parts.values() if isinstance(part, Part)]
        return {name: value for report in reports for name, value in report.items()}

    def generate(self, key: Array, params: Params, n: int, y: Array | None = None) -> Array:
        """The means of p(x|z) for n draws of z from the prior, `[n, *shape]`.

        Args:
          key: a typed key; the same key draws the same z whatever the parameters.
          params: as returned by `init`.
          n: how many draws.
          y: `[n]` labels, for a conditional model.

        Raises:
          ValueError: y does not hold n labels.
        """
        if y is not None and y.shape[:1] != (n,):
            raise ValueError(f"y must hold one label for each of the {n} images; got shape {y.shape}.")

        def one(key, y):
            return self.decode_mean(params, draw(self.latent_prior(params, y), key), y)

        return jax.vmap(one)(jax.random.split(use(key, "generate"), n), y)

    def _encoded(self, x: Array) -> Array:
        """x as the encoder sees it."""
        return jnp.log1p(x) if self.support is Support.COUNTS else x

    def _numbers(self, params: Params, x: Array, y: Array | None) -> Any:
        """The encoder's output: the numbers that the posterior reads, or a distribution.

        Raises:
          ValueError: it does not give as many numbers as the posterior reads.
        """
        h = self._apply(self.encoder, params["encoder"], self._encoded(x), y)
        if not isinstance(h, Distribution) and self.posterior is not None:
            expected, found = self.posterior.numbers, jnp.shape(h)
            if found != (expected,):
                raise ValueError(
                    f"the encoder gives numbers of shape {found}; {type(self.posterior).__name__} reads {expected}."
                )
        return h

    def _output(self, params: Params, z: Array, y: Array | None) -> Any:
        return self._apply(self.decoder, params["decoder"], z, y)

    def _apply(self, network: Any, params: Any, value: Array, label: Array | None) -> Any:
        """A network's output, given the label if there is one."""
        given = () if label is None else (label,)
        if self.dtype is None:
            return network.apply(params, value, *given)
        params, value = _cast((params, value), self.dtype)
        return _cast(network.apply(params, value, *given), jnp.float32)


class _OnDemand(dict):
    """The parameters of parts, each made on first access, in whatever order the parts need one another."""

    def __init__(self, make: Callable[[str], Any]):
        super().__init__()
        self._make = make

    def __missing__(self, name: str) -> Any:
        self[name] = self._make(name)
        return self[name]


def _whole_number(value: Any) -> int | None:
    return int(value) if hasattr(value, "__index__") else None


def _with_numbers(encoder: Any, numbers: int) -> Any:
    """The encoder, set to output this many numbers."""
    clone = getattr(encoder, "clone", None)
    return replace(encoder, numbers=numbers) if clone is None else clone(numbers=numbers)


def _cast(tree: Any, dtype: Any) -> Any:
    """The floating-point leaves of a tree in another dtype."""

    def one(leaf):
        known = isinstance(leaf, (jax.Array, np.ndarray)) and jnp.issubdtype(leaf.dtype, jnp.floating)
        return leaf.astype(dtype) if known else leaf

    return jax.tree.map(one, tree)
