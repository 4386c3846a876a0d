"""Data sets by name: the digits, how a set is dealt into parts, and names that are not there."""

import sys

import numpy as np
import pytest

from vae_jax import data
from vae_jax.errors import InputError


def test_digits_are_scikit_learns(key):
    del key
    from sklearn.datasets import load_digits

    found = data.load("digits")
    x = np.concatenate([part.x for part in (found.train, found.validation, found.test)])
    assert x.shape == (1797, 8, 8, 1) and x.dtype == np.uint8 and found.classes == 10
    assert sorted(x.reshape(1797, -1).sum(1)) == sorted(np.round(load_digits().data * 255 / 16).sum(1))
    assert not {row.tobytes() for row in found.test.x} & {row.tobytes() for row in found.train.x}


def test_every_part_of_a_split_is_disjoint_and_the_same_each_time():
    x = np.arange(100, dtype=np.float32)[:, None] / 100
    parts = [data.split("x", data.checked(x, None, "x"), validation=0.1, test=0.2) for _ in range(2)]
    for found in parts:
        assert [len(part.x) for part in found[1:4]] == [70, 10, 20]
        assert len(np.unique(np.concatenate([part.x for part in found[1:4]]))) == 100
    np.testing.assert_array_equal(parts[0].test.x, parts[1].test.x)


def test_unknown_names_get_the_nearest():
    with pytest.raises(InputError, match="no data set 'mnits'; did you mean 'mnist'"):
        data.load("mnits")


def test_other_tfds_sets_say_what_they_need(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # as where it is not installed
    with pytest.raises(InputError, match=r"vae-jax\[tensorflow\]"):
        data.load("cifar10")
