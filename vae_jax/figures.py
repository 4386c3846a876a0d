"""Pictures: each function takes arrays, writes one PNG and returns its path.

Images are `[n, height, width, channels]`, pixels in [0, 1].
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def samples(images: np.ndarray, path: Path, *, title: str = "samples of the prior, decoded") -> Path:
    """A square grid of images."""
    columns = int(np.ceil(np.sqrt(len(images))))
    figure, axis = _axes(6, 6.3)
    _show(axis, _tile(images, columns))
    axis.set_title(title)
    return _save(figure, path)


def reconstructions(originals: np.ndarray, decoded: np.ndarray, path: Path, *, title: str = "reconstructions") -> Path:
    """Originals in the upper row, what the model makes of each below it."""
    figure, axis = _axes(len(originals) + 1.6, 2.7)
    _show(axis, _tile(np.concatenate([originals, decoded]), len(originals)))
    height = axis.get_images()[0].get_array().shape[0]
    axis.set_yticks([height * 0.25, height * 0.75], ["original", "decoded"])
    axis.tick_params(length=0)
    axis.set_title(title)
    return _save(figure, path)


def loss_curves(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Negative ELBO, distortion and rate by epoch, on training and validation data; rows as in `metrics.jsonl`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    epochs = [row["epoch"] for row in rows]
    names = {
        "negative_elbo": "negative ELBO",
        "distortion": "distortion, −log p(x|z)",
        "rate": "rate, KL(q(z|x) ‖ p(z))",
    }
    for axis, (name, label) in zip(np.ravel(figure.subplots(1, 3)), names.items(), strict=True):
        for part, style in (("train", "-"), ("validation", "--")):
            axis.plot(epochs, [row[part][name] for row in rows], style, label=part)
        axis.set(title=label, xlabel="epoch", ylabel="nats per image")
        axis.grid(alpha=0.3)
        axis.legend()
    return _save(figure, path)


def _axes(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axis = figure.subplots()
    axis.set(xticks=[], yticks=[])
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


def _show(axis: Any, image: np.ndarray) -> None:
    axis.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")


def _save(figure: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    return path
