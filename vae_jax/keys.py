"""What a seed becomes: one key for each use, so that no two draw the same numbers."""

from dataclasses import dataclass

import jax


@dataclass(frozen=True)
class Keys:
    """A seed's keys, apart by use; the same at every access, so that each epoch is looked at with the same noise.

    `train` is the key of `training.run`.
    """

    seed: int

    @property
    def train(self) -> jax.Array:
        return self._of(0)

    @property
    def validation(self) -> jax.Array:
        return self._of(1)

    @property
    def test(self) -> jax.Array:
        return self._of(2)

    @property
    def pictures(self) -> jax.Array:
        return self._of(3)

    @property
    def codes(self) -> jax.Array:
        return self._of(4)

    @property
    def measures(self) -> jax.Array:
        return self._of(5)

    def _of(self, use: int) -> jax.Array:
        return jax.random.fold_in(jax.random.key(self.seed), use)
