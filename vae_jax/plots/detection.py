"""How well a score tells the examples that are looked for from the rest."""

from pathlib import Path

import numpy as np

from vae_jax.plots.canvas import canvas, save

BINS = 40
ENDS = (0.0, 99.0)  # percentiles between which scores are drawn; what is beyond counts to the last bin


def told_apart(
    scores: np.ndarray, marked: np.ndarray, roc: tuple[np.ndarray, np.ndarray], path: Path, *, name: str, area: float
) -> Path:
    """The scores of both kinds as histograms, and the ROC curve.

    Args:
      scores: `[n]`, higher is less likely.
      marked: `[n]`, whether each is looked for.
      roc: false and true positive rates.
      path: where to write the PNG.
      name: of what is looked for.
      area: under the curve.
    """
    figure = canvas(10, 4)
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
    low, high = np.percentile(scores, ENDS)
    edges = np.linspace(low, high, BINS + 1)
    for kind, label, colour in ((~marked, "the rest", "#0072B2"), (marked, name, "#D55E00")):
        inside = np.clip(scores[kind], low, high)
        left.hist(inside, edges, density=True, alpha=0.6, color=colour, label=f"{label} ({kind.sum():,})")
    left.set(title="scores", xlabel="nats, higher is less likely; the last bin holds what is beyond", ylabel="density")
    left.legend()
    right.plot(*roc, color="#D55E00")
    right.plot([0, 1], [0, 1], "--", color="0.6")
    right.set(title=f"ROC, area {area:.3f}", xlabel="of the rest, flagged", ylabel=f"of {name}, found", aspect="equal")
    right.grid(alpha=0.3)
    return save(figure, path)
