"""Principal component analysis as a model: the linear baseline, evaluated like every other model."""

import jax.numpy as jnp
import numpy as np

from vae_jax.models.likelihoods import GaussianLikelihood
from vae_jax.models.networks import NETWORKS, NetworkConfig
from vae_jax.models.part import Params
from vae_jax.models.posteriors import PointPosterior
from vae_jax.models.vae import VAE


def fit_pca(x: np.ndarray, latent: int) -> tuple[VAE, Params]:
    """The linear autoencoder with the least squared error, from scikit-learn's PCA.

    Args:
      x: `[n, *shape]`, as the model sees it (pixels in [0, 1]).
      latent: how many principal components, at most min(n, pixels).

    Returns:
      `(model, params)`: a `VAE` with a point code and a Gaussian likelihood of σ = 1.

    Reference: Eckart & Young 1936: the error is the sum of the other eigenvalues of the covariance.
    """
    from sklearn.decomposition import PCA

    flat = np.asarray(x, np.float32).reshape(len(x), -1)
    pca = PCA(latent, svd_solver="covariance_eigh").fit(flat)
    directions, mean = jnp.asarray(pca.components_), jnp.asarray(pca.mean_)
    config = NetworkConfig(x.shape[1:], latent, ())
    params: Params = {
        "encoder": {"params": {"posterior": {"kernel": directions.T, "bias": -directions @ mean}}},
        "decoder": {"params": {"likelihood": {"kernel": directions, "bias": mean}}},
        "likelihood": {},
        "posterior": {},
    }
    return VAE(*NETWORKS["linear"].build(config), GaussianLikelihood(), posterior=PointPosterior(latent=latent)), params
