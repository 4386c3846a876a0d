"""A moving picture: rows of models, a column for each latent, every latent swinging at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vae_jax.writing import atomic

CELL, GAP, MARGIN, LEFT = 96, 10, 16, 166  # pixels: of an image, between two, around all, for a row's words
BAR, CAPTION, TITLE = 6, 50, 44  # heights: of the bar under an image, of its words, of the title
CLEAR = 0.9  # share of a factor's variance from which a latent counts as that factor
INK, SOFT, PALE, ACCENT = "#1f2328", "#59636e", "#d8dee4", "#0b7a53"
MILLISECONDS = 80  # for each frame
LARGEST = 16_383  # pixels of a WebP


class LatentCell(NamedTuple):
    """One latent.

    Attributes:
      images: decoded as it swings, `[frames, height, width, channels]`, pixels in [0, 1].
      name: what it does, in a word or two.
      share: the length of the bar below the image, from 0 to 1.
      note: what the bar means, as in `R² 0.97`.
    """

    images: np.ndarray
    name: str
    share: float
    note: str


class ModelRow(NamedTuple):
    """One model.

    Attributes:
      title: in large type on the left.
      lines: in small type below it.
      cells: one for each latent.
    """

    title: str
    lines: Sequence[str]
    cells: Sequence[LatentCell]


def swing(frames: int, reach: float) -> np.ndarray:
    """Values of a latent from 0 up to `reach`, down to −`reach` and back, `[frames]`; the last leads into the first."""
    return (reach * np.sin(2 * np.pi * np.arange(frames) / frames)).astype(np.float32)


def moving_rows(rows: Sequence[ModelRow], path: Path, *, title: str) -> Path:
    """An animated WebP of the rows, and beside it a PNG of the moment when all latents are at their largest.

    Args:
      rows: all with the same number of frames.
      path: ends in `.webp`; the still has the same name with `.png`.
      title: above the rows.

    Raises:
      ValueError: no rows, rows without cells or with unequal frames, more than fit into a WebP, or another suffix.
    """
    counts = {len(cell.images) for row in rows for cell in row.cells}
    if path.suffix != ".webp" or len(counts) != 1 or not all(row.cells for row in rows):
        raise ValueError(f"expected a name in .webp, and rows of cells with as many frames; got {path} and {counts}.")
    if max(_corner(len(rows), max(len(row.cells) for row in rows))) >= LARGEST:
        raise ValueError(f"expected fewer models and latents: a WebP has at most {LARGEST} pixels a side.")
    page = _page(rows, title)
    frames = []
    for t in range(len(rows[0].cells[0].images)):
        frame = page.copy()
        for r, row in enumerate(rows):
            for c, cell in enumerate(row.cells):
                frame.paste(_image(cell.images[t]), _corner(r, c))
        frames.append(frame)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path.with_suffix(".png")) as aside:
        frames[len(frames) // 4].save(aside, "PNG", optimize=True)
    first, *rest = frames
    how: dict[str, Any] = {"save_all": True, "append_images": rest, "duration": MILLISECONDS, "loop": 0}
    with atomic(path) as aside:
        first.save(aside, "WEBP", quality=82, method=6, **how)
    return path


def _corner(row: int, column: int) -> tuple[int, int]:
    """The left and top of an image, in pixels."""
    return LEFT + column * (CELL + GAP), TITLE + MARGIN + row * (CELL + BAR + CAPTION + GAP)


def _page(rows: Sequence[ModelRow], title: str) -> Any:
    """Everything that does not move."""
    from PIL import Image, ImageDraw

    right, bottom = _corner(len(rows), max(len(row.cells) for row in rows))
    page = Image.new("RGB", (right - GAP + MARGIN, bottom - GAP + MARGIN // 2), "white")
    pen = ImageDraw.Draw(page)
    pen.text((MARGIN, MARGIN), title, INK, _font(22, bold=True))
    for r, row in enumerate(rows):
        top = _corner(r, 0)[1]
        pen.text((MARGIN, top + 2), row.title, INK, _font(30, bold=True))
        for i, line in enumerate(row.lines):
            pen.text((MARGIN, top + 46 + 22 * i), line, SOFT, _font(15))
        for c, cell in enumerate(row.cells):
            left, clear = _corner(r, c)[0], cell.share >= CLEAR
            below = top + CELL + BAR // 2
            pen.rectangle((left, below, left + CELL - 1, below + BAR - 1), PALE)
            if cell.share > 0:
                full = left + max(1, round(CELL * min(cell.share, 1.0))) - 1
                pen.rectangle((left, below, full, below + BAR - 1), ACCENT if clear else SOFT)
            middle = left + CELL // 2
            pen.text(
                (middle, below + BAR + 5), cell.name, ACCENT if clear else SOFT, _font(16, bold=clear), anchor="ma"
            )
            pen.text((middle, below + BAR + 26), cell.note, SOFT, _font(14), anchor="ma")
    return page


def _image(image: np.ndarray) -> Any:
    """An image of the size of a cell."""
    from PIL import Image

    grey = image.shape[-1] < 3
    pixels = (255 * np.clip(image[..., 0] if grey else image[..., :3], 0, 1)).round().astype(np.uint8)
    return Image.fromarray(pixels).convert("RGB").resize((CELL, CELL), Image.Resampling.BICUBIC)


def _font(size: int, *, bold: bool = False) -> Any:
    """The typeface that comes with Matplotlib."""
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)
