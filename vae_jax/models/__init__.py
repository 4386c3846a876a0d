"""Models: encoder, posterior, decoder, likelihood and prior, and `VAE`, which joins them in pure functions."""

from vae_jax.models.foreign import from_equinox, from_haiku, from_nnx
from vae_jax.models.latents import Latents
from vae_jax.models.likelihoods import (
    LIKELIHOODS,
    BernoulliLikelihood,
    ContinuousBernoulliLikelihood,
    DiscretizedLogisticLikelihood,
    GaussianLikelihood,
    LearnedGaussianLikelihood,
    Likelihood,
    LogisticMixtureLikelihood,
    PixelGaussianLikelihood,
)
from vae_jax.models.linear_gaussian import (
    LinearGaussian,
    Optimum,
    beta_vae_optimum,
    denoising_optimum,
    pca_optimum,
)
from vae_jax.models.networks import (
    INITIALIZERS,
    NETWORKS,
    ConvDecoder,
    ConvEncoder,
    DenseDecoder,
    DenseEncoder,
    Network,
    NetworkConfig,
)
from vae_jax.models.part import Params, Part
from vae_jax.models.pca import fit_pca
from vae_jax.models.posteriors import (
    POSTERIORS,
    ActivationsPosterior,
    NormalPosterior,
    PointPosterior,
    Posterior,
)
from vae_jax.models.priors import PRIORS, LabelPrior, MixturePrior, Prior, StandardPrior, VampPrior
from vae_jax.models.vae import VAE

__all__ = [
    "INITIALIZERS",
    "LIKELIHOODS",
    "NETWORKS",
    "POSTERIORS",
    "PRIORS",
    "VAE",
    "ActivationsPosterior",
    "BernoulliLikelihood",
    "ContinuousBernoulliLikelihood",
    "ConvDecoder",
    "ConvEncoder",
    "DenseDecoder",
    "DenseEncoder",
    "DiscretizedLogisticLikelihood",
    "GaussianLikelihood",
    "LabelPrior",
    "Latents",
    "LearnedGaussianLikelihood",
    "Likelihood",
    "LinearGaussian",
    "LogisticMixtureLikelihood",
    "MixturePrior",
    "Network",
    "NetworkConfig",
    "NormalPosterior",
    "Optimum",
    "Params",
    "Part",
    "PixelGaussianLikelihood",
    "PointPosterior",
    "Posterior",
    "Prior",
    "StandardPrior",
    "VampPrior",
    "beta_vae_optimum",
    "denoising_optimum",
    "fit_pca",
    "from_equinox",
    "from_haiku",
    "from_nnx",
    "pca_optimum",
]
