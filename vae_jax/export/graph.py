"""Encoder and decoder of the registered networks as a list of operations, for runtimes that are not JAX.

Operations have the names, inputs and attributes that ONNX gives them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import flax.linen as nn
import numpy as np

from vae_jax.distributions.base import Support
from vae_jax.errors import InputError
from vae_jax.models.likelihoods import (
    BernoulliLikelihood,
    GaussianLikelihood,
    LearnedGaussianLikelihood,
    NegativeBinomialLikelihood,
    OptimalGaussianLikelihood,
    PixelGaussianLikelihood,
    PoissonLikelihood,
)
from vae_jax.models.networks.convolutional import CHANNELS, ConvDecoder, ConvEncoder, plan_of
from vae_jax.models.networks.dense import DenseDecoder, DenseEncoder
from vae_jax.models.posteriors import NormalPosterior, PointPosterior
from vae_jax.trained.model import Trained

MEANS = {  # the operation that turns the decoder's first output into a mean
    BernoulliLikelihood: "Sigmoid",
    GaussianLikelihood: "Identity",
    LearnedGaussianLikelihood: "Identity",
    OptimalGaussianLikelihood: "Identity",
    PixelGaussianLikelihood: "Identity",
    PoissonLikelihood: "Exp",
    NegativeBinomialLikelihood: "Exp",
}


class Node(NamedTuple):
    """An operation.

    Attributes:
      kind: its ONNX name.
      inputs: the names of its inputs.
      outputs: the names of its outputs.
      attributes: its ONNX attributes.
    """

    kind: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


@dataclass
class Graph:
    """Operations one after another, each applied to the last output and to weights.

    Attributes:
      last: the name of the last output; at first, of the graph's input.
      nodes: the operations.
      weights: arrays by name.
    """

    last: str
    nodes: list[Node] = field(default_factory=list)
    weights: dict[str, np.ndarray] = field(default_factory=dict)

    def weight(self, value: Any) -> str:
        """Add an array to the graph, and return its name."""
        name = f"w{len(self.weights)}"
        self.weights[name] = np.ascontiguousarray(value)
        return name

    def add(self, kind: str, *inputs: str, outputs: Sequence[str] = (), **attributes: Any) -> str:
        """Add an operation on the last output and on `inputs`.

        Args:
          kind: its ONNX name.
          inputs: the names of what it takes besides the last output.
          outputs: the names of what it returns; by default one new name.
          attributes: its ONNX attributes.

        Returns:
          The name of its first output, which is now the last.
        """
        names = list(outputs) or [f"h{len(self.nodes)}"]
        self.nodes.append(Node(kind, [self.last, *inputs], names, attributes))
        self.last = names[0]
        return self.last

    def dense(self, params: Mapping[str, Any]) -> None:
        """Add a dense layer: h @ kernel + bias."""
        self.add("Gemm", self.weight(np.asarray(params["kernel"])), self.weight(np.asarray(params["bias"])))

    def reshape(self, *shape: int) -> None:
        """Give each example another shape."""
        self.add("Reshape", self.weight(np.array([-1, *shape], np.int64)))


def graphs_of(model: Trained, asked: str, otherwise: str) -> tuple[Graph, Graph]:
    """The encoder, from `x` to `mean` and perhaps `log_var`, and the decoder, from `z` to `x`, the mean of p(x|z).

    Args:
      model: dense, linear or conv, without labels.
      asked: what the user asked for, for messages.
      otherwise: what to do instead, for messages.

    Raises:
      InputError: networks, a likelihood or a posterior that have no operations here.
    """
    vae, recipe = model.model, model.recipe
    kinds = type(vae.encoder), type(vae.decoder)
    if kinds not in ((DenseEncoder, DenseDecoder), (ConvEncoder, ConvDecoder)) or recipe.loss.conditional:
        raise InputError(f"{asked} knows the dense, linear and conv networks without labels; {otherwise}.")
    if type(vae.likelihood) not in MEANS:
        known = "bernoulli, gaussian, gaussian-learned, gaussian-optimal, gaussian-pixel, poisson and negative-binomial"
        raise InputError(f"{asked} knows the likelihoods {known}; {otherwise}.")
    if type(vae.posterior) not in (NormalPosterior, PointPosterior):
        raise InputError(f"{asked} knows no {type(vae.posterior).__name__}; {otherwise}.")
    for network in (vae.encoder, vae.decoder):
        if getattr(network, "activation", nn.relu) is not nn.relu:
            raise InputError(f"{asked} knows no activation but ReLU; {otherwise}.")
    shape = model.shape
    encoder, decoder = Graph("x"), Graph("z")
    _encoder(encoder, vae.encoder, model.params["encoder"]["params"], shape, vae.support is Support.COUNTS)
    _decoder(decoder, vae.decoder, model.params["decoder"]["params"], MEANS[type(vae.likelihood)], shape)
    return encoder, decoder


def _encoder(graph: Graph, encoder: nn.Module, params: Any, shape: tuple[int, ...], counts: bool) -> None:
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
    _hidden(graph, params)
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
    _hidden(graph, params)
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
    _slice(graph, (0,), (channels,), (len(shape),))  # the mean comes first, then the likelihood's other numbers
    graph.add(mean, outputs=["x"])


def _hidden(graph: Graph, params: Any) -> None:
    for index in range(sum(name.startswith("Dense_") for name in params)):
        graph.dense(params[f"Dense_{index}"])
        graph.add("Relu")


def _slice(graph: Graph, starts: Sequence[int], stops: Sequence[int], axes: Sequence[int]) -> None:
    graph.add("Slice", *(graph.weight(np.array(numbers, np.int64)) for numbers in (starts, stops, axes)))
