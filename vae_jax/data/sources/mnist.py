"""MNIST and its relatives through tensorflow-datasets, without TensorFlow.

The stock builders read their files with TensorFlow. These subclasses keep the rest of the builder (name, version,
URLs and checksums) and read with NumPy. A prepared set is stored where TFDS keeps its own (`TFDS_DATA_DIR`, else
`~/tensorflow_datasets`).
"""

import gzip
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax.data.dataset import DATASETS, Dataset
from vae_jax.data.sources.tfds import load_builder


def _read(path: Path) -> bytes:
    data = Path(path).read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def read_idx(path: Path) -> np.ndarray:
    """An array in the IDX format of the MNIST files: two zero bytes, type 8 (uint8), rank, sizes big-endian, data."""
    data = _read(path)
    rank = data[3]
    shape = np.frombuffer(data, ">i4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def read_amat(path: Path) -> np.ndarray:
    """Larochelle's text format: one image per line, space-separated zeros and ones -> `[n, 28, 28]` uint8."""
    text = np.frombuffer(_read(path), np.uint8)
    return (text[(text == ord("0")) | (text == ord("1"))] - ord("0")).reshape(-1, 28, 28)


def _without_tensorflow(name: str, files: dict[str, dict[str, str]]) -> Any:
    """Makes the TFDS builder of `name`, reading without TensorFlow; `files` is split -> {"image": …, "label": …}."""
    import tensorflow_datasets as tfds
    from PIL import Image

    stock: Any = tfds.builder_cls(name)
    urls = {info.filename: url for url, info in stock.url_infos.items()}

    class Builder(stock, skip_registration=True):  # pyright: ignore[reportGeneralTypeIssues, reportCallIssue]
        url_infos = stock.url_infos  # the checksums; TFDS would look for them next to this file

        def _info(self):
            info = super()._info()
            return tfds.core.DatasetInfo(builder=self, features=info.features, disable_shuffling=True)

        def _split_generators(self, dl_manager):
            wanted = {split: {part: urls[file] for part, file in parts.items()} for split, parts in files.items()}
            return {split: self._generate_examples(**paths) for split, paths in dl_manager.download(wanted).items()}

        def _generate_examples(self, image, label=None):
            images = read_amat(image) if label is None else read_idx(image)
            labels = None if label is None else read_idx(label)
            for i, pixels in enumerate(images):
                record = {"image": Image.fromarray(pixels)}
                yield i, record if labels is None else {**record, "label": int(labels[i])}

    Builder.name = name
    made: Any = Builder
    return partial(made, file_format="array_record")


_IDX = {
    split: {"image": f"{prefix}-images-idx3-ubyte.gz", "label": f"{prefix}-labels-idx1-ubyte.gz"}
    for split, prefix in (("train", "train"), ("test", "t10k"))
}
_AMAT = {
    split: {"image": f"binarized_mnist_{file}.amat"}
    for split, file in (("train", "train"), ("validation", "valid"), ("test", "test"))
}


@DATASETS.register("mnist", epochs=15)
def mnist(manual_dir: Path | None = None) -> Dataset:
    """60,000 + 10,000 handwritten digits, 28x28 grey, 10 classes (LeCun et al. 1998)."""
    return load_builder(_without_tensorflow("mnist", _IDX), manual_dir)


@DATASETS.register("fashion_mnist", epochs=15)
def fashion_mnist(manual_dir: Path | None = None) -> Dataset:
    """60,000 + 10,000 pictures of clothes, 28x28 grey, 10 classes (Xiao et al. 2017)."""
    return load_builder(_without_tensorflow("fashion_mnist", _IDX), manual_dir)


@DATASETS.register("binarized_mnist", epochs=15)
def binarized_mnist(manual_dir: Path | None = None) -> Dataset:
    """MNIST binarised once: 50,000 / 10,000 / 10,000, no labels (Larochelle & Murray 2011)."""
    return load_builder(_without_tensorflow("binarized_mnist", _AMAT), manual_dir)
