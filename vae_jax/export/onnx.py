"""ONNX graphs of the registered networks, built node by node: products, convolutions, ReLU, and the likelihood's mean.

Converters from JAX were tried: jax2onnx pins Orbax below what reads our checkpoints, and what it makes of a batch of
examples is refused by onnxruntime.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import numpy as np

from vae_jax.distributions.base import Support
from vae_jax.errors import InputError
from vae_jax.export.table import register
from vae_jax.models.likelihoods import (
    BernoulliLikelihood,
    GaussianLikelihood,
    LearnedGaussianLikelihood,
    NegativeBinomialLikelihood,
    PixelGaussianLikelihood,
    PoissonLikelihood,
)
from vae_jax.models.networks.convolutional import CHANNELS, ConvDecoder, ConvEncoder, plan_of
from vae_jax.models.networks.dense import DenseDecoder, DenseEncoder
from vae_jax.training.trained import Trained

OPSET, IR = 17, 8
MEANS = {  # the operation that makes a mean of the decoder's first output
    BernoulliLikelihood: "Sigmoid",
    GaussianLikelihood: "Identity",
    LearnedGaussianLikelihood: "Identity",
    PixelGaussianLikelihood: "Identity",
    PoissonLikelihood: "Exp",
    NegativeBinomialLikelihood: "Exp",
}


@register("onnx")
def onnx(model: Trained, folder: Path, run: Path) -> list[Path]:
    """encoder.onnx (x to mean and log σ² of q(z|x)) and decoder.onnx (z to the mean of p(x|z)), for any batch size."""
    vae, recipe = model.model, model.recipe
    kinds = type(vae.encoder), type(vae.decoder)
    if kinds not in ((DenseEncoder, DenseDecoder), (ConvEncoder, ConvDecoder)) or recipe.loss.conditional:
        raise InputError("--to onnx knows the dense, linear and conv networks without labels; use --to stablehlo.")
    if type(vae.likelihood) not in MEANS:
        known = "bernoulli, gaussian, gaussian-learned, gaussian-pixel, poisson and negative-binomial"
        raise InputError(f"--to onnx knows the likelihoods {known}; use --to stablehlo.")
    if recipe.loss.posterior.name not in ("normal", "point"):
        raise InputError(f"--to onnx knows no posterior {recipe.loss.posterior.name!r}; use --to stablehlo.")
    shape = tuple(model.data.train.x.shape[1:])
    encoder, decoder = Graph(), Graph()
    _encoder(encoder, vae.encoder, model.params["encoder"]["params"], shape, vae.support is Support.COUNTS)
    _decoder(decoder, vae.decoder, model.params["decoder"]["params"], MEANS[type(vae.likelihood)], shape)
    outputs = {"mean": (model.latent,)}
    if recipe.loss.posterior.outputs == 2:
        outputs["log_var"] = (model.latent,)
    files = folder / "encoder.onnx", folder / "decoder.onnx"
    encoder.write(files[0], "encoder", {"x": shape}, outputs)
    decoder.write(files[1], "decoder", {"z": (model.latent,)}, {"x": shape})
    return list(files)


class Graph:
    """Nodes one after another, each from the last unless told otherwise."""

    def __init__(self) -> None:
        try:
            import onnx
        except ImportError:
            raise InputError("--to onnx needs its package; pip install 'vae-jax[export]'.") from None
        self._onnx: Any = onnx
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self.last = ""

    def weight(self, value: Any) -> str:
        """An array of the graph."""
        name = f"w{len(self._weights)}"
        self._weights.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, kind: str, *inputs: str, outputs: Sequence[str] = (), **attributes: Any) -> str:
        """A node of the last output and of `inputs`."""
        names = list(outputs) or [f"h{len(self._nodes)}"]
        self._nodes.append(self._onnx.helper.make_node(kind, [self.last, *inputs], names, **attributes))
        self.last = names[0]
        return self.last

    def dense(self, params: Mapping[str, Any]) -> None:
        """h @ kernel + bias."""
        self.add("Gemm", self.weight(np.asarray(params["kernel"])), self.weight(np.asarray(params["bias"])))

    def reshape(self, *shape: int) -> None:
        """Each example in another shape."""
        self.add("Reshape", self.weight(np.array([-1, *shape], np.int64)))

    def write(
        self, path: Path, name: str, inputs: Mapping[str, tuple[int, ...]], outputs: Mapping[str, tuple[int, ...]]
    ) -> None:
        """Check the graph and write it."""
        of = self._onnx.helper

        def values(named: Mapping[str, tuple[int, ...]]) -> list[Any]:
            kind = self._onnx.TensorProto.FLOAT
            return [of.make_tensor_value_info(name, kind, ["n", *shape]) for name, shape in named.items()]

        graph = of.make_graph(self._nodes, name, values(inputs), values(outputs), self._weights)
        whole = of.make_model(graph, opset_imports=[of.make_opsetid("", OPSET)], ir_version=IR)
        self._onnx.checker.check_model(whole, full_check=True)
        self._onnx.save(whole, str(path))


def _encoder(graph: Graph, encoder: nn.Module, params: Any, shape: tuple[int, ...], counts: bool) -> None:
    graph.last = "x"
    if counts:
        graph.add("Add", graph.weight(np.float32(1.0)))
        graph.add("Log")
    if isinstance(encoder, ConvEncoder):
        halvings, _, ((top, bottom), (left, right), _) = plan_of(shape)
        graph.add("Transpose", perm=[0, 3, 1, 2])
        graph.add("Pad", graph.weight(np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)))
        for index in range(halvings):
            kernel, bias = (np.asarray(params[f"Strided_{index}"][part]) for part in ("kernel", "bias"))
            weights = graph.weight(kernel.transpose(3, 2, 0, 1)), graph.weight(bias)
            graph.add("Conv", *weights, strides=[2, 2], pads=[1, 1, 1, 1])
            graph.add("Relu")
        graph.add("Transpose", perm=[0, 2, 3, 1])
    graph.add("Flatten")
    _hidden(graph, params, getattr(encoder, "activation", nn.relu))
    last = params["posterior"]
    numbers = np.asarray(last["bias"]).size
    if numbers == encoder.latent:  # pyright: ignore[reportAttributeAccessIssue]
        graph.add(
            "Gemm", graph.weight(np.asarray(last["kernel"])), graph.weight(np.asarray(last["bias"])), outputs=["mean"]
        )
        return
    graph.dense(last)
    half = graph.weight(np.array([numbers // 2] * 2, np.int64))
    graph.add("Split", half, outputs=["mean", "log_var"], axis=1)


def _decoder(graph: Graph, decoder: nn.Module, params: Any, mean: str, shape: tuple[int, ...]) -> None:
    graph.last = "z"
    _hidden(graph, params, getattr(decoder, "activation", nn.relu))
    channels = shape[-1]
    if isinstance(decoder, ConvDecoder):
        halvings, grid, ((top, _), (left, _), _) = plan_of(shape)
        graph.reshape(*grid, CHANNELS)
        graph.add("Transpose", perm=[0, 3, 1, 2])
        for name in (*(f"Strided_{index}" for index in range(halvings - 1)), "likelihood"):
            kernel, bias = (np.asarray(params[name][part]) for part in ("kernel", "bias"))
            weights = graph.weight(kernel[::-1, ::-1].transpose(2, 3, 0, 1)), graph.weight(bias)
            graph.add("ConvTranspose", *weights, strides=[2, 2], pads=[1, 1, 1, 1])
            if name != "likelihood":
                graph.add("Relu")
        graph.add("Transpose", perm=[0, 2, 3, 1])
        _slice(graph, (top, left), (top + shape[0], left + shape[1]), (1, 2))
    else:
        graph.dense(params["likelihood"])
        graph.reshape(*shape[:-1], np.asarray(params["likelihood"]["bias"]).size // math.prod(shape[:-1]))
    _slice(graph, (0,), (channels,), (len(shape),))  # the mean comes first, then what else the likelihood reads
    graph.add(mean, outputs=["x"])


def _hidden(graph: Graph, params: Any, activation: Any) -> None:
    if activation is not nn.relu:
        raise InputError("--to onnx knows no activation but ReLU; use --to stablehlo.")
    for index in range(sum(name.startswith("Dense_") for name in params)):
        graph.dense(params[f"Dense_{index}"])
        graph.add("Relu")


def _slice(graph: Graph, starts: Sequence[int], stops: Sequence[int], axes: Sequence[int]) -> None:
    graph.add("Slice", *(graph.weight(np.array(numbers, np.int64)) for numbers in (starts, stops, axes)))
