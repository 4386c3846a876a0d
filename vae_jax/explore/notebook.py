"""Sliders in a notebook: the latents of a model beside the image that they decode to; a still where no kernel runs."""

import base64
from typing import Any

import numpy as np

from vae_jax.errors import InputError
from vae_jax.explore.session import Explored
from vae_jax.explore.strips import larger, png, traversal
from vae_jax.trained.model import Trained

MOST = 8  # latents with a slider
TALL, SMALL = 260, 48  # pixels: of the image, and of one in the still


def sliders(model: Trained, *, image: int = 0) -> Any:
    """Sliders for the most informative latents of a test image's code, and the image that they decode to.

    Each runs over the range of the aggregate posterior. If the notebook is only read, as on a web page, a still image
    takes their place: a row for each of these latents, moved over its range.

    Args:
      model: of images; just trained, or from `vae_jax.load`.
      image: which test image to start from.

    Raises:
      InputError: ipywidgets is not installed, no such image, or a model of rows, which cannot be drawn.
    """
    try:
        import ipywidgets
    except ImportError:
        raise InputError("sliders need ipywidgets; pip install ipywidgets.") from None
    if not model.images:
        raise InputError("sliders draw images, and this is a model of rows of features or counts.")
    explored = Explored(model)
    x, y = explored.examples
    if not 0 <= image < len(x):
        raise InputError(f"image {image}: expected one from 0 to {len(x) - 1}.")
    x = x[image : image + 1]
    given = y[image : image + 1] if explored.classes else None
    label = None if given is None else int(given[0])

    def drawn(code: np.ndarray) -> bytes:
        return png(larger(explored.image(code[None], label), TALL))

    z = np.array(explored.encode(x, given).mean[0])
    shown = ipywidgets.Image(value=drawn(z), format="png")
    rows = []
    for latent in explored.latents[:MOST]:
        low, high = min(latent.low, z[latent.index]), max(latent.high, z[latent.index])
        name = f"z{latent.index + 1}: {latent.rate:.2f}"
        rows.append(ipywidgets.FloatSlider(float(z[latent.index]), min=low, max=high, step=0.01, description=name))

    def moved(_: Any) -> None:
        code = z.copy()
        for latent, row in zip(explored.latents, rows, strict=False):
            code[latent.index] = row.value
        shown.value = drawn(code)

    for row in rows:
        row.observe(moved, "value")
    strips = [traversal(explored, z, latent.index, label, tall=SMALL) for latent in explored.latents[:MOST]]
    still = png(np.stack([np.concatenate(list(column)) for column in zip(*strips, strict=True)]))

    class Sliders(ipywidgets.HBox):
        """Widgets where a kernel runs, a picture elsewhere."""

        def _repr_mimebundle_(self, **kwargs: Any) -> Any:
            bundle: Any = super()._repr_mimebundle_(**kwargs)
            return {**bundle, "image/png": base64.b64encode(still).decode()}

    return Sliders([shown, ipywidgets.VBox(rows)])
