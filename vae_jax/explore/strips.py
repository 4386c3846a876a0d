"""The traversal of one latent as a picture to keep."""

import io

import numpy as np

from vae_jax.explore.session import Explored

STEPS, TALL = 11, 128  # images in a strip, and the least height of each in pixels


def traversal(model: Explored, z: np.ndarray, latent: int, label: int | None = None, *, tall: int = TALL) -> np.ndarray:
    """One latent of a code moved over the range of the aggregate posterior, `[STEPS, height, width, channels]` uint8.

    Args:
      model: a model of images.
      z: `[latent]`, the code.
      latent: which latent to move, counted from 0.
      label: of a conditional model.
      tall: the least height of each image in pixels.
    """
    known = next(known for known in model.latents if known.index == latent)
    codes = np.repeat(z[None], STEPS, axis=0)
    codes[:, latent] = np.linspace(known.low, known.high, STEPS)
    return larger(model.image(codes, label), tall)


def png(images: np.ndarray) -> bytes:
    """A PNG of the images `[n, …]` side by side."""
    return _saved([np.concatenate(list(images), axis=1)], "PNG")


def gif(images: np.ndarray) -> bytes:
    """A GIF of the images `[n, …]` one after another, forwards and back."""
    return _saved([*images, *images[-2:0:-1]], "GIF")


def larger(images: np.ndarray, tall: int) -> np.ndarray:
    """Images enlarged by the smallest whole factor that makes them at least `tall` pixels high."""
    times = -(-tall // images.shape[1])
    return images.repeat(times, axis=1).repeat(times, axis=2)


def _saved(frames: list[np.ndarray], kind: str) -> bytes:
    from PIL import Image

    pictures = [Image.fromarray(frame[..., 0] if frame.shape[-1] < 3 else frame[..., :3]) for frame in frames]
    sink, how = io.BytesIO(), {"save_all": True, "append_images": pictures[1:], "duration": 80, "loop": 0}
    pictures[0].save(sink, kind, **(how if kind == "GIF" else {}))
    return sink.getvalue()
