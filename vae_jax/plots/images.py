"""Pictures made of images: each function takes arrays, writes one file and returns its path.

Images are `[n, height, width, channels]`, pixels in [0, 1].
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jax.typing import ArrayLike

from vae_jax.plots.canvas import canvas, save


def samples(images: ArrayLike, path: Path, *, title: str = "samples of the prior, decoded") -> Path:
    """A square grid of images.

    Args:
      images: `[n, height, width, channels]`, in [0, 1].
      path: where to write the PNG.
      title: above the grid.
    """
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
    """Images row by row, with row names on the left and column names below.

    Args:
      images: `[n, height, width, channels]`, in [0, 1].
      columns: images in a row.
      path: where to write the PNG.
      title: above the grid.
      row_names: from the top.
      column_names: from the left.
    """
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
    """Rows of images with their names: originals, and what a model makes of them below.

    Args:
      rows: name -> `[n, height, width, channels]`, in [0, 1], the same n for all.
      path: where to write the PNG.
      title: above the rows.
    """
    stacked = [np.asarray(images) for images in rows.values()]
    return grid(np.concatenate(stacked), len(stacked[0]), path, title=title, row_names=list(rows))


def decoded_plane(images: ArrayLike, values: np.ndarray, path: Path) -> Path:
    """The plane of two latents, decoded.

    Args:
      images: `[side², height, width, channels]`, in [0, 1], row by row from the top left.
      values: `[side]`, the coordinates along both axes, in ascending order.
      path: where to write the PNG.
    """
    side = len(values)
    figure, axis = _picture(8, 8.2)
    tiled = _tile(np.asarray(images), side)
    _show(axis, tiled)
    step = (np.asarray(tiled.shape[:2]) + 1) / side
    shown = range(0, side, 2)
    axis.set_xticks([(i + 0.5) * step[1] for i in shown], [f"{values[i]:.1f}".replace("-", "−") for i in shown])
    axis.set_yticks([(side - i - 0.5) * step[0] for i in shown], [f"{values[i]:.1f}".replace("-", "−") for i in shown])
    axis.set(xlabel="z₁", ylabel="z₂", title="the latent plane, decoded")
    return save(figure, path)


def animation(frames: ArrayLike, path: Path, *, names: Sequence[str], captions: Sequence[str]) -> Path:
    """A GIF of several images side by side, `[frames, images, height, width, channels]`.

    Args:
      frames: in order, pixels in [0, 1]; shown forwards, then backwards.
      path: ends in `.gif`.
      names: one for each image.
      captions: one for each frame.
    """
    from matplotlib.animation import PillowWriter

    images = np.clip(np.asarray(frames), 0, 1)
    columns = min(images.shape[1], 5)
    height = -(-images.shape[1] // columns)
    figure = canvas(1.4 * columns, 1.7 * height + 0.4)
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


def _picture(width: float, height: float) -> tuple[Any, Any]:
    figure = canvas(width, height)
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
    """The image as Matplotlib needs it: the first three channels as RGB, or the first one without its axis."""
    return image[..., :3] if image.shape[-1] >= 3 else image[..., 0]


def _show(axis: Any, image: np.ndarray) -> None:
    axis.imshow(_plain(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
