"""Parts of a TFDS data set as arrays: stacked once into kept arrays, resized as they are read."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax.data.cache.arrays import atomic_array
from vae_jax.data.cache.kept import kept_arrays
from vae_jax.data.dataset import Examples, Factors, checked, known_labels
from vae_jax.data.sources.pictures import as_array
from vae_jax.errors import InputError, first_line
from vae_jax.progress import bar

READER = 1  # version of the kept arrays; raise it when they are made differently
# Sets whose images are all combinations of known factors: the factors, and which of them is the label.
FACTORS = {
    "dsprites": (("shape", "scale", "orientation", "x_position", "y_position"), "shape"),
    "shapes3d": (("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"), "shape"),
    "smallnorb": (("category", "elevation", "azimuth", "lighting"), "category"),  # 10 toys in every category
}
ASIDE = {"dsprites": ("shape",)}  # what the published MIG of Chen et al. leaves out


def splits_of(builder: Any) -> list[str]:
    """The parts of a prepared set; `train` alone if it does not name any."""
    return list(builder.info.splits) or ["train"]


def fields_of(builder: Any) -> dict[str, str]:
    """What is stacked -> the feature that holds it: images, labels, factors.

    Raises:
      InputError: no images.
    """
    import tensorflow_datasets as tfds

    features = builder.info.features
    named = dict(features.items()) if hasattr(features, "items") else {}
    images = [name for name, kind in named.items() if isinstance(kind, tfds.features.Image)]
    if not images:
        raise InputError(f"data set {builder.name!r} has no feature of images; expected an image data set.")
    labels = [name for name, kind in named.items() if isinstance(kind, tfds.features.ClassLabel)]
    fields = {"image": "image" if "image" in images else images[0]}
    factors, _ = FACTORS.get(builder.name, ((), ""))
    if labels and not factors:
        fields["label"] = "label" if "label" in labels else labels[0]
    return fields | {f"label_{name}": f"label_{name}" for name in factors}


def known_factors(builder: Any, arrays: Mapping[str, np.ndarray], parts: list[Examples]) -> Factors:
    """The grid of factors that the parts of a data set form together.

    Args:
      builder: the TFDS builder of a set in `FACTORS`, prepared.
      arrays: all its arrays, as from `stacked`.
      parts: its parts, in the order of `builder.info.splits`.

    Raises:
      InputError: some combination of factors has fewer images than another.
    """
    names, _ = FACTORS[builder.name]
    sizes = tuple(builder.info.features[f"label_{name}"].num_classes for name in names)
    columns = [np.concatenate([arrays[f"{part}-label_{name}"] for part in builder.info.splits]) for name in names]
    place = np.ravel_multi_index(tuple(columns), sizes)
    counts = np.bincount(place, minlength=int(np.prod(sizes)))
    if counts.min() != counts.max():
        raise InputError(
            f"{builder.name} lacks combinations of its factors: {counts.min()} to {counts.max()} images of each; "
            "expected equally many. Prepare the whole set."
        )
    order = np.argsort(place, kind="stable")
    offsets = np.cumsum([0, *(len(part.x) for part in parts)])

    def images(start: int, stop: int) -> np.ndarray:
        chosen = order[start:stop]
        pixels = np.empty((len(chosen), *parts[0].x.shape[1:]), parts[0].x.dtype)
        for part, first, end in zip(parts, offsets, offsets[1:], strict=False):
            inside = (first <= chosen) & (chosen < end)
            pixels[inside] = part.x[chosen[inside] - first]
        return pixels

    return Factors(names, sizes, images, copies=int(counts.min()), aside=ASIDE.get(builder.name, ()))


def stacked(builder: Any, size: int | None) -> dict[str, np.ndarray]:
    """All arrays of a data set, `PART-FIELD` -> memory-mapped, with the fields of `fields_of`; stacked once.

    Args:
      builder: the TFDS builder, prepared.
      size: side length in pixels of the stacked images; None for their own.

    Raises:
      InputError: no images, images of several sizes without `size`, images that cannot be resized, or damaged records.
    """
    fields = fields_of(builder)
    counts = {name: info.num_examples for name, info in builder.info.splits.items()}
    of = (READER, builder.info.full_name, str(builder.data_dir), sorted(counts.items()), sorted(fields.items()), size)

    def make(folder: Path) -> dict[str, Any]:
        rows: dict[str, int] = {}
        for part in splits_of(builder):
            rows |= _stack(builder, part, fields, size, folder)
        return {"of": builder.info.full_name, "rows": rows}

    return kept_arrays(of, make)[0]


def _stack(builder: Any, part: str, fields: Mapping[str, str], size: int | None, folder: Path) -> dict[str, int]:
    """Write the arrays of one part; name -> how many rows each has."""
    source = _records(builder, part)
    with ExitStack() as stack:
        arrays: dict[str, np.ndarray] = {}
        words = bar(source, desc=f"reading {builder.name} {part}", unit="image", leave=False)
        for i, record in enumerate(_readable(words, builder, part)):
            for field, name in fields.items():
                value = np.asarray(record[name])
                if field == "image":
                    value = _sized(value, size, builder.name)
                if field not in arrays:
                    path = folder / f"{part}-{field}.npy"
                    arrays[field] = stack.enter_context(atomic_array(path, (len(source), *value.shape), value.dtype))
                if value.shape != arrays[field].shape[1:]:
                    raise InputError(f"{builder.name} holds images of several sizes; expected one. Pass `size=64`.")
                arrays[field][i] = value
        if not arrays:
            raise InputError(f"the part {part} of {builder.name} is empty; expected images.")
        x = arrays["image"]
        if x.dtype == np.uint8 and x.max() == 1:  # binary images stored as 0 and 1
            np.multiply(x, np.uint8(255), out=x)
        return {f"{part}-{field}": len(source) for field in arrays}


def _readable(records: Any, builder: Any, part: str) -> Iterator[Any]:
    """The records, one after another.

    Raises:
      InputError: one cannot be read.
    """
    each = iter(records)
    while True:
        try:
            record = next(each, None)
        except Exception as error:  # of array_record's, TensorFlow's and Pillow's own types
            raise InputError(
                f"a record of the part {part} of {builder.name} cannot be read ({first_line(error)}); delete "
                f"{builder.data_dir} to prepare it again."
            ) from error
        if record is None:
            return
        yield record


def _records(builder: Any, part: str) -> Any:
    """The records of a part, in order, with their number: with TensorFlow where the files are its own."""
    import tensorflow_datasets as tfds

    if builder.info.file_format is tfds.core.FileFormat.ARRAY_RECORD:
        return builder.as_data_source(split=part)
    config = tfds.ReadConfig(interleave_cycle_length=1)  # the order of the files
    return tfds.as_numpy(builder.as_dataset(split=part, shuffle_files=False, read_config=config))


def _sized(image: np.ndarray, size: int | None, name: str) -> np.ndarray:
    """An image as it is stacked: `[height, width, channels]`, with the upper 8 of 16 bits."""
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if size is None:
        return image
    if image.ndim != 3 or image.dtype != np.uint8 or image.shape[-1] not in (1, 3, 4):
        raise InputError(
            f"`size={size}`: {name} holds images {list(image.shape)} of {image.dtype}, which are not resized."
        )
    from PIL import Image

    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    return as_array(picture, size=size, channels=1 if image.shape[-1] == 1 else 3)


def read(builder: Any, part: str, arrays: Mapping[str, np.ndarray]) -> Examples:
    """One part of the set.

    Args:
      builder: the TFDS builder, prepared.
      part: its name.
      arrays: as from `stacked`.
    """
    _, label = FACTORS.get(builder.name, ((), ""))
    y = arrays.get(f"{part}-label", arrays.get(f"{part}-label_{label}"))
    return checked(arrays[f"{part}-image"], known_labels(y), builder.name)
