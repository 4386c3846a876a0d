"""A posterior with a collection that no gradient trains: the nearest of some vectors, which follow what they stand
for.
"""

from typing import Any, ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from vae_jax.hyperparameter import Declared, Hyperparameter, declared, size
from vae_jax.models import POSTERIORS, Posterior


class Nearest(NamedTuple):
    """A code of a finite set, straight through to the encoder's numbers."""

    numbers: Array
    codes: Array
    indices: Array
    log_codes: Array

    has_density = False

    @property
    def mean(self) -> Array:
        return jnp.ravel(self.numbers + jax.lax.stop_gradient(self.codes - self.numbers))

    def sample(self, key: Array) -> Array:
        return self.mean

    def log_prob(self, z: Array) -> Array:
        return jnp.zeros(())

    def kl_to(self, prior: Any, z: Array) -> Array:
        return jnp.full(self.indices.shape, self.log_codes)


@POSTERIORS.register("codebook")
class CodebookPosterior(Posterior):
    """The nearest entry of a codebook, for each two numbers of a code."""

    has_density: ClassVar[bool] = False
    declared: ClassVar[Declared] = declared(
        {"entries": size(8, least=2), "codebook_decay": Hyperparameter(default=0.9, most=1.0, exclusive=True)}
    )
    entries: int = 8

    @property
    def numbers(self) -> int:
        return self.latent

    @nn.compact
    def __call__(self, h, prior):
        start = lambda: jax.random.normal(self.make_rng("params"), (self.entries, 2))
        sums = self.variable("codebook", "sums", start)
        counts = self.variable("codebook", "counts", jnp.ones, (self.entries,))
        pairs, book = h.reshape(-1, 2), sums.value / counts.value[:, None]
        indices = jnp.argmin(jnp.sum(jnp.square(pairs[:, None] - book[None]), axis=-1), axis=-1)
        return Nearest(pairs, book[indices], indices, jnp.log(jnp.float32(self.entries)))

    @nn.nowrap
    def learn(self, variables, terms, key, hyper):
        q, decay, old = terms.posterior, hyper["codebook_decay"], variables["codebook"]
        hits = jax.nn.one_hot(q.indices.reshape(-1), self.entries)
        counts = decay * old["counts"] + (1.0 - decay) * hits.sum(0)
        sums = decay * old["sums"] + (1.0 - decay) * hits.T @ q.numbers.reshape(-1, 2)
        return {**variables, "codebook": {"counts": counts, "sums": sums}}

    @nn.nowrap
    def report(self, terms):
        hits = jax.nn.one_hot(terms.posterior.indices.reshape(-1), self.entries).sum(0)
        return {"entries_used": jnp.mean(hits > 0)}
