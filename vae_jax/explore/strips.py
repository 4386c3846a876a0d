"""The traversal of one latent as a picture to keep."""

import io

import numpy as np

from vae_jax.explore.session import Explored

STEPS, TALL = 11, 128  # images of a strip, and how high each is at least


def traversal(model: Explored, z: np.ndarray, latent: int, label: int | None = None, *, tall: int = TALL) -> np.ndarray:
    """One latent of a code moved over the aggregate posterior's range, `[STEPS, …]` uint8, each `tall` or higher."""
    known = next(known for known in model.latents if known.index == latent)
    codes = np.repeat(z[None], STEPS, axis=0)
    codes[:, latent] = np.linspace(known.low, known.high, STEPS)
    return larger(model.image(codes, label), tall)


def png(images: np.ndarray) -> bytes:
    """Images side by side."""
    return _saved([np.concatenate(list(images), axis=1)], "PNG")


def gif(images: np.ndarray) -> bytes:
    """Images one after another, forwards and back."""
    return _saved([*images, *images[-2:0:-1]], "GIF")


def larger(images: np.ndarray, tall: int) -> np.ndarray:
    """Images at the least whole multiple of their size that is as high as `tall`."""
    times = -(-tall // images.shape[1])
    return images.repeat(times, axis=1).repeat(times, axis=2)


def _saved(frames: list[np.ndarray], kind: str) -> bytes:
    from PIL import Image

    pictures = [Image.fromarray(frame[..., 0] if frame.shape[-1] < 3 else frame[..., :3]) for frame in frames]
    sink, how = io.BytesIO(), {"save_all": True, "append_images": pictures[1:], "duration": 80, "loop": 0}
    pictures[0].save(sink, kind, **(how if kind == "GIF" else {}))
    return sink.getvalue()
