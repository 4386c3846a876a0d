"""The table of optimisers that `--optimizer` chooses from: learning rate -> optax transformation."""

from collections.abc import Callable
from typing import Any

import optax


def centred_rmsprop(learning_rate: Any) -> optax.GradientTransformation:
    """RMSprop over the gradient's standard deviation, with PyTorch's constants: decay 0.99, ε = 1e-8 beside the root.

    Reference: Graves, *Generating sequences with recurrent neural networks*, 2013, eqs. 38–45, without momentum.
    """
    return optax.rmsprop(learning_rate, decay=0.99, eps=1e-8, eps_in_sqrt=False, centered=True)


OPTIMIZERS: dict[str, Callable[[Any], optax.GradientTransformation]] = {
    "adam": optax.adam,
    "rmsprop": centred_rmsprop,
}
