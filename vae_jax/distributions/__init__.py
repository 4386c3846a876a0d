"""Distributions of one example, and the KL between them. Depends only on jax."""

from vae_jax.distributions.base import (
    Distribution,
    Support,
    draw,
    draw_weighed,
    finite_exp,
    has_density,
    is_reparametrised,
    mean_of,
    over_batch,
    shape_of,
    total,
    upcast,
    variance_of,
)
from vae_jax.distributions.continuous import Mixture, Normal, StandardNormal
from vae_jax.distributions.counts import NegativeBinomial, Poisson
from vae_jax.distributions.kl import kl_normal, kl_standard_normal
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
from vae_jax.distributions.points import Activations, Delta
from vae_jax.distributions.to_prior import kl_to_prior

__all__ = [
    "Activations",
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
    "StandardNormal",
    "Support",
    "draw",
    "draw_weighed",
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
    "upcast",
    "variance_of",
]
