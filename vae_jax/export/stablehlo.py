"""Encoder and decoder as programs that need nothing but JAX: StableHLO, by `jax.export`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, export

from vae_jax.evaluation.codes import mean_and_variance
from vae_jax.export.format import FORMATS
from vae_jax.trained.model import Trained
from vae_jax.writing import replace_file

PLATFORMS = ("cpu", "cuda", "tpu")


@FORMATS.register("stablehlo")
def stablehlo(model: Trained, folder: Path, run: Path) -> list[Path]:
    """encoder.stablehlo and decoder.stablehlo, weights inside, for any number of examples; read with `jax.export`.

    Args:
      model: a trained model.
      folder: where to write them.
      run: not used.

    Returns:
      The files written.
    """
    paths = []
    for name, (function, example) in functions_of(model).items():
        (n,) = export.symbolic_shape("n")
        specs = [jax.ShapeDtypeStruct((n, *shape), dtype) for shape, dtype in example]
        whole = export.export(jax.jit(function), platforms=PLATFORMS)(*specs)
        paths.append(folder / f"{name}.stablehlo")
        replace_file(paths[-1], bytes(whole.serialize()))
    return paths


def functions_of(model: Trained) -> dict[str, tuple[Callable[..., Any], list[tuple[tuple[int, ...], Any]]]]:
    """`encoder`: x[, y] -> mean and variance of q(z|x), and `decoder`: z[, y] -> mean of p(x|z), on batches.

    x is what the model sees: pixels in [0, 1], or standardised features.

    Returns:
      Name -> function, and the shape and dtype of each of its arguments, without the batch axis.
    """
    vae, params = model.model, model.params
    label = [((), jnp.int32)] if model.conditional else []

    def encoder(x: Array, *y: Array) -> tuple[Array, Array]:
        return jax.vmap(lambda x, *y: mean_and_variance(vae.encode(params, x, *y), jax.random.key(0)))(x, *y)

    def decoder(z: Array, *y: Array) -> Array:
        return jax.vmap(lambda z, *y: vae.decode_mean(params, z, *y))(z, *y)

    return {
        "encoder": (encoder, [(model.shape, jnp.float32), *label]),
        "decoder": (decoder, [((model.latent,), jnp.float32), *label]),
    }
