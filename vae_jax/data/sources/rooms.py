"""Rooms: a solid on the floor of a coloured room, six known factors, the grid of 3D Shapes, by our own renderer.

The geometry depends on size, shape and angle alone; the three hues only colour it. Each of the 480 geometries is
therefore traced once, in layers, and an image is the sum of the layers times their colours.
"""

import colorsys
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax.data.cache.kept import kept_arrays, write_array
from vae_jax.data.dataset import DATASETS, Dataset, Examples, Factors
from vae_jax.progress import bar

NAMES = ("floor_hue", "wall_hue", "object_hue", "size", "shape", "angle")
SIZES = (10, 10, 10, 8, 4, 15)  # 480,000 images, as in 3D Shapes
SHAPES = ("cube", "cylinder", "sphere", "capsule")
COUNT = int(np.prod(SIZES))
PARTS = (50_000, 2_000, 10_000)  # for training, validation and testing
RENDERER = 1  # version of the renderer; raise it when it draws differently

SIDE, FINER = 64, 3  # pixels, and rays across each
WALL, RADIUS, HEIGHT, TARGET, FIELD = 4.0, 3.6, 2.2, 0.75, 0.5  # of the room and the camera
TURN = np.pi / 3  # from the first angle to the last
LIGHT = np.array([0.45, 0.8, 0.4]) / np.linalg.norm([0.45, 0.8, 0.4])
FLOOR, WALLS, SOLID, SHINE = range(4)  # the layers
FAR = 1e9


def trace(size: int, shape: int, angle: int, *, side: int = SIDE, finer: int = FINER) -> np.ndarray:
    """The layers of one geometry: how much floor, wall, solid and white each pixel shows, with their shading.

    Args:
      size: from 0 to 7; the last is half again as large as the first.
      shape: an index into `SHAPES`.
      angle: from 0 to 14, the place of the camera on an arc of 60 degrees around the middle of the room.
      side: pixels per side.
      finer: rays per pixel, across and down; their mean is the pixel.

    Returns:
      `[4, side, side]` float32, each from 0 to 1.
    """
    origin, rays = _camera(angle, side * finer)
    scale = 0.8 + 0.4 * size / (SIZES[3] - 1)
    distance, normal = _SOLIDS[shape](origin, rays, scale)
    to_floor = np.where(rays[:, 1] < -1e-9, -origin[1] / np.minimum(rays[:, 1], -1e-9), FAR)
    across = [
        np.where(np.abs(rays[:, axis]) > 1e-9, (np.copysign(WALL, rays[:, axis]) - origin[axis]) / rays[:, axis], FAR)
        for axis in (0, 2)
    ]
    to_wall = np.minimum(*across)
    layers = np.zeros((4, len(rays)))
    solid = distance < np.minimum(to_floor, to_wall)
    floor = ~solid & (to_floor < to_wall)
    wall = ~solid & ~floor
    normal = np.where(solid[:, None], normal, 0.0)  # meaningless where the solid is not hit
    lit = np.maximum(normal @ LIGHT, 0.0)
    layers[SOLID] = solid * (0.38 + 0.62 * lit)
    mirrored = 2.0 * (normal @ LIGHT)[:, None] * normal - LIGHT
    layers[SHINE] = solid * 0.55 * np.maximum(-(mirrored * rays).sum(1), 0.0) ** 24
    spot = origin + to_floor[:, None] * rays
    shadow = np.exp(-((np.hypot(spot[:, 0] + 0.12, spot[:, 2] + 0.1) / (0.62 * scale)) ** 4))
    layers[FLOOR] = floor * (0.95 - 0.5 * shadow)
    side_on = across[0] < across[1]
    layers[WALLS] = wall * np.where(side_on, 0.78, 0.95)
    return layers.reshape(4, side, finer, side, finer).mean((2, 4)).astype(np.float32)


def colors(hues: np.ndarray) -> np.ndarray:
    """RGB of hues 0 to 9, `[…, 3]`: ten around the colour circle, all with one saturation and value."""
    table = np.array([colorsys.hsv_to_rgb(hue / 10, 0.72, 0.95) for hue in range(10)], np.float32)
    return table[hues]


def compose(factors: np.ndarray, layers: np.ndarray) -> np.ndarray:
    """The images of given factors, `[n, side, side, 3]` uint8.

    Args:
      factors: `[n, 6]`, each counted from 0.
      layers: the layers of every geometry, `[8·4·15, 4, side, side]`, in the order of the grid.
    """
    geometry = np.ravel_multi_index(tuple(factors[:, 3:].T), SIZES[3:])
    tints = np.stack([colors(factors[:, index]) for index in range(3)] + [np.ones((len(factors), 3), np.float32)], 1)
    images = np.einsum("nlhw,nlc->nhwc", layers[geometry], tints, optimize=True)
    return (255 * np.clip(images, 0, 1)).round().astype(np.uint8)


def factors_of(index: np.ndarray) -> np.ndarray:
    """The factors of the images at `index` in the order of the whole grid, `[n, 6]`; the angle varies fastest."""
    return np.stack(np.unravel_index(index, SIZES), axis=-1)


@DATASETS.register("rooms", epochs=30)
def rooms(folder: Path | None) -> Dataset:
    """64x64 colour rooms rendered here, offline: floor, wall and object hue, size, shape, angle; 50,000 of 480,000."""
    return _drawn("rooms", 64)


@DATASETS.register("rooms32", epochs=30)
def rooms32(folder: Path | None) -> Dataset:
    """The same rooms at 32x32."""
    return _drawn("rooms32", 32)


