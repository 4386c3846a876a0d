"""A 4×4 convolution of stride 2, its transpose and the gradient of its kernel, with the batch innermost.

The three are the derivatives of one form, linear in each of x `[c, 2h, 2w, n]`, kernel `[4, 4, c, f]` and y
`[f, h, w, n]`:

    T(x, kernel, y) = Σ kernel[a, b, c, f] · padded x[c, 2i + a, 2j + b, n] · y[f, i, j, n]

`contract = ∂T/∂y` goes down, `spread = ∂T/∂x` goes up and `correlate = ∂T/∂kernel` is the kernel's gradient. Each is
here twice: as one matrix product and four shifted adds, and as XLA's own convolution.
"""

import jax.numpy as jnp
from jax import Array, lax

SHIFTS = ((0, 0), (0, 1), (1, 0), (1, 1))
NARROW = 8  # with fewer channels than this, the sixteen taps of a pixel make a better matrix than its four blocks


def contract(x: Array, kernel: Array) -> Array:
    """`[c, 2h, 2w, n]`, `[4, 4, c, f]` -> `[f, h, w, n]`: the convolution."""
    c, f = kernel.shape[2:]
    if c < NARROW:
        return _mix(kernel.reshape(16 * c, f).T, _patches(x))
    return _shift_add(_mix(_transposed_blocks(kernel), _space_to_depth(x)))


def spread(y: Array, kernel: Array) -> Array:
    """`[f, h, w, n]`, `[4, 4, c, f]` -> `[c, 2h, 2w, n]`: its transpose."""
    c, f = kernel.shape[2:]
    if c < NARROW:
        return _scatter_patches(_mix(kernel.reshape(16 * c, f), y))
    return _depth_to_space(_mix(_blocks(kernel), _shift_stack(y)))


def correlate(x: Array, y: Array, *, divided: bool = False) -> Array:
    """`[c, 2h, 2w, n]`, `[f, h, w, n]` -> `[4, 4, c, f]`: the gradient of its kernel.

    Args:
      x: the image, `[c, 2h, 2w, n]`.
      y: the cotangent of the convolution's output, `[f, h, w, n]`.
      divided: whether the batch is divided over devices; see `_inner`.
    """
    c, f = x.shape[0], y.shape[0]
    if c < NARROW:
        return _inner(_patches(x), y, divided).reshape(4, 4, c, f)
    blocks = _inner(_space_to_depth(x), _shift_stack(y), divided)
    return blocks.reshape(2, 2, c, 2, 2, f).transpose(3, 0, 4, 1, 2, 5).reshape(4, 4, c, f)


def _blocks(kernel: Array) -> Array:
    """`[4, 4, c, f]` as the matrix of its four 2×2 blocks, `[4c, 4f]`."""
    c, f = kernel.shape[2:]
    return kernel.reshape(2, 2, 2, 2, c, f).transpose(1, 3, 4, 0, 2, 5).reshape(4 * c, 4 * f)


def _transposed_blocks(kernel: Array) -> Array:
    """The transpose of `_blocks`, laid out that way in memory: XLA's product with a transposed matrix is slower."""
    c, f = kernel.shape[2:]
    return kernel.reshape(2, 2, 2, 2, c, f).transpose(0, 2, 5, 1, 3, 4).reshape(4 * f, 4 * c)


def _mix(weights: Array, x: Array) -> Array:
    """`[i, j]`, `[j, …]` -> `[i, …]`."""
    return lax.dot_general(weights, x, (((1,), (0,)), ((), ())))


def _inner(one: Array, other: Array, divided: bool) -> Array:
    """`[i, …]`, `[j, …]` -> `[i, j]`, the sum over the rest.

    XLA copies an operand before it sums over several axes, so these are merged; but not if the batch is `divided` over
    devices, which would have to gather it first.
    """
    if not divided:
        one, other = (array.reshape(array.shape[0], -1) for array in (one, other))
    rest = tuple(range(1, one.ndim))
    return lax.dot_general(one, other, ((rest, rest), ((), ())))


