"""Distributions of grey pixels in [0, 1], proper where the Bernoulli's cross-entropy is not. Depends on jax alone."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax.distributions import finite_exp, flat


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
        x, logits = flat(x, self.logits)
        near, away, size = ContinuousBernoulli(logits)._away_from_zero()
        # A(l) = max(l, 0) + ln((1 − e^−|l|)/|l|); near 0 its series l/2 + l²/24.
        far = jnp.where(away > 0, away, 0.0) + jnp.log(-jnp.expm1(-size)) - jnp.log(size)
        normaliser = jnp.where(near, logits / 2 + jnp.square(logits) / 24, far)
        return jnp.sum(x * logits - normaliser)

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
        return jnp.sum(_log_level(*flat(x, self.location, self.log_scale)))


class DiscretizedLogisticMixture(NamedTuple):
    """256 grey levels from a mixture of discretised logistics of every pixel; channels are independent given z.

    P(x) = Σ_k π_k P_k(x),  π = softmax(logits)

    Args:
      logits: `[*pixels, components]`, unnormalised log weights.
      location: the same shape, in units of x in [0, 1].
      log_scale: the same shape.

    Reference: Salimans et al. 2017, eqs. 1 and 2, without their autoregression over channels.
    """

    logits: Array
    location: Array
    log_scale: Array

    @property
    def mean(self) -> Array:
        """Σ_k π_k m_k, each clipped to [0, 1]."""
        return jnp.sum(jax.nn.softmax(self.logits) * jnp.clip(self.location, 0.0, 1.0), axis=-1)

    def sample(self, key: Array) -> Array:
        """A component for each pixel, then one of the 256 levels from it."""
        key_component, key_level = jax.random.split(key)
        k = jax.random.categorical(key_component, self.logits)[..., None]
        chosen = (jnp.take_along_axis(part, k, axis=-1)[..., 0] for part in (self.location, self.log_scale))
        return DiscretizedLogistic(*chosen).sample(key_level)

    def log_prob(self, x: ArrayLike) -> Array:
        """log P(x), a scalar in nats, by log-sum-exp over the components; x is rounded to the nearest level."""
        of_each = _log_level(jnp.asarray(x)[..., None], self.location, self.log_scale)
        return jnp.sum(jax.nn.logsumexp(jax.nn.log_softmax(self.logits) + of_each, axis=-1))


def _log_level(x: ArrayLike, location: Array, log_scale: Array) -> Array:
    """log P of the grey level nearest to x under a discretised logistic, element by element."""
    level = jnp.round(255 * jnp.asarray(x))
    inverse_scale = finite_exp(-log_scale)
    low = (level - 0.5) / 255 - location
    below, above = low * inverse_scale, (low + 1 / 255) * inverse_scale
    # σ(a) − σ(b) = σ(a) σ(−b) (1 − e^(b−a)): no difference of nearly equal numbers.
    width = jnp.maximum(inverse_scale / 255, 1e-30)
    inside = jax.nn.log_sigmoid(above) + jax.nn.log_sigmoid(-below) + jnp.log(-jnp.expm1(-width))
    edges = jnp.where(level <= 0, jax.nn.log_sigmoid(above), jax.nn.log_sigmoid(-below))
    return jnp.where((level > 0) & (level < 255), inside, edges)
