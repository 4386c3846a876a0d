"""The rule for random keys, and the keys of a seed.

A key is used once, in one of three ways:

- a sampler draws from it;
- it is split by position, `jax.random.split(key, n)` or `fold_in(key, i)`: one key for each example, step or part;
- it is folded with the name of a use, `use(key, "noise")`: one key for each purpose.

Never in two of these. `fold_in(key, i)` *is* `split(key, n)[i]`, so a key that is both split over a batch and folded
with a small number gives the same noise to both. A name folds in a number of 2^31 or more, which no position reaches,
so that even then the two cannot collide.
"""

from dataclasses import dataclass
from functools import partial
from zlib import crc32

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike


def use(key: Array, name: str) -> Array:
    """The key for one use, derived from its name.

    >>> key = jax.random.key(0)
    >>> use(key, "order") == use(key, "noise")
    Array(False, dtype=bool)
    """
    return jax.random.fold_in(key, crc32(name.encode()) | 1 << 31)


@dataclass(frozen=True)
class Keys:
    """A seed's keys, one for each use; the same at every access, so that every epoch is validated with the same noise.

    `train` is the key of `training.run`.
    """

    seed: int

    @property
    def train(self) -> Array:
        return self._of("train")

    @property
    def validation(self) -> Array:
        return self._of("validation")

    @property
    def test(self) -> Array:
        return self._of("test")

    @property
    def pictures(self) -> Array:
        return self._of("pictures")

    @property
    def codes(self) -> Array:
        return self._of("codes")

    @property
    def measures(self) -> Array:
        return self._of("measures")

    def _of(self, name: str) -> Array:
        return use(jax.random.key(self.seed), name)


def keys_of(seeds: ArrayLike, name: str) -> Array:
    """The key of one use of `Keys` for each of the seeds `[n]`, by one program: a thousand are as quick as one."""
    return _keys_of(np.asarray(seeds, np.int64), name, str(jax.random.key_impl(jax.random.key(0))))


@partial(jax.jit, static_argnames=("name", "impl"))
def _keys_of(seeds: ArrayLike, name: str, impl: str) -> Array:
    return jax.vmap(lambda seed: use(jax.random.key(seed, impl=impl), name))(seeds)
