"""Principal component analysis as a model: the linear baseline, through the same evaluation as every other."""

import jax.numpy as jnp
import numpy as np

from vae_jax.likelihoods import GaussianLikelihood
from vae_jax.model import VAE, Params
from vae_jax.networks import NETWORKS, Sizes
from vae_jax.posteriors import POSTERIORS


def pca(x: np.ndarray, latent: int) -> tuple[VAE, Params]:
    """The linear autoencoder of least squared error, from scikit-learn's PCA.

    Args:
      x: `[n, *shape]`, as the model shall see it (pixels in [0, 1]).
      latent: how many principal components, at most min(n, pixels).

    Returns:
      `(model, params)`: a `VAE` with a point code and a Gaussian likelihood of σ = 1.

    Reference: Eckart & Young 1936: what is left over is the sum of the other eigenvalues of the covariance.
    """
    from sklearn.decomposition import PCA

    flat = np.asarray(x, np.float32).reshape(len(x), -1)
    found = PCA(latent, svd_solver="covariance_eigh").fit(flat)
    directions, mean = jnp.asarray(found.components_), jnp.asarray(found.mean_)
    sizes = Sizes(x.shape[1:], latent, (), posterior=POSTERIORS["point"])
    params: Params = {
        "encoder": {"params": {"posterior": {"kernel": directions.T, "bias": -directions @ mean}}},
        "decoder": {"params": {"likelihood": {"kernel": directions, "bias": mean}}},
        "likelihood": {},
    }
    return VAE(*NETWORKS["linear"].build(sizes), GaussianLikelihood()), params
