"""What is said of a data set before it is trained on, and what is called unlikely."""

import numpy as np
import pytest

from vae_jax import data
from vae_jax.data.description import describe
from vae_jax.data.understood import understood

RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.randint(0, 256, (40, 6, 6, 1)).astype(np.uint8)


def said(x: np.ndarray, y: np.ndarray | None = None, *, counts: bool = False) -> list[str]:
    made = data.split("mine", data.checked(x, y, "mine"), validation=0.1, test=0.1)
    return understood(made, describe(made, counts=counts))


def test_the_first_line_says_how_many_of_what():
    (line,) = said(IMAGES, np.arange(40) % 2)
    assert line == (
        "mine: 32 + 4 + 4 images (training, validation, test) of 6×6, 1 channel; grey levels from 0 to 255; "
        "2 classes: 0 20, 1 20."
    )
    (line,) = said(RANDOM.rand(50, 3).astype(np.float32) * 0 + np.arange(3, dtype=np.float32))
    assert line == "mine: 40 + 5 + 5 rows (training, validation, test) of 3 features; features from 0 to 2; no labels."
    assert "8 classes of 5 each." in said(IMAGES, np.arange(40) % 8)[0]
    assert "black and white" in said(IMAGES > 99)[0] and "counts from" in said(IMAGES[:, :, 0, 0], counts=True)[0]


UNLIKELY = {
    "np.moveaxis(x, 1, -1)": lambda: said(np.moveaxis(np.repeat(IMAGES, 3, -1), -1, 1)),
    "every number is 7; there is nothing to learn": lambda: said(np.full_like(IMAGES, 7)),
    "no number is above 15 of 255": lambda: said(IMAGES // 16),
    "no number is above 0.0": lambda: said(IMAGES / 255.0 / 255.0),
    "all training examples have one class": lambda: said(IMAGES, np.zeros(40, int)),
    "labels go up to 5,000 and 2 of them occur": lambda: said(IMAGES, np.where(np.arange(40) % 2, 5000, 3)),
}


@pytest.mark.parametrize("words", UNLIKELY)
def test_what_is_unlikely_is_named(words):
    assert any(words in line for line in UNLIKELY[words]()[1:])


def test_nothing_is_unlikely_of_what_is_usual():
    for x in (IMAGES, IMAGES > 99, IMAGES / 255.0, np.repeat(IMAGES, 3, -1), RANDOM.randn(50, 4) * 1e-3):
        assert len(said(x)) == 1
