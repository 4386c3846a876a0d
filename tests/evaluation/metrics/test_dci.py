"""DCI: the purity of a matrix of importances, and of codes that are perfect, crowded and empty."""

import numpy as np
import pytest
import scipy.stats

from vae_jax.data.sources.sprites import NAMES, SIZES
from vae_jax.evaluation.metrics import Representation, noise, perfect
from vae_jax.evaluation.metrics.dci import dci, weighted_purity


def test_rows_are_normalised_before_their_entropy():
    """One latent that holds every factor scores 0, not 1: another library forgot the normalisation."""
    crowded = np.zeros((4, 5))
    crowded[0] = 1.0
    assert weighted_purity(crowded) == pytest.approx(0, abs=1e-12)
    assert weighted_purity(np.eye(5)) == pytest.approx(1)
    assert weighted_purity(np.zeros((3, 5))) == 0
    mixed = np.array([[3.0, 1.0], [0.0, 4.0]])
    expected = 0.5 * (1 - scipy.stats.entropy([0.75, 0.25], base=2)) + 0.5 * 1
    assert weighted_purity(mixed) == pytest.approx(expected)


def test_dci_of_a_perfect_a_crowded_and_an_empty_code():
    names, sizes = ("a", "b", "c"), (3, 4, 4)
    how = {"train": 600, "test": 300}
    found = dci(np.random.RandomState(0), perfect(names, sizes), **how)
    assert min(found.values()) > 0.95
    crowded = Representation(
        names, sizes, lambda f: np.stack([f[:, 0] * 16 + f[:, 1] * 4 + f[:, 2], np.zeros(len(f))], axis=1)
    )
    of_crowded = dci(np.random.RandomState(0), crowded, **how)
    assert of_crowded["disentanglement"] <= 0.1 and of_crowded["completeness"] > 0.9  # each factor in one latent alone
    nothing = dci(np.random.RandomState(0), noise(names, sizes, 3), **how)
    assert nothing["disentanglement"] < 0.2 and nothing["informativeness"] < 0.45


@pytest.mark.slow
def test_dci_on_the_grid_of_dsprites():
    found = dci(np.random.RandomState(0), perfect(NAMES, SIZES))
    assert found["disentanglement"] > 0.95
