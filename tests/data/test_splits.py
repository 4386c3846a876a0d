"""How examples of the user's own are held out: by class, by a column, by files, or at random as before."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from vae_jax import data
from vae_jax.errors import InputError


def table(path, kinds, **more):
    frame = pd.DataFrame(
        {"who": [f"p{i}" for i in range(len(kinds))], "a": np.arange(len(kinds)), "kind": kinds, **more}
    )
    frame.to_csv(path, index=False)
    return frame


HOW = {"id": "who", "label": "kind"}


@pytest.mark.parametrize("n", [30, 200, 1003])
def test_each_class_has_its_share_of_every_part(n, tmp_path):
    kinds = np.sort(np.random.RandomState(n).choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]))
    table(tmp_path / "x.csv", kinds)
    found = data.load(tmp_path / "x.csv", **HOW)
    for part, share in zip(found[1:4], (0.8, 0.1, 0.1), strict=True):
        expected = share * np.bincount(np.unique(kinds, return_inverse=True)[1])
        assert np.abs(np.bincount(part.y, minlength=3) - expected).max() <= 1.01
    assert sorted(np.concatenate(found.ids)) == sorted(f"p{i}" for i in range(n))
    for part, ids in zip(found[1:4], found.ids, strict=True):  # ids go with their rows
        assert [f"p{int(row)}" for row in part.x[:, 0]] == ids.tolist()
    assert len(set(found.test.y[:3].tolist())) > 1  # the first examples are of several classes


def test_runs_of_before_keep_their_split(tmp_path):
    """The rule of 0.2, written out."""
    np.savez(tmp_path / "x.npz", x=np.arange(100)[:, None] / 100, y=np.arange(100) // 50)
    order, old = np.random.RandomState(0).permutation(100), data.load(tmp_path / "x.npz", split="random")
    np.testing.assert_array_equal(old.ids[0], np.sort(order[20:]))
    np.testing.assert_array_equal(old.ids[1], np.sort(order[:10]))
    np.testing.assert_array_equal(old.ids[2], np.sort(order[10:20]))


def test_a_column_called_split_says_the_part(tmp_path):
    parts = np.array(["train"] * 30 + ["Val"] * 5 + ["test"] * 5)
    table(tmp_path / "x.csv", ["a", "b"] * 20, split=parts)
    found = data.load(tmp_path / "x.csv", **HOW)
    assert found.ids is not None and [len(ids) for ids in found.ids] == [30, 5, 5]
    assert found.feature_names == ("a",)
    assert set(found.ids[2]) == {f"p{i}" for i in range(35, 40)}
    with pytest.raises(InputError, match="has a part for that"):
        data.load(tmp_path / "x.csv", **HOW, test=0.2)


def test_shares_and_files_are_held_out(tmp_path):
    table(tmp_path / "x.csv", ["a", "b"] * 50)
    table(tmp_path / "more.csv", ["b"] * 8)[["kind", "a", "who"]].to_csv(tmp_path / "more.csv", index=False)
    found = data.load(tmp_path / "x.csv", **HOW, validation=0.3, test=str(tmp_path / "more.csv"))
    assert [len(part.x) for part in found[1:4]] == [70, 30, 8] and set(found.test.y) == {1}
    table(tmp_path / "other.csv", ["z"] * 8)
    with pytest.raises(InputError, match="has the class 'z'"):
        data.load(tmp_path / "x.csv", **HOW, test=str(tmp_path / "other.csv"))
    with pytest.raises(InputError, match="too few to train"):
        data.load(tmp_path / "x.csv", **HOW, validation=0.5, test=0.5)


def test_the_first_images_of_a_labelled_folder_are_of_many_classes(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for label, name in enumerate(("cat", "dog", "owl")):
        for part, count in (("train", 20), ("test", 6)):
            (tmp_path / "own" / part / name).mkdir(parents=True)
            for index in range(count):
                Image.new("L", (4, 4), 50 * label + index).save(tmp_path / "own" / part / name / f"{index:02}.png")
    found = data.load(tmp_path / "own")
    assert found.test.y[:3].tolist() == [0, 1, 2] and found.ids[2][:2].tolist() == [
        "test/cat/00.png",
        "test/dog/00.png",
    ]
    assert len(found.train.x) == 54 and len(set(found.validation.y.tolist())) == 3
