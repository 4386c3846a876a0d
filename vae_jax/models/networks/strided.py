"""4×4 convolutions of stride 2, down and up, in the form that each backend runs fastest.

Inside a compiled loop XLA's CPU backend takes a naive path for convolutions (jax issue 12868), and the dilation of a
transposed one is slow there in any case. On CPU both are therefore one matrix product with the four 2×2 blocks of the
kernel side by side, and four shifted adds: the same parameters and, up to rounding, numbers. GPU and TPU take the
native convolution.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

from vae_jax.models.networks.table import LECUN, Initializer

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def down(x: Array, kernel: Array, *, native: bool) -> Array:
    """Convolution, stride 2, one pixel of padding: `[h, w, c]`, `[4, 4, c, f]` -> `[h/2, w/2, f]`; h and w even."""
    if native:
        return lax.conv_general_dilated(x[None], kernel, (2, 2), ((1, 1), (1, 1)), dimension_numbers=_LAYOUT)[0]
    height, width, channels = x.shape
    features = kernel.shape[-1]
    rows, columns = height // 2 + 1, width // 2 + 1
    # Each 2×2 block of the padded image becomes a pixel of 4c channels: the stride is gone, the kernel is 2×2 blocks.
    blocks = jnp.pad(x, ((1, 1), (1, 1), (0, 0))).reshape(rows, 2, columns, 2, channels).transpose(0, 2, 1, 3, 4)
    taps = kernel.reshape(2, 2, 2, 2, channels, features).transpose(1, 3, 4, 0, 2, 5)
    products = blocks.reshape(rows, columns, 4 * channels) @ taps.reshape(4 * channels, 4 * features)
    top_left, top_right, low_left, low_right = lax.split(products, (features,) * 4, axis=2)
    return top_left[:-1, :-1] + top_right[:-1, 1:] + low_left[1:, :-1] + low_right[1:, 1:]


def up(x: Array, kernel: Array, *, native: bool) -> Array:
    """Transposed convolution, stride 2: `[h, w, c]`, `[4, 4, c, f]` -> `[2h, 2w, f]`."""
    if native:
        return lax.conv_transpose(x[None], kernel, (2, 2), "SAME", dimension_numbers=_LAYOUT)[0]
    height, width, channels = x.shape
    features = kernel.shape[-1]
    # A pixel paints a 4×4 patch: four 2×2 blocks, each added where its neighbours paint too. lax runs the kernel
    # backwards.
    taps = kernel[::-1, ::-1].reshape(2, 2, 2, 2, channels, features).transpose(4, 0, 2, 1, 3, 5)
    products = x @ taps.reshape(channels, 16 * features)
    blocks = jnp.zeros((), x.dtype)
    for part, (row, column) in zip(
        lax.split(products, (4 * features,) * 4, axis=2), ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True
    ):
        blocks = blocks + jnp.pad(part, ((row, 1 - row), (column, 1 - column), (0, 0)))
    blocks = blocks.reshape(height + 1, width + 1, 2, 2, features).transpose(0, 2, 1, 3, 4)
    return blocks.reshape(2 * height + 2, 2 * width + 2, features)[1:-1, 1:-1]


class Strided(nn.Module):
    """A 4×4 convolution of stride 2 (`upwards=False`) or its transposed form, with bias.

    Parameters are those of `nn.Conv` / `nn.ConvTranspose`: `kernel [4, 4, in, features]` and `bias [features]`.
    """

    features: int
    upwards: bool = False
    kernel_init: Initializer = LECUN

    @nn.compact
    def __call__(self, x: Array) -> Array:
        kernel = self.param("kernel", self.kernel_init, (4, 4, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        convolve = up if self.upwards else down
        y = convolve(x, kernel, native=jax.default_backend() != "cpu")
        return y + jnp.broadcast_to(bias, y.shape)
