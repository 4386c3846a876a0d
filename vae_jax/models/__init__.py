"""Models: encoder, decoder, likelihood and prior as Flax modules, and `VAE`, which joins them in pure functions."""

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
from vae_jax.models.pca import fit_pca
from vae_jax.models.priors import PRIORS, LabelPrior, MixturePrior, Prior, StandardPrior, VampPrior
from vae_jax.models.vae import VAE, Params

__all__ = [
    "INITIALIZERS",
    "LIKELIHOODS",
    "NETWORKS",
    "PRIORS",
    "VAE",
    "BernoulliLikelihood",
    "ContinuousBernoulliLikelihood",
    "ConvDecoder",
    "ConvEncoder",
    "DenseDecoder",
    "DenseEncoder",
    "DiscretizedLogisticLikelihood",
    "GaussianLikelihood",
    "LabelPrior",
    "LearnedGaussianLikelihood",
    "Likelihood",
    "LinearGaussian",
    "LogisticMixtureLikelihood",
    "MixturePrior",
    "Network",
    "NetworkConfig",
    "Optimum",
    "Params",
    "PixelGaussianLikelihood",
    "Prior",
    "StandardPrior",
    "VampPrior",
    "beta_vae_optimum",
    "denoising_optimum",
    "fit_pca",
    "pca_optimum",
]
