"""β converted between conventions: one library sums what another averages, so one number means different things."""

from typing import NamedTuple

from jax.typing import ArrayLike


class Scaling(NamedTuple):
    """How a loss adds up its two terms, unit·reduce(−log p) + β·reduce(KL); the batch is reduced the same way in both.

    Attributes:
      pixels_averaged: the reconstruction is a mean over pixels and channels, not a sum.
      latents_averaged: the KL is a mean over latents, not a sum.
      unit: the reconstruction in units of −log p: 1 for cross-entropy and for half the squared error, 2 for the squared
        error.
    """

    pixels_averaged: bool = False
    latents_averaged: bool = False
    unit: float = 1.0


# As read from the code of each; `squared error` where its other losses are scaled differently.
SCALINGS = {
    "summed": Scaling(),  # this library, and the examples of Flax, Keras (one channel) and PyTorch
    "averaged": Scaling(pixels_averaged=True),
    "normalised": Scaling(pixels_averaged=True, latents_averaged=True),  # Higgins et al. 2017
    "pythae": Scaling(),  # models/vae/vae_model.py, both reconstruction losses; models/beta_vae
    "PyTorch-VAE": Scaling(pixels_averaged=True, unit=2.0),  # models/vanilla_vae.py; β is kld_weight (M_N)
    "disentanglement_lib, squared error": Scaling(unit=2.0),  # methods/shared/losses.py, l2_loss
    "disentangling-vae, squared error": Scaling(unit=510.0),  # disvae/models/losses.py: of 0..255, over 255
    "Beta-VAE (1Konny), squared error": Scaling(unit=2.0),  # solver.py
}


def convert_beta(
    beta: ArrayLike, source: Scaling | str, target: Scaling | str = "summed", *, pixels: int, latent: int
) -> ArrayLike:
    """The β under `target` that has the same optimum as `beta` under `source`.

    r·Σ(−log p) + β k·Σ KL has the optimum of plain sums with β k/r. Here r = unit, divided by the number of pixels if
    these are averaged, and k = 1, divided by the number of latents if those are. So the normalised β is
    β·latents/pixels.

    Args:
      beta: β under `source`, any shape.
      source: the convention of `beta`, a `Scaling` or a name in `SCALINGS`.
      target: the convention of the result.
      pixels: height·width·channels of an example.
      latent: latent dimensions.

    Returns:
      β, of the input's shape. The two losses differ by a factor, and so do their gradients.

    Raises:
      ValueError: a name that is not in the table.

    Reference: Higgins et al., *β-VAE*, 2017 ("normalised β").

    >>> round(convert_beta(4.0, "summed", "normalised", pixels=4096, latent=10), 6)
    0.009766
    >>> round(convert_beta(0.00025, "PyTorch-VAE", pixels=64 * 64 * 3, latent=128), 6)
    1.536
    """
    return beta * (_weight(source, pixels, latent) / _weight(target, pixels, latent))


def _weight(scaling: Scaling | str, pixels: int, latent: int) -> float:
    """What β = 1 is worth: nats of KL per nat of reconstruction."""
    if isinstance(scaling, str):
        if scaling not in SCALINGS:
            raise ValueError(f"no scaling named {scaling!r}; expected a Scaling, or one of {', '.join(SCALINGS)}.")
        scaling = SCALINGS[scaling]
    reconstruction = scaling.unit / (pixels if scaling.pixels_averaged else 1)
    return (1 / latent if scaling.latents_averaged else 1.0) / reconstruction
