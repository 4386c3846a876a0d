"""Our scores beside a plain statement of disentanglement_lib's definitions, on codes from perfect to random.

`python tests/test_reference_scores.py` prints the table of docs/scores.md.
"""

from collections.abc import Callable

import numpy as np
import pytest
import reference_scores as reference

from vae_jax.data.sources.sprites import NAMES, SIZES
from vae_jax.evaluation.metrics import SCORES, Representation, unsupervised_ranking

CODES: dict[str, Callable] = {
    "perfect": reference.perfect_code,
    "rotated": reference.rotated_code,
    "noisy": reference.noisy_code,
    "random": reference.random_code,
}
SCORED = {
    "mig": reference.mig,
    "modularity": reference.modularity,
    "explicitness": lambda *of: reference.explicitness(*of)[1],
    "sap": reference.sap,
    "beta_vae": reference.beta_vae,
    "factor_vae": reference.factor_vae,
}
PARTS = {"dci": "disentanglement", "dci_completeness": "completeness", "dci_informativeness": "informativeness"}


def ours(name: str, code: str) -> dict[str, float]:
    return SCORES[name](np.random.RandomState(0), Representation(NAMES, SIZES, CODES[code](SIZES)))


def theirs(name: str, code: str) -> float:
    return SCORED[name](CODES[code](SIZES), SIZES, np.random.RandomState(0))


LONG = [
    *(("explicitness", code) for code in ("perfect", "rotated", "noisy")),  # its regressions take longest there
    *((name, "noisy") for name in ("sap", "beta_vae", "factor_vae")),
]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param(name, code, marks=pytest.mark.slow if (name, code) in LONG else ())
        for name in SCORED
        for code in CODES
    ],
)
def test_a_score_is_the_definitions(name, code):
    """On the same draws where the definition draws in the same order, else within the noise of 5,000 test points."""
    np.testing.assert_allclose(ours(name, code)[name], theirs(name, code), rtol=0.03, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("code", CODES)
def test_dci_is_the_definitions(code):
    """scikit-learn's booster takes up to minutes for each code."""
    expected = reference.dci(CODES[code](SIZES), SIZES, np.random.RandomState(0))
    found = ours("dci", code)
    for name, part in PARTS.items():
        np.testing.assert_allclose(found[name], expected[part], rtol=0.03, atol=1e-3)


@pytest.mark.parametrize("similarity", ["spearman", "lasso"])
def test_udr_is_the_definitions(similarity):
    """Four models of up to six latents, of which some are not informative."""
    random = np.random.RandomState(0)
    base = random.randn(3000, 6)
    codes = [base @ np.linalg.qr(random.randn(6, 6))[0] ** (i + 1) + 0.3 * random.randn(3000, 6) for i in range(4)]
    rates = [np.where(random.rand(6) < 0.7, 1.0, 0.001) for _ in range(4)]
    expected, _ = getattr(reference, f"udr_{similarity}")(codes, rates)
    np.testing.assert_allclose(unsupervised_ranking(codes, rates, similarity=similarity).value, expected, rtol=1e-6)


def table() -> str:
    """Each score of each code, ours and the definition's, in Markdown."""
    lines = ["| score | " + " | ".join(CODES) + " |", "|---|" + "---|" * len(CODES)]
    rows: dict[str, list[str]] = {}
    for code in CODES:
        dci = ours("dci", code), reference.dci(CODES[code](SIZES), SIZES, np.random.RandomState(0))
        pairs = {name: (ours(name, code)[name], theirs(name, code)) for name in SCORED}
        pairs |= {name: (dci[0][name], dci[1][part]) for name, part in PARTS.items()}
        for name, (found, expected) in pairs.items():
            rows.setdefault(name, []).append(f"{found:.4f}, {expected:.4f}")
    return "\n".join([*lines, *(f"| `{name}` | " + " | ".join(cells) + " |" for name, cells in rows.items())])


if __name__ == "__main__":
    print(table())
