"""What an encoder's numbers mean: the table of q(z|x) that a loss or `--posterior` chooses from.

A posterior is a small Flax module. It takes the encoder's numbers and a function that returns the prior, for those that
need it, and returns a distribution over `[latent]`. To add one, write a class with `@POSTERIORS.register`, here or in a
new file of this folder.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from vae_jax.distributions.continuous import Normal
from vae_jax.distributions.points import Activations, Delta
from vae_jax.models.part import Part
from vae_jax.registry import Registry

GivenPrior = Callable[[], Any]


class Posterior(Part):
    """What every posterior declares; called as `(h [numbers], prior: () -> p(z)) -> distribution over [latent]`.

    Attributes:
      latent: how many numbers a code has.
      has_density: whether q has a density; a point, or a code from a finite set, has none.
      reads_prior: whether it needs the prior. Such a posterior cannot go with a prior that reads the posterior.
    """

    latent: int
    has_density: ClassVar[bool] = True
    reads_prior: ClassVar[bool] = False

    @property
    def numbers(self) -> int:
        """How many numbers the encoder gives."""
        return 2 * self.latent


POSTERIORS: Registry[type[Posterior], []] = Registry("posterior", "vae_jax.models")


@POSTERIORS.register("normal")
class NormalPosterior(Posterior):
    """A normal with a diagonal covariance: the means, then log σ²."""

    @nn.compact
    def __call__(self, h: Array, prior: GivenPrior) -> Normal:
        return Normal(*jnp.split(h, 2))


@POSTERIORS.register("point")
class PointPosterior(Posterior):
    """A point, the code of an autoencoder."""

    has_density: ClassVar[bool] = False

    @property
    def numbers(self) -> int:
        return self.latent

    @nn.compact
    def __call__(self, h: Array, prior: GivenPrior) -> Delta:
        return Delta(h)


@POSTERIORS.register("rates")
class ActivationsPosterior(Posterior):
    """A point in (0, 1), the sigmoid of each number: activation rates, of which `sparse-rate` bounds the mean."""

    has_density: ClassVar[bool] = False

    @property
    def numbers(self) -> int:
        return self.latent

    @nn.compact
    def __call__(self, h: Array, prior: GivenPrior) -> Activations:
        return Activations(h)
