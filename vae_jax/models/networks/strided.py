"""4×4 convolutions of stride 2, down and up, in the form that each backend runs fastest.

Inside a compiled loop XLA's CPU backend takes a naive path for convolutions (jax issue 12868), and the dilation of a
transposed one is slow there in any case. All are therefore one matrix product and four shifted adds, with the batch
innermost, where the product's long axis belongs. NVIDIA's GPUs take the same form, which an H200 runs faster than
cuDNN's convolutions. TPUs and other devices take the native convolution.

A convolution, its transpose and the gradient of its kernel are the three derivatives of one form, linear in each of
x `[c, 2h, 2w]`, kernel `[4, 4, c, f]` and y `[f, h, w]`:

    T(x, kernel, y) = Σ kernel[a, b, c, f] · padded x[c, 2i + a, 2j + b] · y[f, i, j]

`contract = ∂T/∂y` goes down, `spread = ∂T/∂x` goes up and `correlate = ∂T/∂kernel` is the kernel's gradient. Each is a
JAX primitive whose transposes are the other two, so every derivative of any order is one of them again. Their batching
rules leave a batch where it lies, behind the image: `vmap` of a whole stack for one example moves the batch at its two
ends and not between layers.
"""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from vae_jax.models.networks.table import LECUN, Initializer

SHIFTS = ((0, 0), (0, 1), (1, 0), (1, 1))
NARROW = 8  # with fewer channels than this, the sixteen taps of a pixel make a better matrix than its four blocks


def down(x: Array, kernel: Array) -> Array:
    """Convolution, stride 2, one pixel of padding: `[c, 2h, 2w]`, `[4, 4, c, f]` -> `[f, h, w]`."""
    return _bind(contract_p, x, kernel)


def up(x: Array, kernel: Array) -> Array:
    """Transposed convolution, stride 2: `[c, h, w]`, `[4, 4, c, f]` -> `[f, 2h, 2w]`, as `lax.conv_transpose`."""
    return _bind(spread_p, x, kernel[::-1, ::-1].transpose(0, 1, 3, 2))  # lax runs the kernel backwards


def add_bias(x: Array, bias: Array) -> Array:
    """`x [f, …] + bias [f]`, which leaves a batch where it lies."""
    return _bind(add_bias_p, x, bias)


@jax.custom_jvp
def relu(x: Array) -> Array:
    """max(x, 0); its derivative, unlike that of `jax.nn.relu`, leaves a batch where it lies."""
    return jnp.maximum(x, 0)


relu.defjvps(lambda dx, y, x: dx * (y > 0).astype(dx.dtype))


class Strided(nn.Module):
    """A 4×4 convolution of stride 2 (`upwards=False`) or its transposed form, with bias, channels first.

    Parameters are those of `nn.Conv` / `nn.ConvTranspose`: `kernel [4, 4, in, features]` and `bias [features]`.
    """

    features: int
    upwards: bool = False
    kernel_init: Initializer = LECUN
    bias_init: Initializer = nn.initializers.zeros

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """`[in, 2h, 2w]` -> `[features, h, w]`, or upwards `[in, h, w]` -> `[features, 2h, 2w]`."""
        kernel = self.param("kernel", self.kernel_init, (4, 4, x.shape[0], self.features))
        bias = self.param("bias", self.bias_init, (self.features,))
        return add_bias((up if self.upwards else down)(x, kernel), bias)


# The three derivatives for one member and one axis of a batch: `[c, 2h, 2w, n]`, `[4, 4, c, f]`, `[f, h, w, n]`.


def _contract(x: Array, kernel: Array) -> Array:
    c, f = kernel.shape[2:]
    if c < NARROW:
        return _mix(kernel.reshape(16 * c, f).T, _patches(x))
    return _shift_add(_mix(_transposed_blocks(kernel), _space_to_depth(x)))


def _spread(y: Array, kernel: Array) -> Array:
    c, f = kernel.shape[2:]
    if c < NARROW:
        return _scatter_patches(_mix(kernel.reshape(16 * c, f), y))
    return _depth_to_space(_mix(_blocks(kernel), _shift_stack(y)))


def _correlate(x: Array, y: Array, *, divided: bool = False) -> Array:
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
    """The transpose of `_blocks`, laid out so in memory: XLA's product of a matrix read backwards takes longer."""
    c, f = kernel.shape[2:]
    return kernel.reshape(2, 2, 2, 2, c, f).transpose(0, 2, 5, 1, 3, 4).reshape(4 * f, 4 * c)


def _mix(weights: Array, x: Array) -> Array:
    """`[i, j]`, `[j, …]` -> `[i, …]`."""
    return lax.dot_general(weights, x, (((1,), (0,)), ((), ())))


def _inner(one: Array, other: Array, divided: bool) -> Array:
    """`[i, …]`, `[j, …]` -> `[i, j]`, the sum over the rest.

    XLA copies an operand before it sums over several axes, so they are merged; unless the batch is `divided` over
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


# The same by XLA's own convolution.

_LAYOUT = ("CHWN", "HWIO", "CHWN")


def _contract_native(x: Array, kernel: Array) -> Array:
    return lax.conv_general_dilated(x, kernel, (2, 2), ((1, 1), (1, 1)), dimension_numbers=_LAYOUT)


def _spread_native(y: Array, kernel: Array) -> Array:
    backwards = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    return lax.conv_general_dilated(y, backwards, (1, 1), ((2, 2), (2, 2)), (2, 2), dimension_numbers=_LAYOUT)


def _correlate_native(x: Array, y: Array) -> Array:
    """The sum over the batch is that over a convolution's input channels, of x by a kernel y."""
    layout = ("NHWC", "OHWI", "HWNC")
    return lax.conv_general_dilated(x, y, (1, 1), ((1, 1), (1, 1)), rhs_dilation=(2, 2), dimension_numbers=layout)


