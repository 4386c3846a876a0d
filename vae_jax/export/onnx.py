"""ONNX files of the registered networks, written node by node.

Converters from JAX were tried: jax2onnx pins Orbax to a version too old for our checkpoints, and onnxruntime refuses
what it makes of a batch of examples.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vae_jax.errors import InputError
from vae_jax.export.format import FORMATS
from vae_jax.export.graph import Graph, graphs_of
from vae_jax.trained.model import Trained
from vae_jax.writing import replace_file

OPSET, IR = 17, 8


@FORMATS.register("onnx")
def onnx(model: Trained, folder: Path, run: Path) -> list[Path]:
    """encoder.onnx (x to mean and log σ² of q(z|x)) and decoder.onnx (z to the mean of p(x|z)), for any batch size.

    Args:
      model: dense, linear or conv, without labels.
      folder: where to write them.
      run: not used.

    Returns:
      The files written.

    Raises:
      InputError: the `onnx` package is not installed, or the model has parts that no operations here cover.
    """
    try:
        import onnx as library
    except ImportError:
        raise InputError("--to onnx needs its package; pip install 'vae-jax[export]'.") from None
    encoder, decoder = graphs_of(model, "--to onnx", "use --to stablehlo")
    shape, code = model.shape, (model.latent,)
    outputs = {"mean": code} | ({} if model.is_point else {"log_var": code})
    files = folder / "encoder.onnx", folder / "decoder.onnx"
    _write(library, encoder, files[0], {"x": shape}, outputs)
    _write(library, decoder, files[1], {"z": code}, {"x": shape})
    return list(files)


def _write(
    library: Any,
    graph: Graph,
    path: Path,
    inputs: Mapping[str, tuple[int, ...]],
    outputs: Mapping[str, tuple[int, ...]],
) -> None:
    """Check the graph and write it."""
    make = library.helper

    def values(named: Mapping[str, tuple[int, ...]]) -> list[Any]:
        kind = library.TensorProto.FLOAT
        return [make.make_tensor_value_info(name, kind, ["n", *shape]) for name, shape in named.items()]

    nodes = [make.make_node(node.kind, node.inputs, node.outputs, **node.attributes) for node in graph.nodes]
    weights = [library.numpy_helper.from_array(array, name) for name, array in graph.weights.items()]
    whole = make.make_graph(nodes, path.stem, values(inputs), values(outputs), weights)
    file = make.make_model(whole, opset_imports=[make.make_opsetid("", OPSET)], ir_version=IR)
    library.checker.check_model(file, full_check=True)
    replace_file(path, file.SerializeToString())
