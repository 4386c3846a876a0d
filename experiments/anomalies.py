"""Find malignant tumours as anomalies: models that have seen benign ones alone, beside PCA and an isolation forest.

    python experiments/anomalies.py

Fits each of them to four fifths of the benign rows of scikit-learn's breast cancer table, and scores the rest and all
malignant rows. Prints the area under the ROC curve over the seeds, and the mean with its standard error.
"""

from collections.abc import Callable

import numpy as np
import tyro
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import vae_jax

Scorer = Callable[[np.ndarray, np.ndarray, int], np.ndarray]  # rows to fit, rows to score, seed -> higher is odder


def by_vae(train: np.ndarray, x: np.ndarray, seed: int, samples: int | None = None) -> np.ndarray:
    """−ELBO, or −log p(x) with importance samples."""
    model = vae_jax.VariationalAutoencoder(latent=10, num_samples=samples, random_state=seed)
    return -model.fit(train).score_samples(x)


def by_pca(train: np.ndarray, x: np.ndarray, seed: int) -> np.ndarray:
    """The squared error of ten principal components of standardised features."""
    model = make_pipeline(StandardScaler(), PCA(10, random_state=seed)).fit(train)
    scaled = model[0].transform(x)
    return ((model[1].inverse_transform(model[1].transform(scaled)) - scaled) ** 2).sum(1)


def by_forest(train: np.ndarray, x: np.ndarray, seed: int) -> np.ndarray:
    """An isolation forest of 100 trees."""
    return -IsolationForest(random_state=seed).fit(train).score_samples(x)


SCORERS: dict[str, Scorer] = {
    "VAE, −ELBO": by_vae,
    "VAE, −log p(x), 200 samples": lambda train, x, seed: by_vae(train, x, seed, samples=200),
    "PCA, squared error": by_pca,
    "isolation forest": by_forest,
}


def main(seeds: int = 3) -> None:
    """Compare.

    Args:
      seeds: how many splits and models.
    """
    x, y = load_breast_cancer(return_X_y=True)
    benign, malignant = x[y == 1], x[y == 0]
    for name, scorer in SCORERS.items():
        areas = []
        for seed in range(seeds):
            rows = np.random.RandomState(seed).permutation(benign)
            train, held = rows[: 4 * len(rows) // 5], rows[4 * len(rows) // 5 :]
            truth = np.repeat([0, 1], [len(held), len(malignant)])
            areas.append(roc_auc_score(truth, scorer(train, np.concatenate([held, malignant]), seed)))
        error = np.std(areas, ddof=1) / np.sqrt(seeds) if seeds > 1 else float("nan")
        each = " ".join(f"{area:.3f}" for area in areas)
        print(f"{name:<30} {np.mean(areas):.3f} ± {error:.3f}   ({each})", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
