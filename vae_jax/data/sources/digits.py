"""scikit-learn's digits: real handwriting that comes with the package, so it needs no network."""

import importlib.util
from pathlib import Path

import numpy as np

from vae_jax.data.dataset import DATASETS, Dataset, Examples, split


@DATASETS.register("digits", epochs=100)
def digits(manual_dir: Path | None = None) -> Dataset:
    """1,797 real handwritten digits, 8x8 grey, 10 classes (UCI optdigits); comes with scikit-learn, offline."""
    del manual_dir
    x, y = _pixels_and_labels()
    images = np.round(x * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    return split("digits", Examples(images, y.astype(np.int32)), validation=0.1, test=0.2)


def _pixels_and_labels() -> tuple[np.ndarray, np.ndarray]:
    """Read from scikit-learn's own file, to save the second and a half of importing scikit-learn."""
    found = importlib.util.find_spec("sklearn")
    for folder in found.submodule_search_locations or () if found else ():
        path = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            table = np.loadtxt(path, delimiter=",")
            return table[:, :-1], table[:, -1]
    from sklearn.datasets import load_digits

    x, y, *_ = load_digits(return_X_y=True)
    return np.asarray(x), np.asarray(y)
