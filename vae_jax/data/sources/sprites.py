"""Sprites: binary images drawn from five known factors, the grid of dSprites, by our own renderer."""

from functools import lru_cache, partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from vae_jax.data.dataset import DATASETS, Dataset, Examples, Factors

NAMES = ("shape", "scale", "orientation", "x", "y")
SIZES = (3, 6, 40, 32, 32)  # 737,280 images, as in dSprites
COUNT = int(np.prod(SIZES))
CANDIDATES = 66_000  # of which the parts are taken; some images occur twice
_PLACES = np.cumprod((1, *SIZES[:0:-1]))[::-1]  # place value of each factor in the index; y varies fastest


def render(factors: Array, *, size: int = 64) -> Array:
    """One image from its factors, a pure function without anti-aliasing: a pixel is lit where its centre is inside.

    Args:
      factors: `[5]` integers: shape (square, ellipse, heart), scale (½ to 1 in 6 steps), orientation (40 steps of a
        full turn), x and y (32 places each, left to right and top to bottom).
      size: pixels per side.

    Returns:
      `[size, size, 1]` uint8, 0 or 255.
    """
    shape, scale, orientation, x, y = (factors[i] for i in range(5))
    centres = (jnp.arange(size) + 0.5) / size
    margin = 0.24  # the largest sprite stays inside at every angle
    across = centres[None, :] - (margin + (1 - 2 * margin) * x / (SIZES[3] - 1))
    down = centres[:, None] - (margin + (1 - 2 * margin) * y / (SIZES[4] - 1))
    angle = 2 * jnp.pi * orientation / SIZES[2]
    extent = 0.16 * (0.5 + 0.5 * scale / (SIZES[1] - 1))
    u = (jnp.cos(angle) * across + jnp.sin(angle) * down) / extent
    v = (jnp.cos(angle) * down - jnp.sin(angle) * across) / extent
    square = jnp.maximum(jnp.abs(u), jnp.abs(v)) <= 1.0
    ellipse = jnp.square(u / 1.4) + jnp.square(v / 0.7) <= 1.0
    body = jnp.square(u) + jnp.square(v) - 1.0
    heart = body**3 + jnp.square(u) * v**3 <= 0.0  # its tip points down
    lit = jnp.where(shape == 0, square, jnp.where(shape == 1, ellipse, heart))
    return (lit[..., None] * 255).astype(jnp.uint8)


def factors_of(index: ArrayLike) -> Array:
    """The factors of the images at `index` in the order of the whole grid, `[..., 5]`; y varies fastest."""
    index = jnp.asarray(index)
    return jnp.stack([index // int(place) % size for place, size in zip(_PLACES, SIZES, strict=True)], axis=-1)


@partial(jax.jit, static_argnames="size")
def render_all(factors: Array, *, size: int = 64) -> Array:
    """`render` for many images, `[n, 5]` -> `[n, size, size, 1]`."""
    return jax.vmap(partial(render, size=size))(factors)


@DATASETS.register("sprites", epochs=15)
def sprites(folder: Path | None) -> Dataset:
    """64x64 binary sprites rendered here, offline: shape, scale, orientation, x, y; 50,000 of the 737,280."""
    return _drawn("sprites", 64)


@DATASETS.register("sprites32", epochs=15)
def sprites32(folder: Path | None) -> Dataset:
    """The same sprites at 32x32."""
    return _drawn("sprites32", 32)


@lru_cache(maxsize=2)
def _drawn(name: str, size: int) -> Dataset:
    """A random part of the grid, the same on every machine; labels are the shapes.

    Symmetric shapes look the same at several orientations, so different factors may give one image: no image is in two
    parts. The test part is the same 10,000 sprites as in version 0.2; a tenth of them were in the training part too.
    """
    order = np.random.RandomState(0).permutation(COUNT)[:CANDIDATES]
    factors = np.asarray(factors_of(jnp.asarray(order)))
    x = np.concatenate([np.asarray(render_all(jnp.asarray(part), size=size)) for part in np.array_split(factors, 66)])
    seen = [image.tobytes() for image in np.packbits(x.reshape(len(x), -1) > 0, axis=1)]
    held, validation, test = 2_000, 2_000, 10_000  # the test part comes after what was held for validation
    parts = {"test": list(range(held, held + test))}
    rest = [*range(held), *range(held + test, CANDIDATES)]
    taken = {seen[i] for i in parts["test"]}
    parts["validation"] = [i for i in rest if seen[i] not in taken][:validation]
    taken |= {seen[i] for i in parts["validation"]}
    parts["train"] = [i for i in rest[held:] if seen[i] not in taken][:50_000]
    y = factors[:, 0].astype(np.int32)
    dealt = (Examples(x[parts[part]], y[parts[part]]) for part in ("train", "validation", "test"))
    return Dataset(name, *dealt, classes=SIZES[0], factors=grid(size))


def grid(size: int) -> Factors:
    """All sprites, rendered on demand."""

    def images(start: int, stop: int) -> Array:
        return render_all(factors_of(jnp.arange(start, stop)), size=size)

    return Factors(NAMES, SIZES, images, aside=("shape",))  # as Chen et al. do on dSprites
