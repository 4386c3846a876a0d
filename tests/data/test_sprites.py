"""The renderer of sprites: what each factor does, and the order of the grid."""

import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import data
from vae_jax.data.sources import sprites
from vae_jax.data.sources.sprites import COUNT, SIZES, factors_of, render, render_all


def drawn(*factors: tuple[int, ...], size: int = 64) -> np.ndarray:
    return np.asarray(render_all(jnp.array(factors), size=size))[..., 0] > 0


def centre(image: np.ndarray) -> np.ndarray:
    """Mean column and row of the lit pixels, in parts of the image."""
    rows, columns = np.nonzero(image)
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5]) / len(image)


def test_the_grid_is_that_of_dsprites_in_its_order():
    assert COUNT == 737_280
    index = jnp.arange(0, COUNT, 97)
    np.testing.assert_array_equal(np.ravel_multi_index(tuple(np.asarray(factors_of(index)).T), SIZES), index)
    np.testing.assert_array_equal(
        factors_of(jnp.array([0, 1, 32, 1024, 40_960, 245_760, COUNT - 1])),
        [
            [0, 0, 0, 0, 0],
            [0, 0, 0, 0, 1],
            [0, 0, 0, 1, 0],
            [0, 0, 1, 0, 0],
            [0, 1, 0, 0, 0],
            [1, 0, 0, 0, 0],
            [2, 5, 39, 31, 31],
        ],
    )


def test_places_move_the_sprite_in_equal_steps():
    for shape in range(3):
        across = [centre(image) for image in drawn(*((shape, 5, 7, x, 10) for x in range(32)))]
        down = [centre(image) for image in drawn(*((shape, 5, 7, 10, y) for y in range(32)))]
        steps = np.diff(across, axis=0)
        np.testing.assert_allclose(steps.mean(axis=0), [0.52 / 31, 0], atol=5e-4)
        np.testing.assert_allclose(np.diff(down, axis=0).mean(axis=0), [0, 0.52 / 31], atol=5e-4)
        assert np.all(steps[:, 0] > 0)


def test_scale_doubles_and_orientation_keeps_the_area():
    for shape in range(3):
        small, large = drawn((shape, 0, 3, 16, 16), (shape, 5, 3, 16, 16), size=256)
        assert large.sum() / small.sum() == pytest.approx(4, rel=0.03)
        areas = drawn(*((shape, 5, angle, 16, 16) for angle in range(40)), size=256).sum(axis=(1, 2))
        assert areas.std() / areas.mean() < 0.01


def test_a_square_turns_into_itself_and_a_heart_does_not():
    first, quarter, half = drawn((0, 5, 0, 16, 16), (0, 5, 10, 16, 16), (0, 5, 20, 16, 16), size=256)
    assert (first != quarter).mean() < 2e-3 and (first != half).mean() < 2e-3
    heart, turned = drawn((2, 5, 0, 16, 16), (2, 5, 20, 16, 16), size=256)
    assert (heart != turned).mean() > 5e-3
    rows = heart.sum(axis=1)
    lit = np.flatnonzero(rows)
    assert rows[lit[2]] > rows[lit[-3]]  # broad above, its tip below


def test_the_largest_sprite_stays_inside_at_every_angle():
    corners = [(s, 5, angle, x, y) for s in range(3) for angle in range(40) for x in (0, 31) for y in (0, 31)]
    images = drawn(*corners)
    assert not images[:, [0, -1]].any() and not images[:, :, [0, -1]].any()


def test_images_are_black_and_white_and_all_different_in_place():
    image = render(jnp.array([1, 2, 3, 4, 5]), size=32)
    assert image.shape == (32, 32, 1) and image.dtype == jnp.uint8 and set(np.unique(image)) == {0, 255}
    places = drawn(*((0, 3, 5, x, y) for x in range(32) for y in range(32)))
    assert len(np.unique(places.reshape(1024, -1), axis=0)) == 1024


def test_the_data_set_is_a_part_of_the_grid():
    found = data.load("sprites32")
    assert found.train.x.shape == (50_000, 32, 32, 1) and found.test.x.shape == (10_000, 32, 32, 1)
    assert len(found.validation.x) == 2_000 and found.classes == 3
    assert 0.02 < (found.train.x > 0).mean() < 0.15
    assert sprites.NAMES == ("shape", "scale", "orientation", "x", "y")


@pytest.mark.parametrize("name", ["sprites32", "rooms32", pytest.param("sprites", marks=pytest.mark.slow)])
def test_no_image_is_in_two_parts(name):
    """A symmetric shape looks the same at several orientations."""
    found = data.load(name)
    parts = [{image.tobytes() for image in part.x} for part in found[1:4]]
    assert not any(parts[a] & parts[b] for a, b in ((0, 1), (0, 2), (1, 2)))
    assert [len(part.x) for part in found[1:4]] == [50_000, 2_000, 10_000]
