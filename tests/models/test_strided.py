"""The strided convolutions against Flax's own layers: values, derivatives, batches, members, and devices."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from vae_jax.models import NETWORKS, VAE, NetworkConfig
from vae_jax.models.networks import trilinear
from vae_jax.models.networks.strided import Strided, add_bias, down, relu, up

FORMS = [pytest.param(down, nn.Conv, id="down"), pytest.param(up, nn.ConvTranspose, id="up")]
CHANNELS = [(1, 9), (9, 1), (3, 16), (16, 3), (12, 10)]
IMAGE = PartitionSpec("batch")


def by_flax(flax_form, x, kernel):
    """Flax's layer, without bias, of one example `[c, h, w]`."""
    layer = flax_form(kernel.shape[-1], (4, 4), strides=(2, 2), padding="SAME", use_bias=False)
    return layer.apply({"params": {"kernel": kernel}}, x.transpose(1, 2, 0)[None])[0].transpose(2, 0, 1)


def draw(key, shape, *batch):
    """x `[*batch, c, 12, 8]` and a kernel `[4, 4, c, f]`."""
    key_x, key_kernel = jax.random.split(key)
    return jax.random.normal(key_x, (*batch, shape[0], 12, 8)), jax.random.normal(key_kernel, (4, 4, *shape))


def expect_equal(found, expected):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4 * np.abs(b).max()), found, expected)


def squares(form, x, kernel):
    """A function whose derivatives in x and in the kernel depend on both."""
    return jnp.sum(jnp.square(form(x, kernel)))


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize(("form", "flax_form"), FORMS)
def test_one_example(form, flax_form, channels, key):
    x, kernel = draw(key, channels)
    reference = lambda x, kernel: by_flax(flax_form, x, kernel)

    @partial(jax.jit, static_argnums=0)
    def results(form, x, kernel):
        return form(x, kernel), jax.grad(partial(squares, form), (0, 1))(x, kernel)

    expect_equal(results(form, x, kernel), results(reference, x, kernel))


@pytest.mark.parametrize("channels", [(3, 16), (12, 10)])
@pytest.mark.parametrize(("form", "flax_form"), FORMS)
def test_a_batch_members_and_every_order_of_transformations(form, flax_form, channels, key):
    x, kernel = draw(key, channels, 3)
    kernels, xs = jnp.stack([kernel, 2 - kernel]), jnp.stack([x, 1 - x])
    reference = lambda x, kernel: by_flax(flax_form, x, kernel)

    def results(form):
        one = lambda x, kernel: squares(form, x, kernel)
        batch = lambda x, kernel: jax.vmap(one, (0, None))(x, kernel).mean()
        direction = jnp.cos(jnp.arange(kernel.size)).reshape(kernel.shape)
        return {
            "gradient of a batch": jax.grad(batch, (0, 1))(x, kernel),
            "gradients of examples": jax.vmap(jax.grad(one, (0, 1)), (0, None))(x, kernel),
            "members of a batch": jax.vmap(jax.grad(batch, (0, 1)))(xs, kernels),
            "members of the same batch": jax.vmap(jax.grad(batch, (0, 1)), (None, 0))(x, kernels),
            "batches with one kernel": jax.vmap(jax.grad(batch, (0, 1)), (0, None))(xs, kernel),
            "gradient over members": jax.grad(lambda k: jax.vmap(batch)(xs, k).sum())(kernels),
            "a batch last": jax.vmap(form, (-1, None), -1)(jnp.moveaxis(x, 0, -1), kernel),
            "samples of a batch": jax.vmap(jax.vmap(form, (0, None)), (0, None))(xs, kernel),
            "forward over reverse": jax.jvp(lambda k: jax.grad(batch, (0, 1))(x, k), (kernel,), (direction,))[1],
            "reverse over reverse": jax.grad(lambda k: jnp.sum(jax.grad(batch, 1)(x, k) * direction))(kernel),
            "Jacobian": jax.jacrev(lambda k: form(x[0], k)[0, 0, :2])(kernel),
        }

    found, expected = jax.jit(lambda: results(form))(), jax.jit(lambda: results(reference))()
    for name in expected:
        expect_equal(found[name], expected[name])


@pytest.mark.parametrize("channels", [(3, 16), (12, 10)])
def test_the_native_form_is_that_of_cpus(channels, key):
    x, kernel = draw(key, channels)
    x = jnp.stack([x, 1 - x], -1)
    y = jax.jit(trilinear.contract)(x, kernel)
    expect_equal(jax.jit(trilinear.contract_native)(x, kernel), y)
    for own, native, operands in (
        (trilinear.spread, trilinear.spread_native, (y, kernel)),
        (trilinear.correlate, trilinear.correlate_native, (x, y)),
    ):
        expect_equal(jax.jit(native)(*operands), jax.jit(own)(*operands))


def test_half_precision_stays_half(key):
    x, kernel = (array.astype(jnp.bfloat16) for array in draw(key, (3, 8)))
    assert down(x, kernel).dtype == up(x, kernel).dtype == jnp.bfloat16
    assert down(x.astype(jnp.float32), kernel).dtype == jnp.float32
    expect = down(x.astype(jnp.float32), kernel.astype(jnp.float32))
    np.testing.assert_allclose(down(x, kernel).astype(jnp.float32), expect, rtol=0.02, atol=0.1)


def test_an_odd_or_empty_image_is_refused(key):
    kernel = jax.random.normal(key, (4, 4, 3, 5))
    for sides in ((5, 4), (4, 7), (0, 4)):
        with pytest.raises(ValueError, match=r"even sides; got \(3, "):
            down(jnp.ones((3, *sides)), kernel)


