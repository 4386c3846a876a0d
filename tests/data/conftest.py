"""Files of published sets, made here, small."""

import hashlib

import numpy as np
import pytest
from idx import idx


@pytest.fixture
def tfds_files(tmp_path, monkeypatch):
    """Small files in the original formats, registered with their own checksums, and a TFDS folder of their own."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import checksums

    source = tmp_path / "source"
    source.mkdir()
    random = np.random.RandomState(0)
    contents, truth = {}, {}
    for prefix, n in (("train", 120), ("t10k", 20)):
        images = random.randint(0, 256, (n, 28, 28)).astype(np.uint8)
        labels = (np.arange(n) % 10).astype(np.uint8)
        truth[prefix] = images, labels
        contents[f"{prefix}-images-idx3-ubyte.gz"] = idx(images)
        contents[f"{prefix}-labels-idx1-ubyte.gz"] = idx(labels)
    for part, n in (("train", 30), ("valid", 10), ("test", 10)):
        images = random.randint(0, 2, (n, 784))
        truth[f"binarized {part}"] = images
        text = "\n".join(" ".join(map(str, row)) for row in images) + "\n"
        contents[f"binarized_mnist_{part}.amat"] = text.encode()
    for name, content in contents.items():
        (source / name).write_bytes(content)
    for name in ("mnist", "binarized_mnist"):
        builder = tfds.builder_cls(name)
        infos = {
            url: checksums.UrlInfo(
                size=len(contents[info.filename]),
                checksum=hashlib.sha256(contents[info.filename]).hexdigest(),
                filename=info.filename,
            )
            for url, info in builder.url_infos.items()
        }
        monkeypatch.setattr(builder, "url_infos", infos)
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(prepared))
    return source, truth
