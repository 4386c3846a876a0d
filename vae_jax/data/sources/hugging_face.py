"""Image sets of Hugging Face `datasets`, by name or from a folder on this machine; the `[huggingface]` extra."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax.data.cache.arrays import atomic_array
from vae_jax.data.cache.kept import kept_arrays, write_array
from vae_jax.data.dataset import Dataset, checked, dealt, known_labels
from vae_jax.data.sources.pictures import GREY, as_array, top_of
from vae_jax.errors import InputError, first_line
from vae_jax.progress import bar

READER = 2  # version of the kept arrays; raise it when they are made differently
SAVED = ("dataset_dict.json", "dataset_info.json", "state.json")  # files that `save_to_disk` writes
PARTS = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation", "test": "test"}


def load_named(name: str, *, size: int | None = None) -> Dataset:
    """An image set from the Hub, from its cache, or from a folder that `save_to_disk` wrote or that holds its files.

    Images are the first column of that type, labels the first `ClassLabel`. Colours and `size` are handled as for a
    folder of images. Missing parts are taken from the training part.

    Args:
      name: as in `mnist` or `user/photos`, with a configuration as in `user/photos:small`; or a folder.
      size: side length in pixels; None for images that all have one shape, which are not cropped.

    Raises:
      InputError: `datasets` is not installed, the set cannot be loaded, or there are no images in it.
    """
    try:
        import datasets
    except ImportError:
        raise InputError(f"hf:{name} is read with datasets; pip install 'vae-jax[huggingface]'.") from None
    folder, (path, _, config) = Path(name), name.partition(":")
    try:
        if any((folder / file).is_file() for file in SAVED):
            found = datasets.load_from_disk(name)
        else:
            found = datasets.load_dataset(name if folder.is_dir() else path, config or None)
    except Exception as error:  # of many types: no network, no such set, no such configuration, damaged files
        raise InputError(
            f"hf:{name} cannot be loaded ({first_line(error)}); expected hf:NAME, or hf:FOLDER."
        ) from error
    whole: Any = found if isinstance(found, dict) else {"train": found}
    parts = {PARTS[part]: data for part, data in whole.items() if part in PARTS}
    if "train" not in parts:
        raise InputError(f"hf:{name} has the parts {', '.join(whole)}; expected one named train.")
    features = parts["train"].features
    images = next((column for column, kind in features.items() if isinstance(kind, datasets.Image)), None)
    if images is None:
        raise InputError(f"hf:{name} has the columns {', '.join(features)}; expected one of images.")
    labels = next((column for column, kind in features.items() if isinstance(kind, datasets.ClassLabel)), None)
    of = (READER, {part: data._fingerprint for part, data in parts.items()}, size)
    arrays, _ = kept_arrays(of, partial(_make, parts, images, labels, size, f"hf:{name}"))
    examples = {
        part: checked(arrays[f"{part}-x"], known_labels(arrays.get(f"{part}-y")), f"hf:{name}") for part in parts
    }
    names = () if labels is None else tuple(features[labels].names)
    return dealt(f"hf:{name}", examples)._replace(class_names=names)


def _make(parts: dict[str, Any], images: str, labels: str | None, size: int | None, name: str, kept: Path) -> dict:
    """Read every image and write the arrays, in two passes: the first finds the shape that the second needs."""
    each = (image for data in parts.values() for image in _each(data, images, f"looking at {name}"))
    seen = {(image.size, image.mode, top_of(image)) for image in each}
    channels = 1 if {mode for _, mode, _ in seen} <= {*GREY} else 3
    sizes, top = {wide_high for wide_high, _, _ in seen}, max(top for _, _, top in seen)
    if size is None and len(sizes) > 1:
        raise InputError(f"{name} holds images of {len(sizes)} sizes; expected one. Pass `size=64` to crop and resize.")
    wide, high = sizes.pop()
    rows = {}
    for part, data in parts.items():
        shape = (len(data), *((size, size) if size else (high, wide)), channels)
        with atomic_array(kept / f"{part}-x.npy", shape, np.uint8) as array:
            for index, image in enumerate(_each(data, images, f"reading {name} {part}")):
                array[index] = as_array(image, size=size, channels=channels, top=top)
        rows[f"{part}-x"] = len(data)
        if labels is not None:
            write_array(kept / f"{part}-y.npy", np.asarray(data[labels], np.int32))
            rows[f"{part}-y"] = len(data)
    return {"of": name, "rows": rows}


def _each(data: Any, column: str, doing: str) -> Any:
    chosen = data.select_columns([column])
    for index in bar(range(len(data)), desc=doing, unit="image", leave=False):
        try:
            image = chosen[index][column]
        except Exception as error:  # Pillow's own types, Arrow's, and those of files that are gone
            raise InputError(f"{doing}: row {index} cannot be read ({first_line(error)}); filter it out.") from error
        if image is None:
            raise InputError(f"{doing}: row {index} has no image; filter such rows out.")
        yield image
