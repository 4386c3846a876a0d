"""Pictures: each function takes arrays, writes one PNG and returns its path.

Images are `[n, height, width, channels]`, pixels in [0, 1].
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jax.typing import ArrayLike


def samples(images: ArrayLike, path: Path, *, title: str = "samples of the prior, decoded") -> Path:
    """A square grid of images."""
    return grid(images, int(np.ceil(np.sqrt(len(np.asarray(images))))), path, title=title)


def grid(
    images: ArrayLike,
    columns: int,
    path: Path,
    *,
    title: str,
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
) -> Path:
    """Images row by row, with the names of the rows beside and of the columns below them."""
    images = np.asarray(images)
    rows = -(-len(images) // columns)
    figure, axis = _picture(columns * 0.75 + 0.6, rows * 0.75 + 0.4)
    _show(axis, _tile(images, columns))
    step = images.shape[1] + 1
    axis.set_yticks([(i + 0.5) * step - 1 for i in range(len(row_names))], row_names)
    across = images.shape[2] + 1
    axis.set_xticks([(i + 0.5) * across - 1 for i in range(len(column_names))], column_names)
    axis.set_title(title)
    return save(figure, path)


def image_rows(rows: Mapping[str, ArrayLike], path: Path, *, title: str) -> Path:
    """Rows of images, each under its name: originals, and what a model makes of them below."""
    stacked = [np.asarray(images) for images in rows.values()]
    return grid(np.concatenate(stacked), len(stacked[0]), path, title=title, row_names=list(rows))


def loss_curves(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Negative ELBO, distortion and rate by epoch, on training and validation data; rows as in `metrics.jsonl`."""
    from matplotlib.figure import Figure

    names = {
        "negative_elbo": "negative ELBO",
        "distortion": "distortion, −log p(x|z)",
        "rate": "rate, KL(q(z|x) ‖ p(z))",
    }
    if rows[0]["train"]["rate"] is None:  # a point posterior has a distortion alone
        names = {"loss": "loss", "distortion": names["distortion"]}
    figure = Figure(figsize=(3.7 * len(names), 3.4), layout="constrained")
    epochs = [row["epoch"] for row in rows]
    for axis, (name, label) in zip(np.ravel(figure.subplots(1, len(names))), names.items(), strict=True):
        for part, style in (("train", "-"), ("validation", "--")):
            if name in rows[0][part]:
                axis.plot(epochs, [row[part][name] for row in rows], style, label=part)
        axis.set(title=label, xlabel="epoch", ylabel="nats per image")
        axis.grid(alpha=0.3)
        axis.legend()
    return save(figure, path)


