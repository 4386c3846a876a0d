"""Data sets of known factors: the sets of TFDS, on small ones made here with the same features."""

from functools import partial

import numpy as np
import pytest

from vae_jax.data.sources import sprites
from vae_jax.data.sources import tfds as tfds_sets
from vae_jax.errors import InputError

FACTOR_SETS = {"dsprites": (1, {"train": 1}), "shapes3d": (1, {"train": 1}), "smallnorb": (2, {"train": 1, "test": 1})}


def small_factor_set(name: str, *, lacking: bool = False):
    """A builder with the stock one's features and splits but few values of a factor; pixels say which image it is."""
    import tensorflow_datasets as tfds

    names, _ = tfds_sets.FACTORS[name]
    copies, splits = FACTOR_SETS[name]
    stock = tfds.builder_cls(name)(file_format="array_record").info.features
    shape = (4, 4, stock["image"].shape[-1])
    sizes = (3, 2, 2, 3, 2, 2)[: len(names)]
    combinations = [*np.ndindex(*sizes)]
    if lacking:
        combinations.pop()

    class Small(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("9.0.0")

        def _info(self):
            labels = {f"label_{factor}": size for factor, size in zip(names, sizes, strict=True)}
            assert {*labels, "image"} <= set(stock)
            features = {"image": tfds.features.Image(shape=shape, dtype=np.uint8)}
            features |= {label: tfds.features.ClassLabel(num_classes=size) for label, size in labels.items()}
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            del dl_manager
            return {split: self._generate_examples(i) for i, split in enumerate(splits)}

        def _generate_examples(self, copy):
            from PIL import Image

            for i in np.random.RandomState(copy).permutation(len(combinations)):
                pixels = np.full(shape, i, np.uint8)
                image = Image.fromarray(pixels[..., 0] if shape[-1] == 1 else pixels)
                values = zip(names, map(int, combinations[i]), strict=True)
                yield int(i), {"image": image, **{f"label_{factor}": value for factor, value in values}}

    Small.name = name
    return Small, sizes, copies


@pytest.mark.parametrize("name", FACTOR_SETS)
def test_sets_of_known_factors_come_in_the_order_of_their_grid(name, tmp_path, monkeypatch):
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(tmp_path))
    builder, sizes, copies = small_factor_set(name)
    for _ in range(2):  # the second time from the .npy files
        found = tfds_sets.load_builder(partial(builder, file_format="array_record"), None)
        factors = found.factors
        assert (factors.sizes, factors.copies) == (sizes, copies) and factors.total == np.prod(sizes) * copies
        images = np.asarray(factors.images(0, factors.total))
        assert images.shape[1:] == found.train.x.shape[1:]
        np.testing.assert_array_equal(images[:, 0, 0, 0], np.repeat(np.arange(np.prod(sizes)), copies))
        np.testing.assert_array_equal(factors.images(3, 7), images[3:7])
    _, label = tfds_sets.FACTORS[name]
    place = factors.names.index(label)
    expected = [np.unravel_index(image[0, 0, 0], sizes)[place] for image in found.train.x]
    np.testing.assert_array_equal(found.train.y, expected)
    assert found.classes == sizes[place]


def test_a_grid_with_holes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(tmp_path))
    builder, _, _ = small_factor_set("dsprites", lacking=True)
    with pytest.raises(InputError, match="dsprites lacks combinations of its factors: 0 to 1 images of each"):
        tfds_sets.load_builder(partial(builder, file_format="array_record"), None)


def test_sprites_are_a_grid_of_factors():
    factors = sprites.grid(32)
    assert factors.total == 737_280 and factors.names == ("shape", "scale", "orientation", "x", "y")
    some = np.random.RandomState(0).randint(0, factors.total, 3)
    for index in some:
        (image,) = factors.images(index, index + 1)
        np.testing.assert_array_equal(image, sprites.render(sprites.factors_of(index), size=32))