def test_relu_has_no_slope_at_zero_as_in_jax():
    x = jnp.array([-1.0, 0.0, 2.0])
    for form in (relu, jax.nn.relu):
        np.testing.assert_array_equal(jax.vmap(jax.grad(form))(x), [0, 0, 1])


def test_with_compiling_switched_off(key):
    x, kernel = draw(key, (3, 5))
    network = lambda x, kernel: jnp.sum(relu(add_bias(up(down(x, kernel), kernel.transpose(0, 1, 3, 2)), jnp.ones(3))))
    expected = jax.value_and_grad(network, (0, 1))(x, kernel)
    with jax.disable_jit():
        expect_equal(jax.value_and_grad(network, (0, 1))(x, kernel), expected)


@pytest.mark.parametrize("check", [True, False])
def test_gradients_of_a_batch_over_devices(check, key):
    """With and without the checks of `shard_map`, and as one program over a sharded batch, which moves no images."""
    x, kernel = draw(key, (3, 8), 4)
    bias = jnp.linspace(-1, 1, 8)
    mesh = Mesh(np.array(jax.devices()[:2]), ("batch",))

    def loss(kernel, bias, x):
        return jax.vmap(lambda x: jnp.sum(jnp.square(relu(add_bias(down(x, kernel), bias)))))(x).sum()

    grad = jax.grad(loss, (0, 1))

    def shard(kernel, bias, x):
        return grad(kernel, bias, x) if check else jax.lax.psum(grad(kernel, bias, x), "batch")

    whole = PartitionSpec()
    spread = jax.shard_map(shard, mesh=mesh, in_specs=(whole, whole, IMAGE), out_specs=whole, check_vma=check)
    expect_equal(jax.jit(spread)(kernel, bias, x), grad(kernel, bias, x))
    placed = jax.device_put(x, NamedSharding(mesh, IMAGE))
    program = jax.jit(grad).lower(kernel, bias, placed).compile()
    assert "all-gather" not in program.as_text()
    expect_equal(program(kernel, bias, placed), grad(kernel, bias, x))


def test_bias_and_rectifier_are_the_usual_ones(key):
    x, bias = jax.random.normal(key, (5, 3, 4, 4)), jnp.array([-0.5, 0.0, 0.5])

    def own(x, bias):
        return jnp.square(relu(add_bias(x, bias))).sum()

    def usual(x, bias):
        return jnp.square(jax.nn.relu(x + bias[:, None, None])).sum()

    lift = lambda f: jax.grad(lambda x, b: jax.vmap(f, (0, None))(x, b).sum(), (0, 1))(x, bias)
    expect_equal(lift(own), lift(usual))
    members = lambda f: jax.vmap(jax.grad(f, (0, 1)))(x, jnp.stack([bias + i for i in range(5)]))
    expect_equal(members(own), members(usual))


def test_strided_layer_has_flaxs_parameters(key):
    own = Strided(7).init(key, jnp.zeros((5, 8, 8)))
    flaxs = nn.Conv(7, (4, 4), strides=(2, 2)).init(jax.random.clone(key), jnp.zeros((1, 8, 8, 5)))
    assert jax.tree.map(jnp.shape, own) == jax.tree.map(jnp.shape, flaxs)


def conv_program(shape, batch=6, platform="cpu"):
    """The gradient of a batch through `--model conv`, lowered."""
    model = VAE(*NETWORKS["conv"].build(NetworkConfig(shape, 2, (16,))))
    params = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros(shape))
    loss = lambda params, x: model.decode(params, model.encode(params, x).mean).mean.sum()
    grad = jax.grad(lambda params, x: jax.vmap(loss, (None, 0))(params, x).mean())
    images = jax.ShapeDtypeStruct((batch, *shape), jnp.float32)
    return jax.jit(grad).trace(params, images).lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize(("platform", "native"), [("cpu", False), ("cuda", False), ("tpu", True)])
def test_each_platform_takes_the_form_that_is_fast_there(platform, native):
    """XLA's CPU convolutions crawl inside a compiled loop; the networks must not fall back to them."""
    assert ("stablehlo.convolution" in conv_program((28, 28, 1), platform=platform)) == native


def test_a_batch_is_not_moved_between_layers():
    """Of arrays with a batch, as many are transposed in two convolutions as in five: those at the ends of a stack."""

    def moves(shape):
        lines = conv_program(shape, batch=7).splitlines()
        return sum("stablehlo.transpose" in line and ("tensor<7x" in line or "x7xf32>" in line) for line in lines)

    assert moves((16, 16, 1)) == moves((128, 128, 1)) > 0


@pytest.mark.parametrize(
    ("side", "halvings", "grid"), [(8, 1, 4), (28, 2, 7), (32, 3, 4), (64, 4, 4), (105, 4, 7), (5, 1, 3), (65, 4, 5)]
)
def test_sides_are_padded_no_further_than_the_strides_need(side, halvings, grid, key):
    shape = (side, side - 1, 3)
    encoder, decoder = NETWORKS["conv"].build(NetworkConfig(shape, 2, (16,)))
    model = VAE(encoder, decoder)
    params = jax.eval_shape(model.init, key, jnp.zeros(shape))
    layers = params["encoder"]["params"]
    assert sum(name.startswith("Strided") for name in layers) == halvings
    assert layers["Dense_0"]["kernel"].shape[0] == grid * -(-(side - 1) >> halvings) * 32
    assert jax.eval_shape(lambda p, z: model.decode(p, z).mean, params, jnp.zeros(2)).shape == shape
