"""Rooms: rendered from six known factors."""

import numpy as np
import pytest

from vae_jax import data
from vae_jax.data.sources import rooms


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        rooms.layers_of.cache_clear()
        yield
        rooms.layers_of.cache_clear()


def test_each_factor_changes_what_it_names():
    """A hue recolours its layer and nothing else; size, shape and angle move the outline of the solid."""
    geometry = (4, 0, 7)
    layers = rooms.trace(*geometry)
    whole = np.zeros((*rooms.SIZES[3:], 4, 64, 64), np.float32)
    whole[geometry] = layers
    whole = whole.reshape(-1, 4, 64, 64)
    base = np.array([2, 5, 8, *geometry])
    image = rooms.compose(base[None], whole)[0].astype(int)
    for factor, layer in enumerate((rooms.FLOOR, rooms.WALLS, rooms.SOLID)):
        other = base.copy()
        other[factor] = (other[factor] + 3) % 10
        changed = (rooms.compose(other[None], whole)[0] != image).any(-1)
        np.testing.assert_array_equal(changed, changed & (layers[layer] > 0))
        assert changed.sum() > 0.9 * (layers[layer] > 0.05).sum()
    solids = [rooms.trace(*other)[rooms.SOLID] > 0 for other in ((0, 0, 7), (4, 2, 7), (4, 0, 3), geometry)]
    assert solids[0].sum() < solids[3].sum() and all((solid != solids[3]).any() for solid in solids[:3])


@pytest.mark.parametrize("shape", range(4))
def test_every_pixel_shows_floor_wall_or_solid(shape):
    for size, angle in ((0, 0), (7, 14)):
        layers = rooms.trace(size, shape, angle)
        assert np.isfinite(layers).all() and layers.min() >= 0 and layers.max() <= 1
        assert (layers[[rooms.FLOOR, rooms.WALLS, rooms.SOLID]].sum(0) > 0.25).all()
        solid = layers[rooms.SOLID] > 0
        assert 0.02 < solid.mean() < 0.3 and not solid[0].any() and not solid[-1].any()


def test_a_sphere_is_where_it_is_calculated_to_be():
    """The camera looks at a height of its own; a sphere's outline is that of its cone of sight."""
    layers = rooms.trace(7, 2, 7)
    radius, centre = 0.68 * 1.2, np.array([0, 0.68 * 1.2, 0])
    turn = np.pi / 4
    camera = np.array([rooms.RADIUS * np.sin(turn), rooms.HEIGHT, rooms.RADIUS * np.cos(turn)])
    distance = np.linalg.norm(camera - centre)
    angle = np.arcsin(radius / distance)
    wide = (layers[rooms.SOLID] > 0).any(0).sum()
    ahead = np.array([0, rooms.TARGET, 0]) - camera
    cosine = ahead @ (centre - camera) / np.linalg.norm(ahead) / distance
    assert wide == pytest.approx(2 * np.tan(angle) / cosine / (2 * rooms.FIELD) * 64, abs=2)


def test_the_grid_and_the_data_set(monkeypatch):
    monkeypatch.setattr(rooms, "PARTS", (60, 10, 20))
    rooms._drawn.cache_clear()
    found = data.load("rooms32")
    assert found.factors is not None and found.factors.total == 480_000 and found.classes == 4
    assert [part.x.shape for part in found[1:4]] == [(n, 32, 32, 3) for n in (60, 10, 20)]
    index = np.random.RandomState(0).permutation(480_000)[:90]
    shown = np.concatenate([found.factors.images(at, at + 1) for at in index[:5]])
    np.testing.assert_array_equal(found.train.x[:5], shown)
    np.testing.assert_array_equal(found.train.y, rooms.factors_of(index[:60])[:, 4])
    rooms._drawn.cache_clear()
