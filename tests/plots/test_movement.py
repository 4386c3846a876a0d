"""The moving picture: what moves, what is written below it, and that it reads as it is meant."""

import numpy as np
import pytest
from PIL import Image
from scripts import script

from vae_jax.errors import InputError
from vae_jax.plots.movement import ACCENT, BAR, CELL, LatentCell, ModelRow, moving_rows, swing


def colour(hexadecimal: str) -> tuple[int, ...]:
    return tuple(int(hexadecimal[i : i + 2], 16) for i in (1, 3, 5))


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_images_move_and_words_do_not(tmp_path, channels):
    level = (1 + swing(8, 1.0)) / 2
    images = np.ones((8, 4, 4, channels), np.float32) * level[:, None, None, None]
    row = ModelRow(
        "β = 8", ["rate 3.0 nats"], [LatentCell(images, "size", 0.97, "R² 0.97"), LatentCell(images, "unused", 0.0, "")]
    )
    path = moving_rows([row, row], tmp_path / "new" / "moving.webp", title="one latent at a time")
    with Image.open(path) as picture:
        assert getattr(picture, "n_frames", 1) == 8 and picture.info["loop"] == 0
    still = np.asarray(Image.open(path.with_suffix(".png")))
    where = np.argwhere((still == colour(ACCENT)).all(-1))
    assert len(where) >= 2 * BAR * 0.97 * CELL  # a green bar in each row, and a green word
    assert still[where[:, 0].min() - 10, where[:, 1].min() + 10].tolist() == [255] * 3  # white: at its largest


@pytest.mark.parametrize(
    "rows", [[], [ModelRow("β", [], [])], [ModelRow("β", [], [LatentCell(np.ones((1, 4, 4, 1)), "a", 0, "")] * 200)]]
)
def test_what_is_no_picture_is_refused_before_it_is_drawn(rows, tmp_path):
    with pytest.raises(ValueError, match="expected"):
        moving_rows(rows, tmp_path / "moving.webp", title="")
    assert not list(tmp_path.iterdir())


def test_a_swing_has_no_seam():
    values = swing(40, 2.0)
    assert values[0] == 0 and values.max() == pytest.approx(2) and values.min() == pytest.approx(-2)
    assert abs(values[-1] - values[0]) == pytest.approx(abs(values[1] - values[0]), rel=1e-5)


def test_a_latent_is_called_by_what_it_follows():
    named = script("traverse").named
    assert named(("wall hue", 0.95), 2.0) == ("wall hue", 0.95, "R² 0.95")
    assert named(("", 0.4), 2.0) == ("mixed", 0.4, "R² 0.40")
    assert named(("wall hue", 0.95), 0.05) == ("unused", 0.0, "")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"loss": "ae"}, "expected one with a β"),
        ({"loss": "cvae"}, "without labels"),
        ({"data": "digits"}, "no known factors"),
        ({"data": "sprites32", "image": -1}, "--image -1"),
        ({"vary": ("latent=2,3",)}, "nothing else is varied"),
    ],
)
def test_what_cannot_be_drawn_is_said_before_training(flags, said, monkeypatch):
    traverse = script("traverse")
    monkeypatch.setattr(traverse.sweep, "main", lambda config: pytest.fail("it trains"))
    with pytest.raises(InputError, match=said):
        traverse.main(traverse.TraverseConfig(**flags))
