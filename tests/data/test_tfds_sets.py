"""The image sets of TFDS under mock data, with the real TensorFlow; an extra, so a job of its own."""

import numpy as np
import pytest

from vae_jax import data
from vae_jax.data.sources import tfds as tfds_sets
from vae_jax.errors import InputError

pytestmark = pytest.mark.slow
tensorflow = pytest.importorskip("tensorflow", reason="needs the [tensorflow] extra")
import tensorflow_datasets as tfds  # noqa: E402

# Twelve sets, with the size to read them at, the shape of an image, and whether they have labels.
SETS = {
    "cifar10": (None, (32, 32, 3), True),
    "cifar100": (None, (32, 32, 3), True),
    "emnist/letters": (None, (28, 28, 1), True),
    "kmnist": (None, (28, 28, 1), True),
    "svhn_cropped": (None, (32, 32, 3), True),
    "omniglot": (28, (28, 28, 3), True),
    "celeb_a": (64, (64, 64, 3), False),
    "lsun/classroom": (32, (32, 32, 3), False),
    "imagenet_resized/64x64": (None, (64, 64, 3), True),
    "oxford_flowers102": (64, (64, 64, 3), True),
    "stl10": (48, (48, 48, 3), True),
    "eurosat/rgb": (None, (64, 64, 3), True),
}


@pytest.fixture(autouse=True)
def _folder(monkeypatch):
    monkeypatch.setattr(tfds_sets, "_expect_network", lambda *_: None)  # mock data come from nowhere


@pytest.mark.parametrize("name", SETS)
def test_a_set_loads_or_says_why_not(name, tmp_path):
    size, shape, labels = SETS[name]
    with tfds.testing.mock_data(num_examples=30, data_dir=str(tmp_path)):  # else it is in the package's own folder
        try:
            found = data.load(name, size=size)
        except InputError as error:
            pytest.fail(str(error))
    assert found.train.x.shape[1:] == shape and found.train.x.dtype == np.uint8
    assert (found.train.y is not None) == labels
    assert sum(len(part.x) for part in found[1:4]) == 30


def test_sets_of_text_and_unknown_configurations_say_why_not(tmp_path):
    with tfds.testing.mock_data(num_examples=3, data_dir=str(tmp_path)):
        with pytest.raises(InputError, match="has no feature of images"):
            data.load("imdb_reviews")
        with pytest.raises(InputError, match="TFDS has no emnist/leters"):
            data.load("emnist/leters")


class Squares(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Squares of several sizes, with labels under another name."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "picture": tfds.features.Image(shape=(None, None, 3)),
            "kind": tfds.features.ClassLabel(num_classes=3),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(30), "test": self._generate_examples(12)}

    def _generate_examples(self, n):
        for index in range(n):
            side = 8 + 2 * (index % 3)
            yield index, {"picture": np.full((side, side + 2, 3), 7 * index, np.uint8), "kind": index % 3}


@pytest.mark.parametrize("form", ["tfrecord", "array_record"])
def test_what_is_prepared_in_either_format_is_read_where_it_is(form, tmp_path):
    Squares(data_dir=tmp_path, file_format=form).download_and_prepare()

    def make():
        return Squares(data_dir=tmp_path)

    if form == "array_record":

        def make():
            return Squares(data_dir=tmp_path, file_format=form)

    with pytest.raises(InputError, match=r"several sizes; expected one\. Pass `size"):
        tfds_sets.load_builder(make, None)
    found = tfds_sets.load_builder(make, None, size=4)
    assert found.train.x.shape == (29, 4, 4, 3) and len(found.test.x) == 12 and found.classes == 3
    values = np.concatenate([found.train.x, found.validation.x])[:, 0, 0, 0] // 7
    assert sorted(values) == list(range(30))
    np.testing.assert_array_equal(values % 3, np.concatenate([found.train.y, found.validation.y]))
