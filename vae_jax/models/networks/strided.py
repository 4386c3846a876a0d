"""4×4 convolutions of stride 2, down and up, in the form that each backend runs fastest.

Inside a compiled loop XLA's CPU backend takes a naive path for convolutions (jax issue 12868), and the dilation of a
transposed one is slow there in any case. Each is therefore computed as one matrix product and four shifted adds, with
the batch innermost, where the product's long axis belongs. NVIDIA's GPUs use the same form, which is faster on an H200
than cuDNN's convolutions. TPUs and other devices use the native convolution.

A convolution, its transpose and the gradient of its kernel are the three derivatives of one trilinear form. Each is a
JAX primitive whose transposes are the other two, so every derivative of any order is one of them again. Their batching
rules leave a batch axis where it is, behind the image: `vmap` of a whole stack for one example moves the batch at its
two ends and not between layers.
"""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from vae_jax.models.networks.network import LECUN, Initializer
from vae_jax.models.networks.trilinear import (
    contract,
    contract_native,
    correlate,
    correlate_native,
    spread,
    spread_native,
)


def down(x: Array, kernel: Array) -> Array:
    """Convolution, stride 2, one pixel of padding: `[c, 2h, 2w]`, `[4, 4, c, f]` -> `[f, h, w]`.

    Raises:
      ValueError: a side that is odd or zero.
    """
    if not all(side > 0 and side % 2 == 0 for side in x.shape[1:]):
        raise ValueError(f"expected images [c, 2h, 2w], of even sides; got {x.shape}.")
    return _bind(contract_p, x, kernel)


def up(x: Array, kernel: Array) -> Array:
    """Transposed convolution, stride 2: `[c, h, w]`, `[4, 4, c, f]` -> `[f, 2h, 2w]`, as `lax.conv_transpose`."""
    return _bind(spread_p, x, kernel[::-1, ::-1].transpose(0, 1, 3, 2))  # lax runs the kernel backwards


def add_bias(x: Array, bias: Array) -> Array:
    """`x [f, …] + bias [f]`; leaves a batch axis where it is."""
    return _bind(add_bias_p, x, bias)


@jax.custom_jvp
def relu(x: Array) -> Array:
    """max(x, 0); its derivative, unlike that of `jax.nn.relu`, leaves a batch axis where it is."""
    return jnp.maximum(x, 0)


relu.defjvps(lambda dx, y, x: dx * (y > 0).astype(dx.dtype))


class Strided(nn.Module):
    """A 4×4 convolution of stride 2 (`upwards=False`) or its transposed form, with bias, channels first.

    Parameters are those of `nn.Conv` / `nn.ConvTranspose`: `kernel [4, 4, in, features]` and `bias [features]`.

    Attributes:
      features: output channels.
      upwards: whether it is the transposed convolution.
      kernel_init: initialiser of the kernel.
      bias_init: initialiser of the bias.
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


# The primitives. Their arguments have `members` leading axes, and activations any number of trailing batch axes. There
# are none of either at first; each `vmap` adds one.


def _bind(primitive: Primitive, one: Array, other: Array) -> Array:
    """Bind the primitive to two arrays, cast to one dtype and made to vary over the same axes of a `shard_map`."""
    dtype = jnp.result_type(one, other)
    arrays = [jnp.asarray(array, dtype) for array in (one, other)]
    axes = [jax.typeof(array).mat.varying for array in arrays]
    for index, missing in enumerate((axes[1] - axes[0], axes[0] - axes[1])):
        if missing:
            arrays[index] = lax.pcast(arrays[index], tuple(missing), to="varying")
    return primitive.bind(*arrays, members=0)


def _primitive(name: str, products: Callable, native: Callable, divided: Callable | None = None) -> Primitive:
    """A primitive of two arguments, from its implementations for one member.

    `divided`, if given, replaces `products` where XLA divides a batch over devices.
    """
    primitive = Primitive(name)

    def lifted(function, one, other, *, members):
        for _ in range(members):
            function = jax.vmap(function)
        return function(one, other)

    def abstract(one, other, *, members):
        return jax.make_jaxpr(partial(lifted, native, members=members))(one, other).out_avals[0]

    primitive.def_abstract_eval(abstract)
    compiled = jax.jit(primitive.bind, static_argnames="members")

    def run(*arrays, members):
        with jax.disable_jit(False):  # with jit disabled, this function would call itself
            return compiled(*arrays, members=members)

    primitive.def_impl(run)

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
    """Lift `function` from one batch axis to any number of them, in the arguments `which`."""

    def of_any(*arrays):
        batch = arrays[which[0]].shape[3:]
        flat = [a.reshape(*a.shape[:3], -1) if i in which else a for i, a in enumerate(arrays)]
        result = function(*flat)
        return result.reshape(*result.shape[:3], *batch) if len(which) == 1 else result

    return of_any


def _members(primitive: Primitive, arrays, dims, *, members: int):
    """Batch both arguments: the batch becomes the first axis of each."""
    size = next(array.shape[dim] for array, dim in zip(arrays, dims, strict=True) if dim is not None)
    led = [
        jnp.broadcast_to(array, (size, *array.shape)) if dim is None else jnp.moveaxis(array, dim, 0)
        for array, dim in zip(arrays, dims, strict=True)
    ]
    return primitive.bind(*led, members=members + 1), 0


def _batch(primitive: Primitive, image: int, arrays, dims, *, members: int):
    """Batch activations with one set of weights: an axis that is behind the `image` axes stays where it is."""
    (x, weights), (dim, of_weights) = arrays, dims
    if of_weights is not None:
        return _members(primitive, arrays, dims, members=members)
    if dim < members + image:
        x, dim = jnp.moveaxis(x, dim, -1), x.ndim - 1
    return primitive.bind(x, weights, members=members), dim


contract_p = _primitive("contract", _flat(contract, 0), _flat(contract_native, 0))
spread_p = _primitive("spread", _flat(spread, 0), _flat(spread_native, 0))
correlate_p = _primitive(
    "correlate",
    _flat(correlate, 0, 1),
    _flat(correlate_native, 0, 1),
    divided=_flat(partial(correlate, divided=True), 0, 1),
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