def _space_to_depth(x: Array) -> Array:
    """`[c, 2h, 2w, n]` -> `[4c, h + 1, w + 1, n]`: each 2×2 block of the padded image as one pixel."""
    c, height, width, n = x.shape
    h, w = height // 2 + 1, width // 2 + 1
    out = jnp.zeros((4, c, h, w, n), x.dtype)
    for i, (a, b) in enumerate(SHIFTS):
        out = out.at[i, :, 1 - a : h - a, 1 - b : w - b].set(x[:, 1 - a :: 2, 1 - b :: 2])
    return out.reshape(4 * c, h, w, n)


def _depth_to_space(blocks: Array) -> Array:
    """The transpose of `_space_to_depth`."""
    c4, h, w, n = blocks.shape
    phase = blocks.reshape(2, 2, c4 // 4, h, w, n)
    rows = [jnp.stack([phase[1 - a, 1 - b, :, a : h - 1 + a, b : w - 1 + b] for b in (0, 1)], 3) for a in (0, 1)]
    return jnp.stack(rows, 2).reshape(c4 // 4, 2 * (h - 1), 2 * (w - 1), n)


def _shift_add(taps: Array) -> Array:
    """`[4f, h + 1, w + 1, n]` -> `[f, h, w, n]`: what the four blocks around a pixel add to it."""
    f4, h, w, n = taps.shape
    taps = taps.reshape(4, f4 // 4, h, w, n)
    first, *rest = (taps[i, :, u : h - 1 + u, v : w - 1 + v] for i, (u, v) in enumerate(SHIFTS))
    return sum(rest, first)


def _shift_stack(y: Array) -> Array:
    """The transpose of `_shift_add`."""
    f, h, w, n = y.shape
    out = jnp.zeros((4, f, h + 1, w + 1, n), y.dtype)
    for i, (u, v) in enumerate(SHIFTS):
        out = out.at[i, :, u : u + h, v : v + w].set(y)
    return out.reshape(4 * f, h + 1, w + 1, n)


def _patches(x: Array) -> Array:
    """`[c, 2h, 2w, n]` -> `[16c, h, w, n]`: the sixteen taps of each output pixel."""
    c, height, width, n = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    taps = [padded[:, i : i + height : 2, j : j + width : 2] for i in range(4) for j in range(4)]
    return jnp.stack(taps).reshape(16 * c, height // 2, width // 2, n)


def _scatter_patches(taps: Array) -> Array:
    """The transpose of `_patches`."""
    c16, h, w, n = taps.shape
    tap = taps.reshape(2, 2, 2, 2, c16 // 16, h, w, n)

    def phase(a, b):
        first, *rest = (jnp.pad(tap[u, a, v, b], ((0, 0), (u, 1 - u), (v, 1 - v), (0, 0))) for u, v in SHIFTS)
        return sum(rest, first)

    return _depth_to_space(jnp.stack([phase(a, b) for a, b in SHIFTS]).reshape(c16 // 4, h + 1, w + 1, n))


# The same with XLA's own convolution.

_LAYOUT = ("CHWN", "HWIO", "CHWN")


def contract_native(x: Array, kernel: Array) -> Array:
    return lax.conv_general_dilated(x, kernel, (2, 2), ((1, 1), (1, 1)), dimension_numbers=_LAYOUT)


def spread_native(y: Array, kernel: Array) -> Array:
    backwards = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    return lax.conv_general_dilated(y, backwards, (1, 1), ((2, 2), (2, 2)), (2, 2), dimension_numbers=_LAYOUT)


def correlate_native(x: Array, y: Array) -> Array:
    """A convolution of x with the kernel y, whose sum over input channels is the sum over the batch."""
    layout = ("NHWC", "OHWI", "HWNC")
    return lax.conv_general_dilated(x, y, (1, 1), ((1, 1), (1, 1)), rhs_dilation=(2, 2), dimension_numbers=layout)
