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

# Past this argument `exp` goes on as a straight line: float32 overflows at 88.7, and a penalty that grows without
# bound must keep pulling its parameter back, which a clipped one would not.
_LINEAR_FROM = 80.0


@runtime_checkable
class Distribution(Protocol):
    """What the losses ask of a distribution. NumPyro, distrax and TFP objects fit as they are."""

    def log_prob(self, x: Any, /) -> Any: ...

    @property
    def sample(self) -> Any: ...


def finite_exp(x: ArrayLike) -> Array:
    """`exp(x)` up to x = 80 and its tangent line from there on: value and gradient stay finite in float32."""
    x = jnp.asarray(x)
    top = jnp.minimum(x, _LINEAR_FROM)
    return jnp.exp(top) * (1.0 + (x - top))


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
        squares = jnp.square(x - self.mean) * finite_exp(-self.log_var)
        return -0.5 * jnp.sum(squares + self.log_var + LOG_2PI)


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
        positive = self.logits >= 0
        linear = x * self.logits - jnp.where(positive, self.logits, 0.0)
        return jnp.sum(linear - jnp.log1p(jnp.exp(jnp.where(positive, -self.logits, self.logits))))


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


class ContinuousBernoulli(NamedTuple):
    """Independent pixels on [0, 1] with density ∝ e^(l·x): the Bernoulli's cross-entropy, normalised.

    log p(x) = Σ [x·l − A(l)],  A(l) = ln ∫₀¹ e^(l·x) dx = ln((e^l − 1)/l)

    A proper likelihood for grey pixels, finite at l = 0 (λ = ½) and at |l| = 1e4.

    Reference: Loaiza-Ganem & Cunningham, *The continuous Bernoulli*, 2019, eq. 6.
    """

    logits: Array

    @property
    def mean(self) -> Array:
        """1/(1 − e^−l) − 1/l, in (0, 1)."""
        near, away, _ = self._away_from_zero()
        return jnp.where(near, 0.5 + self.logits / 12, 1.0 / -jnp.expm1(-away) - 1.0 / away)

    def sample(self, key: Array) -> Array:
        """By inversion of the distribution function."""
        near, away, size = self._away_from_zero()
        u = jax.random.uniform(key, jnp.shape(self.logits), minval=1e-7)
        upper = 1.0 + jnp.log(u + (1.0 - u) * jnp.exp(-size)) / size  # for l > 0; its mirror image for l < 0
        return jnp.where(near, u, jnp.clip(jnp.where(away > 0, upper, 1.0 - upper), 0.0, 1.0))

    def log_prob(self, x: ArrayLike) -> Array:
        """log p(x), a scalar in nats; x in [0, 1]."""
        near, away, size = self._away_from_zero()
        # A(l) = max(l, 0) + ln((1 − e^−|l|)/|l|); near 0 its series l/2 + l²/24.
        far = jnp.where(away > 0, away, 0.0) + jnp.log(-jnp.expm1(-size)) - jnp.log(size)
        normaliser = jnp.where(near, self.logits / 2 + jnp.square(self.logits) / 24, far)
        return jnp.sum(x * self.logits - normaliser)

    def _away_from_zero(self) -> tuple[Array, Array, Array]:
        """Which logits are near 0, the logits with those moved to 1, and their sizes: no branch is ever 0/0."""
        near = jnp.abs(self.logits) < 0.1
        away = jnp.where(near, 1.0, self.logits)
        return near, away, jnp.where(away > 0, away, -away)


class DiscretizedLogistic(NamedTuple):
    """256 grey levels from a logistic density, the tails gathered in the first and last level.

    P(x) = σ((x + 1/510 − m)/s) − σ((x − 1/510 − m)/s),  s = e^log_scale;  it sums to 1 over the levels.

    Args:
      location: m, in units of x in [0, 1].
      log_scale: log s, the same shape.

    Reference: Kingma et al., *Improving variational inference with inverse autoregressive flow*, 2016, appendix C.2.2;
    Salimans et al., *PixelCNN++*, 2017, eq. 2.
    """

    location: Array
    log_scale: Array

    @property
    def mean(self) -> Array:
        """The location, clipped to [0, 1]: the mean but for what the tails shift."""
        return jnp.clip(self.location, 0.0, 1.0)

    def sample(self, key: Array) -> Array:
        """One of the 256 levels k/255."""
        noise = jax.random.logistic(key, jnp.shape(self.location))
        return jnp.clip(jnp.round(255 * (self.location + jnp.exp(self.log_scale) * noise)), 0, 255) / 255

    def log_prob(self, x: ArrayLike) -> Array:
        """log P(x), a scalar in nats; x is rounded to the nearest of the 256 levels."""
        level = jnp.round(255 * jnp.asarray(x))
        inverse_scale = finite_exp(-self.log_scale)
        low = (level - 0.5) / 255 - self.location
        below, above = low * inverse_scale, (low + 1 / 255) * inverse_scale
        # σ(a) − σ(b) = σ(a) σ(−b) (1 − e^(b−a)): no difference of nearly equal numbers.
        width = jnp.maximum(inverse_scale / 255, 1e-30)
        inside = jax.nn.log_sigmoid(above) + jax.nn.log_sigmoid(-below) + jnp.log(-jnp.expm1(-width))
        of_level = jnp.where(
            level <= 0, jax.nn.log_sigmoid(above), jnp.where(level >= 255, jax.nn.log_sigmoid(-below), inside)
        )
        return jnp.sum(of_level)


OWN = (Normal, StandardNormal, Bernoulli, Delta, Mixture, ContinuousBernoulli, DiscretizedLogistic)


def draw(distribution: Distribution, key: Array) -> Array:
    """One sample of ours or of another library's distribution: distrax and TFP take the key as `seed=`."""
    if isinstance(distribution, OWN):
        return distribution.sample(key)
    if "seed" in inspect.signature(distribution.sample).parameters:
        return distribution.sample(seed=key)
    return distribution.sample(key)
