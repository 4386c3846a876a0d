"""What a batch loss takes: the terms of its examples, and anything else that it may need."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from vae_jax.losses.elbo import Terms, expect_density


class Batch(NamedTuple):
    """A batch as losses see it. Training fills in everything; elsewhere, give only what the loss needs.

    Attributes:
      terms: the `Terms` of the examples, every leaf with a leading axis `[batch]`.
      data_size: the size of the data set that the batch is drawn from.
      pixels: how many numbers an example has.
      prior_samples: draws from p(z), `[m, latent]`, usually as many as there are examples.
      critics: name -> critic, a function of x, of a reconstruction or of z to logits; its parameters are held fixed.
        A function alone is the critic called `critic`.
      x: the examples as the model saw them, `[batch, *shape]`.
    """

    terms: Terms
    data_size: int | None = None
    pixels: int | None = None
    prior_samples: Array | None = None
    critics: Mapping[str, Callable[[Array], Array]] | Callable[[Array], Array] = MappingProxyType({})
    x: Array | None = None

    def gathered(self, axis_name: str | None) -> "Batch":
        """The batch, checked to be one and, if an axis is named, gathered over its devices.

        Every batch loss calls this first, since the loss of a batch is not the mean of the losses of its parts.

        Args:
          axis_name: an axis of `shard_map`, `pmap` or `vmap` over which the batch is split; None if it is whole.

        Raises:
          ValueError: the terms have no leading axis, as those of a single example, or the batch is empty.
        """
        likelihood, kl, z = (jnp.shape(leaf) for leaf in self.terms[:3])
        if (len(likelihood), len(kl), len(z)) != (1, 2, 2) or not likelihood == kl[:1] == z[:1] or 0 in (*kl, *z):
            raise ValueError(
                "a batch loss takes terms with a leading axis: log_likelihood [batch], kl and z [batch, latent], of at "
                f"least one example; got {likelihood}, {kl} and {z}. Lift losses.elbo_terms with jax.vmap."
            )
        if axis_name is None:
            return self
        terms, prior, x = jax.tree.map(
            lambda leaf: lax.all_gather(leaf, axis_name, tiled=True), (self.terms, self.prior_samples, self.x)
        )
        return self._replace(terms=terms, prior_samples=prior, x=x)

    def need_density(self, loss: str) -> Terms:
        """`terms`, or a ValueError if the posterior is a point, for which the rate is not defined."""
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

    def need_x(self) -> Array:
        """`x`, or a ValueError that says how to give it."""
        return _given(self.x, "x")

    def need_critic(self, name: str = "critic") -> Callable[[Array], Array]:
        """One of `critics`, or a ValueError that says how to give it."""
        critics = {"critic": self.critics} if callable(self.critics) else self.critics
        if name not in critics:
            raise ValueError(
                f"this loss needs a critic {name!r}; got none. Give it as Batch(terms, critics={{{name!r}: …}})."
            )
        return critics[name]


def loss_of(value: Array, axis_name: str | None) -> Array:
    """The last call of every batch loss: its value, checked to be one number, and declared equal along the axis.

    The value is equal along the axis already, and taking the mean tells JAX so. Without it, the gradient inside
    `shard_map` would be counted once for each device.

    Raises:
      ValueError: the value is not a scalar, as when a weight is an array.
    """
    if jnp.ndim(value):
        raise ValueError(
            f"the loss of a batch is one number; got shape {jnp.shape(value)}. Map over several weights with jax.vmap."
        )
    return value if axis_name is None else lax.pmean(value, axis_name)


def _given(value: Any, name: str) -> Any:
    if value is None:
        raise ValueError(f"this loss needs {name}; got none. Give it as Batch(terms, {name}=…).")
    return value
