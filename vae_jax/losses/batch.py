"""What a batch loss takes: the terms of its examples, and whatever else it may need."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from vae_jax.losses.elbo import Terms, expect_density


class Batch(NamedTuple):
    """A batch as losses see it. Training fills in everything; elsewhere give only what the loss needs.

    Attributes:
      terms: those of the examples, every leaf with a leading axis `[batch]`.
      data_size: how many examples the batch is drawn from.
      pixels: how many numbers an example has.
      prior_samples: draws of p(z), `[m, latent]`, usually as many as there are examples.
      critic: z `[latent]` -> logit `[]`, its parameters held fixed.
    """

    terms: Terms
    data_size: int | None = None
    pixels: int | None = None
    prior_samples: Array | None = None
    critic: Callable[[Array], Array] | None = None

    def whole(self, axis_name: str | None) -> "Batch":
        """The batch, checked to be one; and joined over the devices of a mapped axis, if that is named.

        The first line of every batch loss: what a loss computes of a batch is no mean over its parts.

        Args:
          axis_name: an axis of `shard_map`, `pmap` or `vmap` over which the batch is split; None where it is whole.

        Raises:
          ValueError: terms without a leading axis, those of a single example.
        """
        if jnp.ndim(self.terms.log_likelihood) != 1 or jnp.ndim(self.terms.z) != 2:
            shapes = jnp.shape(self.terms.log_likelihood), jnp.shape(self.terms.z)
            raise ValueError(
                "a batch loss takes terms with a leading axis: log_likelihood [batch] and z [batch, latent]; got "
                f"{shapes[0]} and {shapes[1]}. Lift losses.elbo_terms over the examples with jax.vmap."
            )
        if axis_name is None:
            return self
        terms, prior = jax.tree.map(
            lambda leaf: lax.all_gather(leaf, axis_name, tiled=True), (self.terms, self.prior_samples)
        )
        return self._replace(terms=terms, prior_samples=prior)

    def need_density(self, loss: str) -> Terms:
        """`terms`, or a ValueError where the posterior is a point, so that the rate is not defined."""
        expect_density(self.terms.posterior, loss)
        return self.terms

    def need_data_size(self) -> int:
        """`data_size`, or a ValueError that says how to give it."""
        return _given(self.data_size, "data_size")

    def need_pixels(self) -> int:
        """`pixels`, or a ValueError that says how to give it."""
        return _given(self.pixels, "pixels")

    def need_prior_samples(self) -> Array:
        """`prior_samples`, or a ValueError that says how to give it."""
        return _given(self.prior_samples, "prior_samples")

    def need_critic(self) -> Callable[[Array], Array]:
        """`critic`, or a ValueError that says how to give it."""
        return _given(self.critic, "critic")


def _given(value, name: str):
    if value is None:
        raise ValueError(f"this loss needs {name}; got none. Give it as Batch(terms, {name}=…).")
    return value
