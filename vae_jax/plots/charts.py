"""Charts: each function takes numbers, writes one PNG and returns its path.

None of them needs a model.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jax.typing import ArrayLike

from vae_jax.plots.canvas import canvas, save


def loss_curves(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Negative ELBO, distortion and rate by epoch, on training and validation data; rows as in `metrics.jsonl`."""
    names = {
        "negative_elbo": "negative ELBO",
        "distortion": "distortion, −log p(x|z)",
        "rate": "rate, KL(q(z|x) ‖ p(z))",
    }
    if rows and rows[0]["train"].get("rate") is None:  # a point posterior has only a distortion
        names = {"loss": "loss", "distortion": names["distortion"]}
    figure = canvas(3.7 * len(names), 3.4)
    epochs = [row["epoch"] for row in rows]
    for axis, (name, label) in zip(np.ravel(figure.subplots(1, len(names))), names.items(), strict=True):
        for part, style in (("train", "-"), ("validation", "--")):
            if any(name in row[part] for row in rows):
                axis.plot(epochs, [row[part].get(name, math.nan) for row in rows], style, label=part)
        axis.set(title=label, xlabel="epoch", ylabel="nats per image")
        axis.grid(alpha=0.3)
        if rows:
            axis.legend()
    return save(figure, path)


def latent_scatter(means: np.ndarray, labels: np.ndarray | None, path: Path) -> Path:
    """Posterior means of a data set in two dimensions, coloured by class if there are labels.

    Args:
      means: `[n, 2]`.
      labels: `[n]`; None if there are none.
      path: where to write the PNG.
    """
    figure = canvas(7, 6)
    axis = figure.subplots()
    if labels is None:
        axis.scatter(*means.T, s=6, alpha=0.5)
    else:
        for i, label in enumerate(np.unique(labels)):
            axis.scatter(*means[labels == label].T, s=6, alpha=0.6, color=f"C{i % 10}", label=str(label))
        axis.legend(title="class", markerscale=2, bbox_to_anchor=(1, 1))
    axis.set(title="codes of the test set", xlabel="z₁", ylabel="z₂", aspect="equal")
    axis.grid(alpha=0.3)
    return save(figure, path)


def aggregate_posterior(codes: np.ndarray, path: Path, *, prior: np.ndarray | None = None, most: int = 12) -> Path:
    """Histograms of the sampled codes `[n, latent]` of a data set, one panel each, with their prior.

    Args:
      codes: `[n, latent]`.
      path: where to write the PNG.
      prior: samples of the prior, `[m, latent]`; None for N(0, I), whose density is drawn.
      most: the most latents to show.
    """
    shown = min(codes.shape[1], most)
    columns = min(shown, 4)
    rows = -(-shown // columns)
    figure = canvas(3 * columns, 2.3 * rows + 0.4)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for j, axis in enumerate(axes[:shown]):
        both = codes[:, j] if prior is None else np.concatenate([codes[:, j], prior[:, j]])
        low, high = np.quantile(both, [0.001, 0.999])
        edges = np.linspace(min(low, -4), max(high, 4), 61)
        axis.stairs(*np.histogram(codes[:, j], edges, density=True), fill=True, alpha=0.6, label="codes")
        if prior is None:
            axis.plot(edges, np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi), "k", lw=1, label="N(0, 1)")
        else:
            axis.stairs(*np.histogram(prior[:, j], edges, density=True), color="k", lw=1, label="prior")
        axis.set(xlabel=f"z{j + 1}", yticks=[])
    for axis in axes[shown:]:
        axis.set_visible(False)
    axes[0].legend(fontsize="small")
    axes[0].set_ylabel("density")
    figure.suptitle("sampled codes of the test set against the prior")
    return save(figure, path)


def bounds(
    bounds: Mapping[int, tuple[float, float]],
    path: Path,
    *,
    gains: Mapping[int, tuple[float, float]] | None = None,
    verdict: str = "",
) -> Path:
    """The importance-weighted bound as the number of samples grows, and what each step gained on the same images.

    Args:
      bounds: k -> (mean, error over images).
      path: where to write the PNG.
      gains: k -> (mean, error) of the gain of each image over the number of samples before; None for the bound alone.
      verdict: whether it has converged, in words.
    """
    axes = canvas(9 if gains else 5, 4).subplots(1, 2 if gains else 1, squeeze=False)[0]
    figure, left = axes[0].figure, axes[0]
    means, errors = np.array(list(bounds.values())).T
    left.fill_between(list(bounds), means - errors, means + errors, alpha=0.2, lw=0, label="error over test images")
    left.plot(list(bounds), means, "o-", lw=1, label="mean")
    left.set(title="the bound on log p(x)", ylabel="nats per image")
    left.legend(fontsize="small")
    if gains:
        right = axes[1]
        steps, errors = np.array(list(gains.values())).T
        right.errorbar(list(gains), steps, yerr=errors, fmt="o-", capsize=3, lw=1)
        right.axhline(0, color="0.4", lw=1)
        right.set(title="its gain over the point before", ylabel="nats per image")
    ks = list(bounds)
    apart = [k for k, after in zip(ks, [*ks[1:], math.inf], strict=True) if after >= 4 * k]  # room for their labels
    for axis in axes:
        axis.set_xscale("log")
        axis.set_xticks(apart, [f"{k:,}" for k in apart])
        axis.minorticks_off()
        axis.set_xlabel("importance samples per image; 1 is the ELBO")
        axis.grid(alpha=0.3)
    figure.suptitle(verdict, fontsize="medium")
    return save(figure, path)


