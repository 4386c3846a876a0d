"""How the numbers of a code are laid out: a vector, a map, or groups of these."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

Shape = tuple[int, ...]


class Latents(NamedTuple):
    """The layout of a code. To losses, metrics and exports a code is a vector `[latent]`; this says what it holds.

    The groups follow one another from the top, each in row-major order with its channels last.

    Attributes:
      shapes: the shapes of the groups, `(size,)` for a vector and `(height, width, channels)` for a map.

    >>> layout = Latents(((2,), (2, 2, 1)))
    >>> layout.size, [part.shape for part in layout.split(jnp.arange(6))]
    (6, [(2,), (2, 2, 1)])
    """

    shapes: tuple[Shape, ...]

    @property
    def size(self) -> int:
        """How many numbers a code has."""
        return sum(math.prod(shape) for shape in self.shapes)

    def split(self, z: Array) -> list[Array]:
        """A code `[latent]` as its groups, each of its own shape."""
        return [part.reshape(shape) for part, shape in zip(jnp.split(z, self._cuts()), self.shapes, strict=True)]

    def join(self, groups: Sequence[Array]) -> Array:
        """The inverse of `split`.

        Raises:
          ValueError: groups of other shapes.
        """
        shapes = tuple(tuple(group.shape) for group in groups)
        if shapes != self.shapes:
            raise ValueError(f"expected groups of shapes {self.shapes}; got {shapes}.")
        return jnp.concatenate([jnp.ravel(group) for group in groups])

    def by_group(self, kl: Array) -> Array:
        """The KL per group, `[..., groups]`, from the KL per latent, `[..., latent]`, in nats."""
        return jnp.stack([part.sum(axis=-1) for part in jnp.split(kl, self._cuts(), axis=-1)], axis=-1)

    def _cuts(self) -> list[int]:
        sizes = [math.prod(shape) for shape in self.shapes]
        return [sum(sizes[: index + 1]) for index in range(len(sizes) - 1)]


def vector(size: int) -> Latents:
    """The layout of a code without structure."""
    return Latents(((size,),))
