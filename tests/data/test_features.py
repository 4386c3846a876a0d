"""Rows of features: any finite numbers, standardised and back; counts as they are."""

import numpy as np
import pytest

from vae_jax import data
from vae_jax.data.description import bounds
from vae_jax.data.features import as_counts, standardised
from vae_jax.errors import InputError

ROWS = np.random.RandomState(0).randn(50, 4) * [1.0, 10.0, 1e-3, 0.0] + [0.0, 5.0, 100.0, 7.0]


def dataset(x: np.ndarray, *, as_given: bool = False) -> data.Dataset:
    return data.split("rows", data.checked(x, None, "rows", as_given=as_given), validation=0.1, test=0.2)


def test_the_training_part_has_mean_0_and_variance_1():
    found = standardised(dataset(ROWS))
    np.testing.assert_allclose(found.train.x.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(found.train.x.std(0), [1, 1, 1, 0], atol=1e-3)
    assert found.units is not None
    np.testing.assert_allclose(found.units.of_data(found.test.x), dataset(ROWS).test.x, rtol=1e-5)
    np.testing.assert_array_equal(found.units.of_model(dataset(ROWS).test.x), found.test.x)


def test_images_are_not_standardised():
    images = data.split("images", data.checked(np.zeros((20, 4, 4)), None, "images"), validation=0.1, test=0.2)
    with pytest.raises(InputError, match="`standardise` is for rows of features"):
        standardised(images)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16, np.float64])
def test_counts_are_not_grey_levels(dtype):
    x = np.arange(200).reshape(50, 4).astype(dtype)
    found = as_counts(dataset(x))
    assert found.train.x.dtype == np.float32
    assert sorted(np.concatenate([part.x for part in found[1:4]]).ravel()) == sorted(x.ravel())


@pytest.mark.parametrize("wrong", [0.5, -1.0, 2.0**25])
def test_what_is_no_count_is_refused(wrong):
    x = np.ones((50, 4))
    x[7, 2] = wrong
    with pytest.raises(InputError, match="not all of it counts; expected whole numbers"):
        as_counts(dataset(x))


def test_bounds_are_those_of_all_parts():
    x = np.linspace(-3, 8, 200).reshape(50, 4)
    assert bounds(dataset(x)) == (-3.0, 8.0)
    assert bounds(dataset(np.full((50, 4), 200, np.uint8))) == (0.0, 1.0)


def test_features_may_be_any_finite_numbers_and_images_any_number_of_channels():
    assert data.checked(ROWS, None, "x").x.dtype == np.float32
    assert data.checked(np.arange(12).reshape(3, 4), None, "x").x.tolist()[2] == [8, 9, 10, 11]
    assert data.checked(np.zeros((3, 4, 4, 7), np.uint8), None, "x").x.shape == (3, 4, 4, 7)
    for wrong in (np.nan, np.inf):
        with pytest.raises(InputError, match="x: row 2 holds NaN"):
            data.checked(np.where(np.arange(50)[:, None] == 2, wrong, ROWS), None, "x")


def test_they_are_standardised_before_they_are_rounded(tmp_path):
    """Times in seconds since 1970 are no float32: neighbours of 128 seconds would be one number."""
    seconds = 1.7e9 + 30.0 * np.random.RandomState(0).randn(200, 1)
    np.save(tmp_path / "time.npy", seconds)
    found = data.load(str(tmp_path / "time.npy"), standardise=True)
    assert len(np.unique(found.train.x)) == 160 and found.train.x.std() == pytest.approx(1, abs=1e-3)
    assert found.train.x.dtype == np.float32
    np.save(tmp_path / "huge.npy", 1e100 * seconds)
    assert data.load(str(tmp_path / "huge.npy"), standardise=True).train.x.std() == pytest.approx(1, abs=1e-3)
    with pytest.raises(InputError, match="numbers beyond float32; expected finite"):
        data.load(str(tmp_path / "huge.npy"))


def test_a_row_too_far_away_is_refused():
    x = 1e-30 * ROWS
    far = dataset(x, as_given=True)
    far.validation.x[0] = 1e20
    with pytest.raises(InputError, match="too far from the training part"):
        standardised(far)
