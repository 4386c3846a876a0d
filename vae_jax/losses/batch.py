"""What a batch loss takes: the terms of its examples, and whatever else it may need."""

from collections.abc import Callable
from typing import NamedTuple

from jax import Array

from vae_jax.losses.elbo import Terms


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