# The primitives. Their arguments have `members` leading axes, and activations any number of trailing ones, the batch:
# both none at first, and more under each `vmap`.


def _bind(primitive: Primitive, one: Array, other: Array) -> Array:
    """The primitive of two arguments of one dtype that vary over the same axes of a `shard_map`."""
    dtype = jnp.result_type(one, other)
    arrays = [jnp.asarray(array, dtype) for array in (one, other)]
    axes = [jax.typeof(array).mat.varying for array in arrays]
    for index, missing in enumerate((axes[1] - axes[0], axes[0] - axes[1])):
        if missing:
            arrays[index] = lax.pcast(arrays[index], tuple(missing), to="varying")
    return primitive.bind(*arrays, members=0)


def _primitive(name: str, products: Callable, native: Callable, divided: Callable | None = None) -> Primitive:
    """A primitive of two arguments, by its implementations for one member.

    `divided` is that of the products where XLA divides a batch over devices, if another.
    """
    primitive = Primitive(name)

    def lifted(function, one, other, *, members):
        for _ in range(members):
            function = jax.vmap(function)
        return function(one, other)

    def abstract(one, other, *, members):
        return jax.make_jaxpr(partial(lifted, native, members=members))(one, other).out_avals[0]

    primitive.def_abstract_eval(abstract)
    primitive.def_impl(jax.jit(primitive.bind, static_argnames="members"))

    def lower(function):
        return mlir.lower_fun(partial(lifted, function), multiple_results=False)

    def lower_products(context, *args, **params):
        several = divided is not None and _divides(context.module_context.axis_context)
        return lower(divided if several else products)(context, *args, **params)

    mlir.register_lowering(primitive, lower(native))
    for platform in ("cpu", "cuda"):
        mlir.register_lowering(primitive, lower_products, platform)
    return primitive


def _divides(context) -> bool:
    """Whether XLA divides the arrays of a program over devices. Inside `shard_map` they are divided already."""
    if hasattr(context, "manual_axes"):
        return set(context.manual_axes) != set(context.mesh.axis_names)
    return context.num_devices > 1


def _flat(function: Callable, *which: int) -> Callable:
    """`function` of activations with one axis of a batch, for any number of them, in the arguments `which`."""

    def of_any(*arrays):
        batch = arrays[which[0]].shape[3:]
        flat = [a.reshape(*a.shape[:3], -1) if i in which else a for i, a in enumerate(arrays)]
        result = function(*flat)
        return result.reshape(*result.shape[:3], *batch) if len(which) == 1 else result

    return of_any


def _members(primitive: Primitive, arrays, dims, *, members: int):
    """Batching of everything: the batch becomes the first axis of each argument."""
    size = next(array.shape[dim] for array, dim in zip(arrays, dims, strict=True) if dim is not None)
    led = [
        jnp.broadcast_to(array, (size, *array.shape)) if dim is None else jnp.moveaxis(array, dim, 0)
        for array, dim in zip(arrays, dims, strict=True)
    ]
    return primitive.bind(*led, members=members + 1), 0


def _batch(primitive: Primitive, image: int, arrays, dims, *, members: int):
    """Batching of activations with one set of weights: it stays where it is, if behind the `image` axes of one."""
    (x, weights), (dim, of_weights) = arrays, dims
    if of_weights is not None:
        return _members(primitive, arrays, dims, members=members)
    if dim < members + image:
        x, dim = jnp.moveaxis(x, dim, -1), x.ndim - 1
    return primitive.bind(x, weights, members=members), dim


contract_p = _primitive("contract", _flat(_contract, 0), _flat(_contract_native, 0))
spread_p = _primitive("spread", _flat(_spread, 0), _flat(_spread_native, 0))
correlate_p = _primitive(
    "correlate",
    _flat(_correlate, 0, 1),
    _flat(_correlate_native, 0, 1),
    divided=_flat(partial(_correlate, divided=True), 0, 1),
)


def _plus(x, bias):
    return x + jnp.expand_dims(bias, range(1, x.ndim))


add_bias_p = _primitive("add_bias", _plus, _plus)

ad.defbilinear(
    contract_p,
    lambda dy, x, kernel, *, members: spread_p.bind(dy, kernel, members=members),
    lambda dy, x, kernel, *, members: correlate_p.bind(x, dy, members=members),
)
ad.defbilinear(
    spread_p,
    lambda dx, y, kernel, *, members: contract_p.bind(dx, kernel, members=members),
    lambda dx, y, kernel, *, members: correlate_p.bind(dx, y, members=members),
)
ad.defbilinear(
    correlate_p,
    lambda dkernel, x, y, *, members: spread_p.bind(y, dkernel, members=members),
    lambda dkernel, x, y, *, members: contract_p.bind(x, dkernel, members=members),
)
ad.deflinear2(add_bias_p, lambda dy, x, bias, *, members: [dy, dy.sum(range(members + 1, dy.ndim))])

for _p in (contract_p, spread_p):
    batching.primitive_batchers[_p] = partial(_batch, _p, 3)
batching.primitive_batchers[add_bias_p] = partial(_batch, add_bias_p, 1)
batching.primitive_batchers[correlate_p] = partial(_members, correlate_p)
