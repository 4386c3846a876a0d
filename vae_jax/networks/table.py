"""The table of encoder-decoder pairs that `--model` chooses from."""

from collections.abc import Callable
from dataclasses import dataclass

import flax.linen as nn

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """One entry of `NETWORKS`.

    Attributes:
      name: what `--model` takes.
      build: `(shape, latent, hidden, outputs) -> (encoder, decoder)`; raises ValueError for a shape it cannot take.
      hidden: the widths of the hidden layers where none are given.
    """

    name: str
    build: Callable[[Shape, int, tuple[int, ...], int], tuple[nn.Module, nn.Module]]
    hidden: tuple[int, ...]

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (self.build.__doc__ or "").partition("\n")[0]


NETWORKS: dict[str, Network] = {}


def register(name: str, *, hidden: tuple[int, ...]) -> Callable:
    """Put the decorated builder into `NETWORKS` under `name`, with its default widths."""

    def enter(build):
        if name in NETWORKS:
            raise ValueError(f"a network named {name!r} exists already; choose another name.")
        NETWORKS[name] = Network(name, build, hidden)
        return build

    return enter
