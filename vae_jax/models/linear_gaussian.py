"""Linear-Gaussian models, where every term is known exactly: an oracle, and the exact rate-distortion curve.

    z ~ N(0, I),  x|z ~ N(W z + b, σ² I)   =>   x ~ N(b, W Wᵀ + σ² I),  z|x ~ N(m, V),
    V = σ² (Wᵀ W + σ² I)⁻¹,  m = V Wᵀ (x − b)/σ²

References: Tipping & Bishop, *Probabilistic principal component analysis*, 1999; Lucas et al., *Don't blame the ELBO!*,
2019. λ_1 ≥ λ_2 ≥ … are the eigenvalues of the data covariance, d the data's dimensions, q the latents.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from vae_jax.distributions.base import LOG_2PI


class LinearGaussian(NamedTuple):
    """A model whose log p(x) and p(z|x) are known in closed form.

    Attributes:
      weights: W, `[d, q]`.
      bias: b, `[d]`.
      variance: σ², `[]`.
    """

    weights: Array
    bias: Array
    variance: Array

    def log_marginal(self, x: Array) -> Array:
        """log p(x) of one example `[d]`, in nats."""
        d = len(self.bias)
        covariance = self.weights @ self.weights.T + self.variance * jnp.eye(d)
        centred = x - self.bias
        _, log_determinant = jnp.linalg.slogdet(covariance)
        return -0.5 * (d * LOG_2PI + log_determinant + centred @ jnp.linalg.solve(covariance, centred))

    def posterior(self, x: Array) -> tuple[Array, Array]:
        """Mean `[q]` and covariance `[q, q]` of z|x."""
        q = self.weights.shape[1]
        precision = self.weights.T @ self.weights / self.variance + jnp.eye(q)
        covariance = jnp.linalg.inv(precision)
        return covariance @ (self.weights.T @ (x - self.bias)) / self.variance, covariance

    def elbo(self, x: Array, mean: Array, log_var: Array) -> Array:
        """The evidence lower bound of q = N(mean, diag(exp(log_var))) without sampling, in nats, `[]`.

        Args:
          x: one example, `[d]`.
          mean: the mean of q, `[q]`.
          log_var: its log σ², `[q]`.
        """
        var = jnp.exp(log_var)
        error = x - self.bias - self.weights @ mean
        spread = jnp.sum(jnp.square(self.weights) @ var)
        log_likelihood = -0.5 * (
            len(self.bias) * (LOG_2PI + jnp.log(self.variance)) + (error @ error + spread) / self.variance
        )
        return log_likelihood - 0.5 * jnp.sum(jnp.square(mean) + var - log_var - 1)

    def kl_to_posterior(self, x: Array, mean: Array, log_var: Array) -> Array:
        """KL(N(mean, diag(exp(log_var))) ‖ p(z|x)): exactly the gap between `elbo` and `log_marginal`.

        Args:
          x: one example, `[d]`.
          mean: the mean of the normal, `[q]`.
          log_var: its log σ², `[q]`.

        Returns:
          The divergence in nats, `[]`.
        """
        exact_mean, covariance = self.posterior(x)
        difference = exact_mean - mean
        _, log_determinant = jnp.linalg.slogdet(covariance)
        precision = jnp.linalg.inv(covariance)
        trace = jnp.sum(jnp.diag(precision) * jnp.exp(log_var))
        return 0.5 * (trace + difference @ precision @ difference - len(mean) + log_determinant - jnp.sum(log_var))


class Optimum(NamedTuple):
    """What training cannot beat: nats per example, averaged over the data.

    Attributes:
      rate: the KL, summed over the latents.
      distortion: −log p(x|z), summed over the data's dimensions.
      rate_per_latent: the KL of each latent, `[q]`, largest first.
    """

    rate: float
    distortion: float
    rate_per_latent: np.ndarray

    @property
    def negative_elbo(self) -> float:
        """Rate plus distortion."""
        return self.rate + self.distortion


def beta_vae_optimum(eigenvalues: ArrayLike, latent: int, *, beta: float, variance: float) -> Optimum:
    """The linear β-VAE with a fixed σ²: a point on its exact rate-distortion curve.

    R(β) = ½ Σ_{i≤q} ln max(λ_i/(βσ²), 1);  D(β) = (d/2) ln(2πσ²) + [Σ_{i>q} λ_i + Σ_{i≤q} min(λ_i, βσ²)]/(2σ²)

    Latent i collapses where λ_i ≤ βσ².

    Args:
      eigenvalues: λ of the data covariance, `[d]`, in any order.
      latent: q.
      beta: β, weight of the KL, above 0.
      variance: σ², in squared units of x.
    """
    values = np.sort(np.asarray(eigenvalues, float))[::-1]
    kept, left = values[:latent], values[latent:]
    rates = 0.5 * np.log(np.maximum(kept / (beta * variance), 1))
    error = left.sum() + np.minimum(kept, beta * variance).sum()
    distortion = 0.5 * len(values) * np.log(2 * np.pi * variance) + error / (2 * variance)
    return Optimum(float(rates.sum()), float(distortion), rates)


def pca_optimum(eigenvalues: ArrayLike, latent: int) -> tuple[Optimum, float]:
    """The optimum of the linear VAE with a learned σ² (probabilistic PCA), and σ², the mean of the λ left out.

    Args:
      eigenvalues: λ of the data covariance, `[d]`, in any order.
      latent: q, below d: with as many latents as numbers nothing is left out, and σ² would go to 0 without end.

    Raises:
      ValueError: q is not below d.
    """
    values = np.sort(np.asarray(eigenvalues, float))[::-1]
    if not 0 <= latent < len(values):
        raise ValueError(f"latent is {latent} of {len(values)} eigenvalues; expected fewer, so that σ² has an optimum.")
    variance = float(values[latent:].mean())
    return beta_vae_optimum(values, latent, beta=1.0, variance=variance), variance


def denoising_optimum(eigenvalues: ArrayLike, latent: int, *, noise: float) -> float:
    """Squared error of the linear denoising autoencoder: Σ_{i≤q} λ_i s²/(λ_i + s²) + Σ_{i>q} λ_i, s the noise's σ.

    Args:
      eigenvalues: λ of the data covariance, `[d]`, in any order.
      latent: q.
      noise: s, in units of x.

    Returns:
      The error per example, summed over the data's dimensions.
    """
    values = np.sort(np.asarray(eigenvalues, float))[::-1]
    kept = values[:latent]
    return float(np.sum(kept * noise**2 / (kept + noise**2)) + values[latent:].sum())