def latent_scatter(means: np.ndarray, labels: np.ndarray | None, path: Path) -> Path:
    """Posterior means `[n, 2]` of a data set, coloured by class where there are labels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 6), layout="constrained")
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


def decoded_plane(images: ArrayLike, values: np.ndarray, path: Path) -> Path:
    """The plane of two latents, decoded; `values` are the coordinates of both axes, first image top left."""
    side = len(values)
    figure, axis = _picture(8, 8.2)
    tiled = _tile(np.asarray(images), side)
    _show(axis, tiled)
    step = (np.asarray(tiled.shape[:2]) + 1) / side
    shown = range(0, side, 2)
    axis.set_xticks([(i + 0.5) * step[1] for i in shown], [f"{values[i]:.1f}" for i in shown])
    axis.set_yticks([(side - i - 0.5) * step[0] for i in shown], [f"{values[i]:.1f}" for i in shown])
    axis.set(xlabel="z₁", ylabel="z₂", title="the latent plane, decoded")
    return save(figure, path)


def aggregate_posterior(codes: np.ndarray, path: Path, *, most: int = 12) -> Path:
    """Histograms of the sampled codes `[n, latent]` of a data set, a panel a latent, with the density of N(0, 1)."""
    from matplotlib.figure import Figure

    shown = min(codes.shape[1], most)
    columns = min(shown, 4)
    rows = -(-shown // columns)
    figure = Figure(figsize=(3 * columns, 2.3 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    edges = np.linspace(-4, 4, 61)
    for j, axis in enumerate(axes[:shown]):
        axis.hist(np.clip(codes[:, j], -4, 4), edges, density=True, alpha=0.6, label="codes")
        axis.plot(edges, np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi), "k", lw=1, label="N(0, 1)")
        axis.set(xlabel=f"z{j + 1}", yticks=[])
    for axis in axes[shown:]:
        axis.set_visible(False)
    axes[0].legend(fontsize="small")
    axes[0].set_ylabel("density")
    figure.suptitle("sampled codes of the test set against the prior")
    return save(figure, path)


def bounds(bounds: Mapping[int, tuple[float, float]], path: Path) -> Path:
    """The importance-weighted bound `k -> (mean, error)` as the number of samples grows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axis = figure.subplots()
    means, errors = np.array(list(bounds.values())).T
    axis.errorbar(list(bounds), means, yerr=errors, fmt="o-", capsize=3, lw=1)
    axis.set_xscale("log")
    axis.set_xticks(list(bounds), [f"{k:,}" for k in bounds])
    axis.minorticks_off()
    axis.set(
        title="the bound on log p(x); bars: standard error over test images",
        xlabel="importance samples an image; 1 is the ELBO",
        ylabel="nats per image",
    )
    axis.grid(alpha=0.3)
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
    """Several lines over the same axis, each under its name; from zero up where none is negative."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
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
    """Points `[n, 2]`, and what one latent draws among them, `[steps, 2]` a model."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.5), layout="constrained")
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
    """Numbers `[rows, columns]` as shades with the numbers in them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.1 * len(columns) + 2.5, 0.42 * len(rows) + 1.5), layout="constrained")
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


def animation(frames: ArrayLike, path: Path, *, names: Sequence[str], captions: Sequence[str]) -> Path:
    """A GIF of several images side by side, `[frames, images, height, width, channels]`.

    Args:
      frames: in the order of time; they are shown there and back.
      path: ends in `.gif`.
      names: of the images.
      captions: of the frames.
    """
    from matplotlib.animation import PillowWriter
    from matplotlib.figure import Figure

    images = np.clip(np.asarray(frames), 0, 1)
    columns = min(images.shape[1], 5)
    height = -(-images.shape[1] // columns)
    figure = Figure(figsize=(1.4 * columns, 1.7 * height + 0.4), layout="constrained")
    axes = np.ravel(figure.subplots(height, columns, squeeze=False))
    for axis in axes:
        axis.axis("off")
    shown = [
        axis.imshow(_plain(image), cmap="gray", vmin=0, vmax=1) for axis, image in zip(axes, images[0], strict=False)
    ]
    for axis, name in zip(axes, names, strict=False):
        axis.set_title(name, fontsize=9)
    writer = PillowWriter(fps=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with writer.saving(figure, str(path), dpi=80):
        for t in [*range(len(images)), *range(len(images) - 2, 0, -1)]:
            figure.suptitle(captions[t], fontsize=10)
            for picture, image in zip(shown, images[t], strict=True):
                picture.set_data(_plain(image))
            writer.grab_frame()
    return path


def densities(grid: np.ndarray, curves: Mapping[str, np.ndarray], path: Path, *, title: str) -> Path:
    """Densities on the line, the first one filled: the target of the others."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = figure.subplots()
    for i, (name, density) in enumerate(curves.items()):
        axis.plot(grid, density, color="0.4" if i == 0 else f"C{i - 1}", lw=1 if i == 0 else 2, label=name)
        if i == 0:
            axis.fill_between(grid, density, color="0.85")
    axis.set(title=title, xlabel="value", ylabel="density", xlim=np.clip((grid[0], grid[-1]), -8, 8), ylim=(0, None))
    axis.legend(fontsize="small")
    return save(figure, path)


def point_clouds(clouds: Mapping[str, np.ndarray], path: Path) -> Path:
    """Points `[n, 2]` side by side on the same axes, a panel a name."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(clouds), 4.0), layout="constrained")
    axes = np.ravel(figure.subplots(1, len(clouds), sharex=True, sharey=True))
    for axis, (name, points) in zip(axes, clouds.items(), strict=True):
        axis.scatter(*points.T, s=3, alpha=0.5)
        axis.set(title=name, xlabel="x₁", aspect="equal", xlim=(-3.5, 3.5), ylim=(-3.5, 3.5))
    axes[0].set_ylabel("x₂")
    return save(figure, path)


def _picture(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axis = figure.subplots()
    axis.set(xticks=[], yticks=[])
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    return figure, axis


def _tile(images: np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """`[n, h, w, c]` -> one image, row by row, with a white line between neighbours."""
    n, height, width, channels = images.shape
    rows = -(-n // columns)
    tiles = np.ones((rows * columns, height + gap, width + gap, channels), np.float32)
    tiles[:n, :height, :width] = np.clip(images, 0, 1)
    tiles = tiles.reshape(rows, columns, height + gap, width + gap, channels).swapaxes(1, 2)
    return tiles.reshape(rows * (height + gap), columns * (width + gap), channels)[:-gap, :-gap]


def _plain(image: np.ndarray) -> np.ndarray:
    """One channel as Matplotlib wants it: none."""
    return image[..., 0] if image.shape[-1] == 1 else image


def _show(axis: Any, image: np.ndarray) -> None:
    axis.imshow(_plain(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")


def save(figure: Any, path: Path) -> Path:
    """Write a Matplotlib figure as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    return path
