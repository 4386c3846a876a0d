"""Distributions of one example, the KL between them, and the posterior families. Depends only on jax."""

from vae_jax.distributions.base import (
    LOG_2PI,
    Distribution,
    Support,
    draw,
    finite_exp,
    has_density,
    is_reparametrised,
    mean_of,
    over_batch,
    shape_of,
    total,
    variance_of,
    wide,
)
from vae_jax.distributions.continuous import Delta, Mixture, Normal, StandardNormal
from vae_jax.distributions.counts import NegativeBinomial, Poisson
from vae_jax.distributions.kl import kl_normal, kl_standard_normal, kl_to_prior
from vae_jax.distributions.kl_numerical import (
    Estimate,
    fit_forward_kl,
    fit_reverse_kl,
    kl_monte_carlo,
    kl_quadrature,
)
from vae_jax.distributions.pixels import (
    Bernoulli,
    ContinuousBernoulli,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
)
from vae_jax.distributions.posteriors import NORMAL, POINT, POSTERIORS, RATES, Posterior, Rates

__all__ = [
    "LOG_2PI",
    "NORMAL",
    "POINT",
    "POSTERIORS",
    "RATES",
    "Bernoulli",
    "ContinuousBernoulli",
    "Delta",
    "DiscretizedLogistic",
    "DiscretizedLogisticMixture",
    "Distribution",
    "Estimate",
    "Mixture",
    "NegativeBinomial",
    "Normal",
    "Poisson",
    "Posterior",
    "Rates",
    "StandardNormal",
    "Support",
    "draw",
    "finite_exp",
    "fit_forward_kl",
    "fit_reverse_kl",
    "has_density",
    "is_reparametrised",
    "kl_monte_carlo",
    "kl_normal",
    "kl_quadrature",
    "kl_standard_normal",
    "kl_to_prior",
    "mean_of",
    "over_batch",
    "shape_of",
    "total",
    "variance_of",
    "wide",
]
