"""Distributions of **one example**: pytrees with `sample(key)`, `log_prob(x)` and `mean`.

`log_prob` sums over the whole event (every pixel, every latent) and returns nats. Nothing here knows of batches: lift
with `jax.vmap`. Everything depends on jax alone.
"""

import inspect
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

LOG_2PI = 1.8378770664093453


@runtime_checkable
class Distribution(Protocol):
    """What the losses ask of a distribution. NumPyro, distrax and TFP objects fit as they are."""

    def log_prob(self, x: Any, /) -> Any: ...

    @property
    def sample(self) -> Any: ...


def finite_exp(x: ArrayLike, *, linear_from: float = 80.0) -> Array:
    """`exp(x)` up to x = 80 and its tangent line from there on: value and gradient stay finite in float32.

    float32 overflows at 88.7, and a penalty that grows without bound must keep pulling its parameter back, which a
    clipped one would not.
    """
    x = jnp.asarray(x)
    top = jnp.minimum(x, linear_from)
    return jnp.exp(top) * (1.0 + (x - top))


def flat(*arrays: ArrayLike) -> tuple[Array, ...]:
    """The arrays without their shapes, before a sum over all of an event.

    XLA's CPU compiler sums over `[height, width, 1]` without vector instructions, ten times slower than over one axis.
    """
    return tuple(jnp.ravel(jnp.asarray(array)) for array in arrays)


class Normal(NamedTuple):
    """Normal with a diagonal covariance, N(mean, diag(exp(log_var))).

    log N(x) = −½ Σ [(x − mean)² / exp(log_var) + log_var + ln 2π]

    `log_var` is log σ² wherever it appears in this package, in the penalty and in the sampling alike: some tutorials
    mix log σ² and log σ.

    Args:
      mean: any shape, the event's.
      log_var: log σ²; the same shape, or a scalar shared by all dimensions. Samples need it below 177, where σ itself
        overflows float32.
    """

    mean: Array
    log_var: Array

    def sample(self, key: Array) -> Array:
        """mean + exp(½ log_var)·ε, ε ~ N(0, I): differentiable in both parameters (Kingma & Welling 2014, eq. 4)."""
        noise = jax.random.normal(key, jnp.shape(self.mean), jnp.result_type(self.mean))
        return self.mean + jnp.exp(0.5 * self.log_var) * noise

    def log_prob(self, x: ArrayLike) -> Array:
        """log N(x), a scalar in nats, summed over the event."""
        x, mean, log_var = flat(x, self.mean, self.log_var)
        squares = jnp.square(x - mean) * finite_exp(-log_var)
        return -0.5 * jnp.sum(squares + log_var + LOG_2PI)


class StandardNormal(NamedTuple):
    """N(0, I) over `size` latents: the usual prior. Holds no array, so it can be a static part of a model."""

    size: int

    @property
    def mean(self) -> Array:
        return jnp.zeros(self.size)

    def sample(self, key: Array) -> Array:
        """ε ~ N(0, I), `[size]`."""
        return jax.random.normal(key, (self.size,))

    def log_prob(self, x: ArrayLike) -> Array:
        """−½ Σ (x² + ln 2π), a scalar in nats."""
        return -0.5 * jnp.sum(jnp.square(x) + LOG_2PI)


class Bernoulli(NamedTuple):
    """Independent Bernoulli pixels from logits l: log p(x) = Σ [x·l − softplus(l)].

    Exact and finite, value and gradient, at |logit| = 1e4. On grey pixels (x strictly between 0 and 1) this is the
    usual cross-entropy, which is a loss but not a normalised likelihood.
    """

    logits: Array

    @property
    def mean(self) -> Array:
        """Probability of a lit pixel, in [0, 1]."""
        return jax.nn.sigmoid(self.logits)

    def sample(self, key: Array) -> Array:
        """Zeros and ones of the logits' dtype."""
        return jax.random.bernoulli(key, self.mean).astype(jnp.result_type(self.logits))

    def log_prob(self, x: ArrayLike) -> Array:
        """log p(x), a scalar in nats; x in [0, 1], of the logits' shape."""
        # x·l − max(l, 0) first: for a binary x it is exact, so no small number is lost in a large one. Both kinks, of
        # max and of |l|, are written as one condition: their slopes at l = 0 must agree for the gradient to be x − ½.
        x, logits = flat(x, self.logits)
        positive = logits >= 0
        linear = x * logits - jnp.where(positive, logits, 0.0)
        return jnp.sum(linear - jnp.log1p(jnp.exp(jnp.where(positive, -logits, logits))))


class Delta(NamedTuple):
    """All mass on one point: the code of a deterministic autoencoder. `log_prob` is 0 there and −inf elsewhere."""

    value: Array

    @property
    def mean(self) -> Array:
        return self.value

    def sample(self, key: Array) -> Array:
        """The value itself; the key is not used."""
        del key
        return self.value

    def log_prob(self, x: ArrayLike) -> Array:
        """0 where x is the value, else −inf."""
        return jnp.where(jnp.all(x == self.value), 0.0, -jnp.inf)


class Mixture(NamedTuple):
    """A mixture of diagonal normals: log p(z) = log Σ_k π_k N(z; mean_k, e^log_var_k), π = softmax(logits).

    Args:
      logits: `[components]`, unnormalised log weights.
      means: `[components, size]`.
      log_vars: log σ², `[components, size]`.
    """

    logits: Array
    means: Array
    log_vars: Array

    @property
    def mean(self) -> Array:
        """Σ_k π_k mean_k."""
        return jax.nn.softmax(self.logits) @ self.means

    def sample(self, key: Array) -> Array:
        """A component, then a draw from it; not differentiable in the weights."""
        key_component, key_noise = jax.random.split(key)
        k = jax.random.categorical(key_component, self.logits)
        return Normal(self.means[k], self.log_vars[k]).sample(key_noise)

    def log_prob(self, x: ArrayLike) -> Array:
        """log p(x), a scalar in nats, by log-sum-exp over the components."""
        of_each = jax.vmap(lambda mean, log_var: Normal(mean, log_var).log_prob(x))(self.means, self.log_vars)
        return jax.nn.logsumexp(jax.nn.log_softmax(self.logits) + of_each)


def draw(distribution: Distribution, key: Array) -> Array:
    """One sample of ours or of another library's distribution: distrax and TFP take the key as `seed=`."""
    if "seed" in inspect.signature(distribution.sample).parameters:
        return distribution.sample(seed=key)
    return distribution.sample(key)
