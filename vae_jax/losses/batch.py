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
          ValueError: terms without a leading axis, as those of a single example, or of no example.
        """
        likelihood, kl, z = (jnp.shape(leaf) for leaf in self.terms[:3])
        if (len(likelihood), len(kl), len(z)) != (1, 2, 2) or not likelihood == kl[:1] == z[:1] or 0 in (*kl, *z):
            raise ValueError(
                "a batch loss takes terms with a leading axis: log_likelihood [batch], kl and z [batch, latent], of at "
                f"least one example; got {likelihood}, {kl} and {z}. Lift losses.elbo_terms with jax.vmap."
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


def loss_of(whole: Array, axis_name: str | None) -> Array:
    """The last line of every batch loss: its value, checked to be one number, and equal over the axis.

    The mean over an axis along which it is equal anyway tells JAX so; without it, the gradient inside of `shard_map`
    would be counted once for each device.

    Raises:
      ValueError: it has axes, as where a weight is an array.
    """
    if jnp.ndim(whole):
        raise ValueError(
            f"the loss of a batch is one number; got shape {jnp.shape(whole)}. Map over several weights with jax.vmap."
        )
    return whole if axis_name is None else lax.pmean(whole, axis_name)


def _given(value, name: str):
    if value is None:
        raise ValueError(f"this loss needs {name}; got none. Give it as Batch(terms, {name}=…).")
    return value
