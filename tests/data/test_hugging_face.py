"""Sets of Hugging Face datasets, made here and saved to a folder."""

import datasets
import numpy as np
import pytest
from PIL import Image

from vae_jax import data
from vae_jax.errors import InputError


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def saved(folder, parts, *, images: bool = True):
    """A set of grey squares, each of a brightness, labelled by it."""
    kind = {"kind": datasets.ClassLabel(names=["a", "b"])} | ({"picture": datasets.Image()} if images else {})

    def rows(n):
        columns = {"kind": [index % 2 for index in range(n)]}
        if images:
            columns["picture"] = [Image.new("L", (6 + index % 2, 6), 5 * index) for index in range(n)]
        return datasets.Dataset.from_dict(columns, features=datasets.Features(kind))

    datasets.DatasetDict({part: rows(n) for part, n in parts.items()}).save_to_disk(folder)
    return f"hf:{folder}"


def test_a_saved_set_keeps_its_parts_and_labels(tmp_path):
    name = saved(tmp_path / "set", {"train": 40, "test": 20})
    for _ in range(2):  # made, and kept
        found = data.load(name, size=4)
        assert found.train.x.shape == (39, 4, 4, 1) and found.test.x.shape == (20, 4, 4, 1) and found.classes == 2
        np.testing.assert_array_equal(found.test.x[:, 0, 0, 0], 5 * np.arange(20))
        np.testing.assert_array_equal(found.test.y, np.arange(20) % 2)


def test_what_is_no_image_set_is_refused(tmp_path):
    with pytest.raises(InputError, match="has the columns kind; expected one of images"):
        data.load(saved(tmp_path / "words", {"train": 10}, images=False))
    with pytest.raises(InputError, match="images of 2 sizes; expected one"):
        data.load(saved(tmp_path / "set", {"train": 10}))
    with pytest.raises(InputError, match="has the parts other; expected one named train"):
        data.load(saved(tmp_path / "other", {"other": 10}), size=4)
    with pytest.raises(InputError, match="cannot be loaded"):
        data.load(f"hf:{tmp_path / 'nowhere'}")


def test_every_part_is_looked_at_and_parts_may_lack_labels(tmp_path):
    kinds = datasets.Features({"kind": datasets.ClassLabel(names=["a", "b"]), "picture": datasets.Image()})

    def rows(size, kind):
        pictures = [Image.new("L", size, index) for index in range(20)]
        return datasets.Dataset.from_dict({"kind": [kind] * 20, "picture": pictures}, features=kinds)

    datasets.DatasetDict({"train": rows((4, 4), 1), "test": rows((1, 4), 1)}).save_to_disk(tmp_path / "sizes")
    with pytest.raises(InputError, match="images of 2 sizes"):  # and no row is stretched over the others
        data.load(f"hf:{tmp_path / 'sizes'}")
    datasets.DatasetDict({"train": rows((4, 4), 1), "test": rows((4, 4), -1)}).save_to_disk(tmp_path / "labels")
    found = data.load(f"hf:{tmp_path / 'labels'}")
    assert found.train.y.tolist() == [1] * 19 and found.test.y is None
