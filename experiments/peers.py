# pyright: reportMissingImports=false
"""The programs that `benchmark.py` is held against: the same networks, batches and steps in PyTorch and in pythae.

Needs `pip install -e '.[benchmark]'`. All take images as floats in memory, their best case; ours takes them as bytes.
"""

import contextlib
import gzip
import io
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax.errors import InputError

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError:
    raise InputError("the benchmark's peers need PyTorch; pip install -e '.[benchmark]'.") from None

torch.set_num_threads(os.cpu_count() or 1)
torch.set_float32_matmul_precision("high")  # on GPUs, products as JAX takes them; on CPUs it changes nothing
torch.backends.cudnn.benchmark = True  # of its convolutions, the fastest for these shapes
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class DenseVAE(nn.Module):
    """784-400-20, the classic MNIST program."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(784, 400), nn.Linear(20, 400)
        self.mean, self.log_var, self.output = nn.Linear(400, 20), nn.Linear(400, 20), nn.Linear(400, 784)

    def loss(self, x: Any) -> Any:
        """−ELBO, the mean over a batch `[n, 784]`."""
        h = functional.relu(self.encoder(x))
        return _negative_elbo(x, self.mean(h), self.log_var(h), self.decode)

    def decode(self, z: Any) -> Any:
        """Logits."""
        return self.output(functional.relu(self.decoder(z)))


class BurgessVAE(nn.Module):
    """Burgess et al. 2018, appendix A, for square grey images of 32 or 64 pixels; 10 latents."""

    def __init__(self, side: int):
        super().__init__()
        layers = side.bit_length() - 3
        down = [nn.Conv2d(1 if i == 0 else 32, 32, 4, 2, 1) for i in range(layers)]
        up = [nn.ConvTranspose2d(32, 1 if i == layers - 1 else 32, 4, 2, 1) for i in range(layers)]
        rectified = [part for layer in down for part in (layer, nn.ReLU())]
        into = [nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 20)]
        self.encoder = nn.Sequential(*rectified, nn.Flatten(), *into)
        out = [nn.Linear(10, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 512), nn.ReLU()]
        painted = [part for layer in up for part in (layer, nn.ReLU())][:-1]
        self.decode = nn.Sequential(*out, nn.Unflatten(1, (32, 4, 4)), *painted)

    def loss(self, x: Any) -> Any:
        """−ELBO, the mean over a batch `[n, 1, side, side]`."""
        mean, log_var = self.encoder(x).chunk(2, 1)
        return _negative_elbo(x, mean, log_var, self.decode)


def _negative_elbo(x: Any, mean: Any, log_var: Any, decode: Callable) -> Any:
    z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
    distortion = functional.binary_cross_entropy_with_logits(decode(z), x, reduction="sum")
    rate = -0.5 * torch.sum(1 + log_var - mean.square() - log_var.exp())
    return (distortion + rate) / len(x)


def by_index(images: Any, batch: int) -> Iterator[Any]:
    """Shuffled batches by indexing one tensor."""
    order = torch.randperm(len(images), device=images.device)
    for start in range(0, len(images) - batch + 1, batch):
        yield images[order[start : start + batch]]


def by_loader(images: Any, batch: int) -> Iterator[Any]:
    """Shuffled batches from PyTorch's DataLoader over a tensor in memory."""
    data = torch.utils.data.TensorDataset(images)
    for (x,) in torch.utils.data.DataLoader(data, batch_size=batch, shuffle=True, drop_last=True):
        yield x


def epoch_of(model: Any, images: np.ndarray, batch: int, batches: Callable, *, last: bool = False) -> Callable:
    """A function that trains one epoch with Adam. `last` lays images and weights out with their channels last."""
    layout: Any = {"memory_format": torch.channels_last} if last else {}
    model = model.to(DEVICE, **layout)
    tensor = torch.from_numpy(images.astype(np.float32) / 255).to(DEVICE).contiguous(**layout)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def epoch() -> float:
        loss = torch.zeros((), device=DEVICE)
        for x in batches(tensor, batch):
            optimizer.zero_grad(set_to_none=True)
            loss = model.loss(x)
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    return epoch


def _pythae_model() -> Any:
    """The dense net as a pythae VAE."""
    try:
        from pythae.models import VAE, VAEConfig
        from pythae.models.base.base_utils import ModelOutput
        from pythae.models.nn import BaseDecoder, BaseEncoder
    except ImportError:
        raise InputError("the benchmark's peers need pythae; pip install -e '.[benchmark]'.") from None

    class Encoder(BaseEncoder):
        def __init__(self):
            BaseEncoder.__init__(self)
            self.hidden, self.mean, self.log_var = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)

        def forward(self, x):
            h = functional.relu(self.hidden(x.reshape(-1, 784)))
            return ModelOutput(embedding=self.mean(h), log_covariance=self.log_var(h))

    class Decoder(BaseDecoder):
        def __init__(self):
            BaseDecoder.__init__(self)
            self.hidden, self.output = nn.Linear(20, 400), nn.Linear(400, 784)

        def forward(self, z):
            h = torch.sigmoid(self.output(functional.relu(self.hidden(z))))
            return ModelOutput(reconstruction=h.reshape(-1, 1, 28, 28))

    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=20, reconstruction_loss="bce")
    return VAE(config, encoder=Encoder(), decoder=Decoder())


def pythae_epoch(images: np.ndarray, batch: int) -> Callable:
    """A function that trains the dense net for one epoch with pythae's trainer."""
    model = _pythae_model()
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    x = torch.from_numpy(images.reshape(-1, 1, 28, 28).astype(np.float32) / 255)
    data = BaseDataset(x, torch.zeros(len(x)))

    def epoch() -> None:
        said = io.StringIO()
        with (
            tempfile.TemporaryDirectory() as folder,
            contextlib.redirect_stderr(said),
            contextlib.redirect_stdout(said),
        ):
            logging.disable(logging.CRITICAL)
            chosen = BaseTrainerConfig(
                output_dir=folder,
                num_epochs=1,
                per_device_train_batch_size=batch,
                learning_rate=1e-3,
                no_cuda=DEVICE == "cpu",
            )
            BaseTrainer(model, train_dataset=data, training_config=chosen).train()
            logging.disable(logging.NOTSET)

    return epoch


def pythae_likelihood(images: np.ndarray, samples: int) -> Callable:
    """A function that estimates log p(x) with pythae's `get_nll`, of a model as `pythae_epoch` trains it."""
    model, x = _pythae_model().to(DEVICE), torch.from_numpy(images.reshape(-1, 1, 28, 28).astype(np.float32) / 255)
    x = x.to(DEVICE)

    def estimate() -> None:
        with torch.no_grad():
            model.get_nll(x, n_samples=samples, batch_size=100)

    return estimate


def classic(folder: Path, epochs: int) -> None:
    """The classic MNIST script: trains `DenseVAE`, its data in memory, and prints the test loss after each epoch."""

    def images(name: str) -> np.ndarray:
        raw = gzip.decompress((folder / f"{name}-images-idx3-ubyte.gz").read_bytes())
        return np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 784)

    model, test = DenseVAE(), torch.from_numpy(images("t10k").astype(np.float32) / 255).to(DEVICE)
    epoch = epoch_of(model, images("train"), 128, by_index)
    for index in range(epochs):
        epoch()
        with torch.no_grad():
            print(f"epoch {index + 1}: test loss {float(model.loss(test)):.2f}")


if __name__ == "__main__":
    classic(Path(sys.argv[1]), int(sys.argv[2]))