def curves(
    x: ArrayLike,
    values: Mapping[str, ArrayLike],
    path: Path,
    *,
    title: str,
    x_label: str,
    y_label: str,
    log_x: bool = False,
) -> Path:
    """Several lines over the same axis, each under its name; the y axis starts at 0 if no value is negative.

    Args:
      x: `[n]`.
      values: name -> `[n]`.
      path: where to write the PNG.
      title: above the chart.
      x_label: of the x axis.
      y_label: of the y axis.
      log_x: whether the x axis is logarithmic.
    """
    figure = canvas(6, 4)
    axis = figure.subplots()
    marks = "o-" if len(np.asarray(x)) < 40 else "-"
    for name, y in values.items():
        axis.plot(np.asarray(x), np.asarray(y), marks, ms=4, lw=1.5, label=name)
    axis.set(title=title, xlabel=x_label, ylabel=y_label, xscale="log" if log_x else "linear")
    if all(np.min(np.asarray(y)) >= 0 for y in values.values()):
        axis.set_ylim(0, None)
    axis.grid(alpha=0.3)
    axis.legend()
    return save(figure, path)


def manifold(points: ArrayLike, lines: Mapping[str, ArrayLike], path: Path, *, title: str) -> Path:
    """Points in the plane, and the line that one latent of each model traces among them.

    Args:
      points: `[n, 2]`.
      lines: name of a model -> `[steps, 2]`.
      path: where to write the PNG.
      title: above the chart.
    """
    figure = canvas(6, 4.5)
    axis = figure.subplots()
    axis.scatter(*np.asarray(points).T, s=4, color="0.7", label="data")
    for name, line in lines.items():
        axis.plot(*np.asarray(line).T, lw=2.5, label=name)
    axis.set(title=title, xlabel="x₁", ylabel="x₂", aspect="equal")
    axis.legend()
    return save(figure, path)


def matrix(
    values: np.ndarray, path: Path, *, rows: Sequence[str], columns: Sequence[str], title: str, unit: str
) -> Path:
    """A matrix as shaded cells with the numbers in them.

    Args:
      values: `[rows, columns]`, at least 0.
      path: where to write the PNG.
      rows: names of the rows.
      columns: names of the columns.
      title: above the matrix.
      unit: label of the colour bar.
    """
    figure = canvas(1.1 * len(columns) + 2.5, 0.42 * len(rows) + 1.5)
    axis = figure.subplots()
    image = axis.imshow(values, cmap="Blues", aspect="auto", vmin=0)
    for (i, j), value in np.ndenumerate(values):
        shade = "white" if value > 0.6 * values.max() else "black"
        axis.text(j, i, f"{value:.2f}", ha="center", va="center", color=shade, fontsize=8)
    axis.set_xticks(range(len(columns)), columns)
    axis.set_yticks(range(len(rows)), rows)
    axis.set_title(title, fontsize="medium")
    figure.colorbar(image, label=unit)
    return save(figure, path)


def densities(grid: np.ndarray, curves: Mapping[str, np.ndarray], path: Path, *, title: str) -> Path:
    """Densities on the line; the first, the target of the others, is filled.

    Args:
      grid: `[n]`, where they are evaluated.
      curves: name -> `[n]`.
      path: where to write the PNG.
      title: above the chart.
    """
    figure = canvas(7, 4)
    axis = figure.subplots()
    for i, (name, density) in enumerate(curves.items()):
        axis.plot(grid, density, color="0.4" if i == 0 else f"C{i - 1}", lw=1 if i == 0 else 2, label=name)
        if i == 0:
            axis.fill_between(grid, density, color="0.85")
    axis.set(title=title, xlabel="value", ylabel="density", xlim=np.clip((grid[0], grid[-1]), -8, 8), ylim=(0, None))
    axis.legend(fontsize="small")
    return save(figure, path)


def point_clouds(clouds: Mapping[str, np.ndarray], path: Path) -> Path:
    """Points `[n, 2]` side by side on the same axes, one panel per name."""
    figure = canvas(3.2 * len(clouds), 4.0)
    axes = np.ravel(figure.subplots(1, len(clouds), sharex=True, sharey=True))
    for axis, (name, points) in zip(axes, clouds.items(), strict=True):
        axis.scatter(*points.T, s=3, alpha=0.5)
        axis.set(title=name, xlabel="x₁", aspect="equal", xlim=(-3.5, 3.5), ylim=(-3.5, 3.5))
    axes[0].set_ylabel("x₂")
    return save(figure, path)
