"""One image file as pixels: any format that Pillow reads, as 8-bit grey or RGB."""

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")  # Pillow's modes without colour
DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")  # more than 8 bits; 16-bit PNG and TIFF are read as these
# Formats that Pillow itself reads; EPS, for one, is handed to another program.
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP", "PCX", "ICO", "AVIF")
LARGEST = 100_000_000  # pixels of an image; a small file may claim any number
CLEAR = ("LA", "La", "RGBA", "RGBa", "PA")


class Shape(NamedTuple):
    """What the header of an image says.

    Attributes:
      height: in pixels, after the rotation that EXIF asks for.
      width: likewise.
      grey: whether it has no colour.
      top: the largest grey level that it may hold; of a format with more than 8 bits, the largest that it does.
    """

    height: int
    width: int
    grey: bool
    top: int = 255


def shape_of(path: Path) -> Shape:
    """What the header of an image file says.

    Raises:
      Exception: the file is not an image; the type varies.
    """
    from PIL import ImageOps

    with opened(path) as image:
        grey = image.mode in GREY or (image.mode == "P" and _grey_palette(image))
        if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):  # a quarter turn, already done for some formats
            image.load()
            image = ImageOps.exif_transpose(image)
        return Shape(image.height, image.width, grey, top_of(image))


def top_of(image: Any) -> int:
    """The largest grey level of a Pillow image; 255 for one of 8 bits, which is not decoded."""
    return int(np.asarray(image).max(initial=0)) if image.mode in DEEP else 255


def _grey_palette(image: Any) -> bool:
    colors = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return bool((colors == colors[:, :1]).all())


def pixels(path: Path, *, size: int | None, channels: int, top: int = 2**16 - 1) -> np.ndarray:
    """An image file as `[height, width, channels]` uint8, cropped to its central square and resized to `size`.

    Args:
      path: the file.
      size: side length in pixels; None to leave the image as large as it is, without cropping.
      channels: 1 for grey, 3 for RGB.
      top: as of `as_array`.

    Raises:
      Exception: the file is not an image, or is truncated.
    """
    from PIL import ImageOps

    with opened(path) as image:
        image.load()
        return as_array(ImageOps.exif_transpose(image), size=size, channels=channels, top=top)


def as_array(image: Any, *, size: int | None, channels: int, top: int = 2**16 - 1) -> np.ndarray:
    """A Pillow image as `[height, width, channels]` uint8; see `pixels`.

    16 bits become 8 by dropping the lower byte, unless no image of the set uses the upper one. Transparent parts become
    white, and colour becomes grey by the luma of ITU-R 601.

    Args:
      image: the image.
      size: side length in pixels; None to leave the image as large as it is, without cropping.
      channels: 1 for grey, 3 for RGB.
      top: the largest grey level of all images of the set that have more than 8 bits.

    Raises:
      ValueError: grey levels that have more than 16 bits or are not whole numbers.
    """
    from PIL import Image

    if image.mode in DEEP:
        values = np.asarray(image).astype(np.int64)
        if values.min(initial=0) < 0 or values.max(initial=0) > 0xFFFF:
            raise ValueError("grey levels of more than 16 bits")
        image = Image.fromarray((values >> 8 if top > 255 else values).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("grey levels that are not whole numbers")
    if image.mode in CLEAR or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L" if channels == 1 else "RGB")
    if size is not None:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        image = image.resize((size, size), Image.Resampling.BOX if size < side else Image.Resampling.BICUBIC, box)
    return np.asarray(image).reshape(image.height, image.width, channels)


def opened(path: Path) -> Any:
    """The file as a Pillow image, of which only the header is read.

    Raises:
      Exception: the file is not an image, or claims a size that would fill the memory.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd metadata
        image = Image.open(path, formats=FORMATS)
    if image.width * image.height > LARGEST:
        image.close()
        raise ValueError(f"{image.width:,}×{image.height:,} pixels, over {LARGEST:,}")
    return image


def suffixes() -> set[str]:
    """The suffixes of files that are read, such as `.png`."""
    from PIL import Image

    return {suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS}
