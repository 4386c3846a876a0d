"""Priors p(z): the table that `--prior` chooses from.

A prior is a Flax module. It takes `encode` (x -> q(z|x), with the current parameters) and optionally a label, and
returns a distribution over `[latent]`. To add one, write a class with `@PRIORS.register`, here or in a new file of this
folder.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from vae_jax.distributions.base import mean_of, variance_of
from vae_jax.distributions.continuous import Mixture, Normal, StandardNormal
from vae_jax.hyperparameter import Declared, declared, size
from vae_jax.models.networks.network import NetworkConfig
from vae_jax.models.part import Part
from vae_jax.registry import Registry

Encode = Callable[[Array], Any]


class Prior(Part):
    """What every prior declares.

    Attributes:
      standard: whether it is N(0, I).
      conditional: whether it is p(z|y), and needs a label.
      reads_posterior: whether it needs q(z|x). Such a prior cannot go with a posterior that reads the prior.
    """

    standard: ClassVar[bool] = False
    conditional: ClassVar[bool] = False
    reads_posterior: ClassVar[bool] = False

    @classmethod
    def of(cls, config: NetworkConfig, **sizes: Any) -> "Prior":
        """The prior for networks built from `config`, with its own `sizes`."""
        raise NotImplementedError


PRIORS: Registry[type[Prior], []] = Registry("prior", "vae_jax.models")


@PRIORS.register("normal")
class StandardPrior(Prior):
    """N(0, I).

    Attributes:
      latent: latent dimensions.
    """

    latent: int
    standard: ClassVar[bool] = True

    @classmethod
    def of(cls, config: NetworkConfig, **sizes: Any) -> Prior:
        return cls(latent=config.latent, **sizes)

    @nn.compact
    def __call__(self, encode: Encode, y: Array | None = None) -> StandardNormal:
        return StandardNormal(self.latent)


@PRIORS.register("mixture")
class MixturePrior(Prior):
    """A learned mixture of diagonal normals; the KL becomes a one-sample estimate.

    Attributes:
      latent: latent dimensions.
      components: how many normals.
    """

    declared: ClassVar[Declared] = declared({"components": size(20)})
    latent: int
    components: int = 20

    @classmethod
    def of(cls, config: NetworkConfig, **sizes: Any) -> Prior:
        return cls(latent=config.latent, **sizes)

    @nn.compact
    def __call__(self, encode: Encode, y: Array | None = None) -> Mixture:
        shape = (self.components, self.latent)
        return Mixture(
            self.param("logits", nn.initializers.zeros, (self.components,)),
            self.param("means", nn.initializers.normal(1.0), shape),
            self.param("log_vars", nn.initializers.zeros, shape),
        )


@PRIORS.register("vamp")
class VampPrior(Prior):
    """The mean of the posteriors of learned pseudo-inputs: (1/K) Σ_k q(z|u_k).

    Attributes:
      shape: the shape of an example.
      components: K; 500 in the paper.
      bounds: the smallest and the largest number that an example may hold.

    Reference: Tomczak & Welling, *VAE with a VampPrior*, 2018.
    """

    declared: ClassVar[Declared] = declared({"components": size(100)})
    reads_posterior: ClassVar[bool] = True
    shape: tuple[int, ...]
    components: int = 100
    bounds: tuple[float, float] = (0.0, 1.0)

    @classmethod
    def of(cls, config: NetworkConfig, **sizes: Any) -> Prior:
        return cls(shape=config.shape, bounds=config.bounds, **sizes)

    @nn.compact
    def __call__(self, encode: Encode, y: Array | None = None) -> Mixture:
        inputs = self.param("inputs", nn.initializers.uniform(1.0), (self.components, *self.shape))

        def moments(u: Array) -> tuple[Array, Array]:
            q = encode(u)
            return (q.mean, q.log_var) if isinstance(q, Normal) else (mean_of(q), jnp.log(variance_of(q)))

        means, log_vars = jax.vmap(moments)(jnp.clip(inputs, *self.bounds))
        return Mixture(jnp.zeros(self.components), means, log_vars)


@PRIORS.register("label")
class LabelPrior(Prior):
    """A learned normal for each label, p(z|y) = N(mean_y, diag(exp(log_var_y))); it starts at N(0, I).

    Attributes:
      latent: latent dimensions.
      classes: how many labels there are.

    Reference: Sohn, Lee & Yan, *Learning structured output representation*, 2015.
    """

    latent: int
    classes: int
    conditional: ClassVar[bool] = True

    @classmethod
    def of(cls, config: NetworkConfig, **sizes: Any) -> Prior:
        return cls(latent=config.latent, classes=config.classes, **sizes)

    @nn.compact
    def __call__(self, encode: Encode, y: Array | None = None) -> Normal:
        if y is None:
            raise ValueError("the label-conditional prior needs a label y; got none. Train it with the loss cvae.")
        shape = (self.classes, self.latent)
        mean = self.param("mean", nn.initializers.zeros, shape)
        log_var = self.param("log_var", nn.initializers.zeros, shape)
        return Normal(mean[y], log_var[y])
