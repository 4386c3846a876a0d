"""scikit-learn's digits: real handwriting that comes with the package, so it needs no network."""

from pathlib import Path

import numpy as np

from vae_jax.data.table import Dataset, Examples, register, split


@register("digits", epochs=100)
def digits(manual_dir: Path | None = None) -> Dataset:
    """1,797 real handwritten digits, 8x8 grey, 10 classes (UCI optdigits); comes with scikit-learn, offline."""
    del manual_dir
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    images = np.round(x * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    return split("digits", Examples(images, y.astype(np.int32)), validation=0.1, test=0.2)
