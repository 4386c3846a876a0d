"""Distributions over pixels in [0, 1]: black or white, grey, and 256 levels of grey. Each is of one example."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from vae_jax.distributions.base import Support, event, finite_exp, upcast


class Bernoulli(NamedTuple):
    """Independent Bernoulli pixels from logits l: log p(x) = Σ [x·l − softplus(l)].

    Value and gradient are exact and finite even at |logit| = 1e4. On grey pixels (x strictly between 0 and 1) this is
    the usual cross-entropy, which is a loss but not a normalised likelihood.

    Attributes:
      logits: l, `[*shape]`, the shape of the event.
    """

    logits: Array

    support = Support.BINARY

    @property
    def mean(self) -> Array:
        """Probability of a lit pixel, in [0, 1]."""
        return jax.nn.sigmoid(self.logits)

    def sample(self, key: Array) -> Array:
        """Zeros and ones in the dtype of the logits."""
        return jax.random.bernoulli(key, jax.nn.sigmoid(upcast(self.logits))).astype(jnp.result_type(self.logits))

    def log_prob(self, x: ArrayLike) -> Array:
        """log p(x) in nats, `[]`; x in [0, 1]. ValueError if x has another shape or an integer dtype."""
        # x·l − max(l, 0) comes first: it is exact for binary x, so no small number is lost in a large one. The kinks of
        # max and of |l| share one condition, since their slopes at l = 0 must agree for the gradient to be x − ½.
        x, logits = event("Bernoulli", x, self.logits)
        positive = logits >= 0
        linear = x * logits - jnp.where(positive, logits, 0.0)
        return jnp.sum(linear - jnp.log1p(jnp.exp(jnp.where(positive, -logits, logits))))


class ContinuousBernoulli(NamedTuple):
    """Independent pixels on [0, 1] with density ∝ e^(l·x): the Bernoulli's cross-entropy, normalised.

    log p(x) = Σ [x·l − A(l)],  A(l) = ln ∫₀¹ e^(l·x) dx = ln((e^l − 1)/l)

    A proper likelihood for grey pixels, finite at l = 0 (λ = ½) and at |l| = 1e4.

    Attributes:
      logits: l, `[*shape]`, the shape of the event.

    Reference: Loaiza-Ganem & Cunningham, *The continuous Bernoulli*, 2019.
    """

    logits: Array

    support = Support.UNIT_INTERVAL

    @property
    def mean(self) -> Array:
        """1/(1 − e^−l) − 1/l, in (0, 1)."""
        near, away, size = self._away_from_zero(0.5)
        far = 1.0 / -jnp.expm1(-size) - 1.0 / size
        return jnp.where(near, 0.5 + _odd(self.logits), jnp.where(away > 0, far, 1.0 - far))

    def sample(self, key: Array) -> Array:
        """One draw, by inverting the distribution function: ln(1 + u (e^l − 1))/l, differentiable in l."""
        logits = upcast(self.logits)
        near, away, size = ContinuousBernoulli(logits)._away_from_zero(0.1)
        u = jax.random.uniform(key, logits.shape, logits.dtype, minval=1e-7)
        # Uses e^−|l| only, so that nothing overflows; near 0, a series in l.
        rising = 1.0 + jnp.log(u + (1.0 - u) * jnp.exp(-size)) / size
        falling = -jnp.log(1.0 - u + u * jnp.exp(-size)) / size
        far = jnp.where(away > 0, rising, falling)
        x = jnp.clip(jnp.where(near, _cumulants(u, logits), far), 0.0, 1.0)
        return x.astype(jnp.result_type(self.logits))

    def log_prob(self, x: ArrayLike) -> Array:
        """log p(x) in nats, `[]`; x in [0, 1]. ValueError if x has another shape or an integer dtype."""
        x, logits = event("ContinuousBernoulli", x, self.logits)
        near, away, size = ContinuousBernoulli(logits)._away_from_zero(0.5)
        # A(l) = max(l, 0) + ln((1 − e^−|l|)/|l|); near 0, its series l/2 + l²/24 − l⁴/2880 + l⁶/181440.
        far = jnp.where(away > 0, away, 0.0) + jnp.log(-jnp.expm1(-size)) - jnp.log(size)
        squares = jnp.square(logits)
        series = logits / 2 + squares / 24 * (1 - squares / 120 * (1 - squares / 63))
        return jnp.sum(x * logits - jnp.where(near, series, far))

    def _away_from_zero(self, distance: float) -> tuple[Array, Array, Array]:
        """Which logits are near 0, the logits with those set to 1, and their magnitudes, so that no branch is 0/0."""
        near = jnp.abs(self.logits) < distance
        away = jnp.where(near, 1.0, self.logits)
        return near, away, jnp.where(away > 0, away, -away)


class DiscretizedLogistic(NamedTuple):
    """256 grey levels from a logistic density, whose tails go to the first and last level.

    P(x) = σ((x + 1/510 − m)/s) − σ((x − 1/510 − m)/s),  s = e^log_scale;  it sums to 1 over the levels.

    Attributes:
      location: m, `[*shape]`, the shape of the event, in units of x in [0, 1].
      log_scale: log s, the same shape.

    Reference: Kingma et al., *Improving variational inference with inverse autoregressive flow*, 2016, appendix C.5;
    Salimans et al., *PixelCNN++*, 2017, eq. 2, whose bins, centred on the levels, are these.
    """

    location: Array
    log_scale: Array

    support = Support.GREY_LEVELS

    @property
    def mean(self) -> Array:
        """Σ_k P(x > k/255)/255 over the levels k = 0 … 254, the mean of what `sample` draws."""
        return _mean_level(self.location, self.log_scale)

    def sample(self, key: Array) -> Array:
        """One of the 256 levels k/255."""
        location, log_scale = upcast(self.location), upcast(self.log_scale)
        noise = jax.random.logistic(key, location.shape, location.dtype)
        x = jnp.clip(jnp.round(255 * (location + jnp.exp(log_scale) * noise)), 0, 255) / 255
        return x.astype(jnp.result_type(self.location))

    def log_prob(self, x: ArrayLike) -> Array:
        """log P(x) in nats, `[]`; x in [0, 1] is rounded to the nearest level. ValueError if its dtype is integer."""
        return jnp.sum(_log_level(*event("DiscretizedLogistic", x, self.location, self.log_scale)))


class DiscretizedLogisticMixture(NamedTuple):
    """256 grey levels from a mixture of discretised logistics for every pixel; channels are independent given z.

    P(x) = Σ_k π_k P_k(x),  π = softmax(logits)

    Attributes:
      logits: `[*shape, components]`, unnormalised log weights.
      location: the same shape, in units of x in [0, 1].
      log_scale: the same shape.

    Reference: Salimans et al. 2017, eqs. 1 and 2, without their autoregression over channels.
    """

    logits: Array
    location: Array
    log_scale: Array

    support = Support.GREY_LEVELS

    @property
    def mean(self) -> Array:
        """Σ_k π_k E_k[x], with the means of `DiscretizedLogistic`."""
        return jnp.sum(jax.nn.softmax(self.logits) * _mean_level(self.location, self.log_scale), axis=-1)

    def sample(self, key: Array) -> Array:
        """A component for each pixel, then one of the 256 levels from it."""
        key_component, key_level = jax.random.split(key)
        k = jax.random.categorical(key_component, upcast(self.logits))[..., None]
        chosen = (jnp.take_along_axis(part, k, axis=-1)[..., 0] for part in (self.location, self.log_scale))
        return DiscretizedLogistic(*chosen).sample(key_level)

    def log_prob(self, x: ArrayLike) -> Array:
        """log P(x) in nats, `[]`, by log-sum-exp over the components; x as in `DiscretizedLogistic`."""
        x, logits, *logistic = event("DiscretizedLogisticMixture", x, *self, inner=1)
        of_each = _log_level(x[:, None], *logistic)
        return jnp.sum(jax.nn.logsumexp(jax.nn.log_softmax(logits) + of_each, axis=-1))


def _odd(logits: Array) -> Array:
    """1/(1 − e^−l) − 1/l − ½ near 0: l/12 − l³/720 + l⁵/30240."""
    squares = jnp.square(logits)
    return logits / 12 * (1 - squares / 60 * (1 - squares / 42))


def _cumulants(u: Array, logits: Array) -> Array:
    """ln(1 + u (e^l − 1))/l near 0: Σ κ_n l^(n−1)/n!, κ_n the cumulants of a Bernoulli variable with mean u."""
    v, slope = u * (1 - u), 1 - 2 * u
    last = (1 - 6 * v) / 24 + logits * slope * (1 - 12 * v) / 120
    return u + logits * v * (1 / 2 + logits * (slope / 6 + logits * last))


def _mean_level(location: Array, log_scale: Array) -> Array:
    """The mean of a discretised logistic, element by element."""
    inverse_scale = finite_exp(-log_scale)

    def more(k: Array, mean: Array) -> Array:
        return mean + jax.nn.sigmoid((location - (k + 0.5) / 255) * inverse_scale)

    return lax.fori_loop(0, 255, more, jnp.zeros_like(location * inverse_scale)) / 255


def _log_level(x: ArrayLike, location: Array, log_scale: Array) -> Array:
    """log P of the grey level nearest to x under a discretised logistic, element by element."""
    level = jnp.clip(jnp.round(255 * jnp.asarray(x)), 0, 255)
    inverse_scale = finite_exp(-log_scale)
    low = (level - 0.5) / 255 - location
    below, above = low * inverse_scale, (low + 1 / 255) * inverse_scale
    # σ(a) − σ(b) = σ(a) σ(−b) (1 − e^(b−a)): no difference of nearly equal numbers.
    width = inverse_scale / 255
    narrow = width < 1e-3  # then ln(1 − e^−w) ≈ ln w − w/2 + w²/24, which does not underflow
    wide_enough = jnp.where(narrow, 1.0, width)
    log_width = jnp.where(
        narrow, -log_scale - math.log(255) - width / 2 + jnp.square(width) / 24, jnp.log(-jnp.expm1(-wide_enough))
    )
    inside = jax.nn.log_sigmoid(above) + jax.nn.log_sigmoid(-below) + log_width
    edges = jnp.where(level <= 0, jax.nn.log_sigmoid(above), jax.nn.log_sigmoid(-below))
    return jnp.where((level > 0) & (level < 255), inside, edges)