def grid(side: int) -> Factors:
    """All rooms, composed on demand."""
    layers = layers_of(side)
    return Factors(NAMES, SIZES, lambda start, stop: compose(factors_of(np.arange(start, stop)), layers))


@lru_cache(maxsize=2)
def layers_of(side: int) -> np.ndarray:
    """The layers of all geometries, `[480, 4, side, side]`; traced once, and kept in the cache folder."""
    arrays, _ = kept_arrays(("rooms", RENDERER, SIDE, FINER), _trace_all)
    layers, finer = np.asarray(arrays["layers"]), SIDE // side
    return layers.reshape(len(layers), 4, side, finer, side, finer).mean((3, 5))


def _trace_all(kept: Path) -> dict:
    geometries = list(np.ndindex(*SIZES[3:]))
    shown = bar(geometries, desc="drawing rooms", unit="view", leave=False)
    write_array(kept / "layers.npy", np.stack([trace(*geometry) for geometry in shown]))
    return {"of": "rooms", "rows": {"layers": len(geometries)}}


@lru_cache(maxsize=2)
def _drawn(name: str, side: int) -> Dataset:
    """A random part of the grid, the same on every machine; labels are the shapes."""
    chosen = np.random.RandomState(0).permutation(COUNT)[: sum(PARTS)]
    factors = factors_of(chosen)
    x = np.concatenate([compose(part, layers_of(side)) for part in np.array_split(factors, 62)])
    y = factors[:, NAMES.index("shape")].astype(np.int32)
    cuts = np.cumsum((0, *PARTS))
    dealt = (Examples(x[start:stop], y[start:stop]) for start, stop in pairwise(cuts))
    return Dataset(name, *dealt, classes=len(SHAPES), factors=grid(side))


def _camera(angle: int, across: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the camera is, and the direction of each ray, row by row."""
    turn = TURN * (angle / (SIZES[5] - 1) - 0.5) + np.pi / 4
    origin = np.array([RADIUS * np.sin(turn), HEIGHT, RADIUS * np.cos(turn)])
    ahead = np.array([0.0, TARGET, 0.0]) - origin
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, ahead)
    place = FIELD * ((np.arange(across) + 0.5) / across * 2 - 1)
    rays = ahead + place[None, :, None] * right - place[:, None, None] * up
    rays = rays.reshape(-1, 3)
    return origin, rays / np.linalg.norm(rays, axis=1, keepdims=True)


# Solids on the floor in the middle: the distance at which a ray first hits one, `FAR` if never, and the normal there.


def _cube(origin: np.ndarray, rays: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    half = 0.55 * scale
    low, high = np.array([-half, 0.0, -half]), np.array([half, 2 * half, half])
    with np.errstate(divide="ignore"):
        near, far = (low - origin) / rays, (high - origin) / rays
    first, last = np.minimum(near, far), np.maximum(near, far)
    entry, leave = first.max(1), last.min(1)
    axis = first.argmax(1)
    normal = np.zeros_like(rays)
    rows = np.arange(len(rays))
    normal[rows, axis] = -np.sign(rays[rows, axis])
    return np.where((entry < leave) & (entry > 0), entry, FAR), normal


def _sphere(origin: np.ndarray, rays: np.ndarray, scale: float, *, radius: float = 0.68, centre: float | None = None):
    radius = radius * scale
    middle = np.array([0.0, radius if centre is None else centre, 0.0])
    distance = _quadratic(
        np.ones(len(rays)), rays @ (origin - middle), (origin - middle) @ (origin - middle) - radius**2
    )
    return distance, (origin + distance[:, None] * rays - middle) / radius


def _cylinder(origin: np.ndarray, rays: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    radius, height = 0.58 * scale, 1.15 * scale
    distance, normal = _tube(origin, rays, radius, 0.0, height)
    to_lid = (height - origin[1]) / np.minimum(rays[:, 1], -1e-9)
    at_lid = origin + to_lid[:, None] * rays
    lid = (np.hypot(at_lid[:, 0], at_lid[:, 2]) < radius) & (rays[:, 1] < 0) & (to_lid < distance)
    return np.where(lid, to_lid, distance), np.where(lid[:, None], [0.0, 1.0, 0.0], normal)


def _capsule(origin: np.ndarray, rays: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    radius, height = 0.42, 1.55 * scale
    parts = [_tube(origin, rays, radius * scale, radius * scale, height - radius * scale)]
    parts += [
        _sphere(origin, rays, scale, radius=radius, centre=middle)
        for middle in (radius * scale, height - radius * scale)
    ]
    first = np.argmin([distance for distance, _ in parts], axis=0)
    distance = np.choose(first, [distance for distance, _ in parts])
    return distance, np.choose(first[:, None], [normal for _, normal in parts])


def _tube(origin: np.ndarray, rays: np.ndarray, radius: float, low: float, high: float):
    flat, start = rays[:, [0, 2]], origin[[0, 2]]
    distance = _quadratic((flat**2).sum(1), flat @ start, start @ start - radius**2)
    at = origin + distance[:, None] * rays
    distance = np.where((at[:, 1] > low) & (at[:, 1] < high), distance, FAR)
    return distance, np.stack([at[:, 0], np.zeros(len(at)), at[:, 2]], 1) / radius


def _quadratic(a: np.ndarray, half_b: np.ndarray, c: Any) -> np.ndarray:
    """The smaller root of a·t² + 2·half_b·t + c, `FAR` if there is none ahead."""
    inside = half_b**2 - a * c
    root = (-half_b - np.sqrt(np.maximum(inside, 0.0))) / np.maximum(a, 1e-12)
    return np.where((inside > 0) & (root > 0), root, FAR)


_SOLIDS = (_cube, _cylinder, _sphere, _capsule)
