"""What numbers mean: the same at every door, for every likelihood, whatever dtype holds them."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from vae_jax import data
from vae_jax.data.streaming import read_ahead
from vae_jax.distributions.base import Support
from vae_jax.errors import InputError
from vae_jax.explore.session import Explored
from vae_jax.models import LIKELIHOODS
from vae_jax.runs import Config, build
from vae_jax.trained import Trained

RANDOM = np.random.RandomState(0)
DTYPES = (bool, np.uint8, np.int8, np.uint16, np.int32, np.int64, np.float16, np.float32, np.float64)
YES_OR_NO = RANDOM.randint(0, 2, (60, 6))
MASKS = RANDOM.randint(0, 2, (60, 4, 4, 1))
COUNTS = RANDOM.poisson(3, (60, 6))
LEVELS = RANDOM.randint(0, 256, (60, 4, 4, 1)).astype(np.uint8)


def untrained(path: Path, likelihood: str, **flags) -> Trained:
    made = build(Config(data=str(path), likelihood=likelihood, hidden=(8,), latent=2, batch_size=8, **flags))
    x = made.recipe.preprocessed(jax.random.key(0), made.data.train.x[:1])[0]
    return Trained(made, made.recipe.model.init(jax.random.key(0), x))


def seen(model: Trained, x: np.ndarray) -> np.ndarray:
    return np.asarray(model.recipe.preprocessed(jax.random.key(0), jnp.asarray(x)))


def ordered(x: np.ndarray) -> np.ndarray:
    """The rows of the training part of a file, as `split` deals them."""
    return data.split("x", data.Examples(x), validation=0.1, test=0.1).train.x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_0_and_1_are_0_and_1(likelihood, dtype, tmp_path):
    """A file of one dtype; its model gives every other dtype of the same numbers the same code, at each door."""
    shapes = [YES_OR_NO] if dtype in (np.int8, np.uint16, np.int32, np.int64) else [YES_OR_NO, MASKS]
    for numbers in shapes:
        np.save(tmp_path / "x.npy", numbers.astype(dtype))
        model = untrained(tmp_path / "x.npy", likelihood)
        np.testing.assert_array_equal(seen(model, model.data.train.x), ordered(numbers))
        (streamed,) = read_ahead(model.data.train, [np.arange(5)])
        np.testing.assert_array_equal(seen(model, streamed.x), ordered(numbers)[:5])
        kept = ordered(numbers)[:5]
        expected = model.codes(data.Examples(jnp.asarray(model.data.train.x[:5])), jax.random.key(0)).mean
        for other in DTYPES:
            np.testing.assert_allclose(model.encode(kept.astype(other)).mean, expected, rtol=1e-5, atol=1e-6)
        stored = model.encode(model.data.train.x[:5]).mean
        np.testing.assert_allclose(stored, expected, rtol=1e-5, atol=1e-6)
        if model.images:
            explored = Explored(model).encode(model.data.train.x[:5]).mean
            np.testing.assert_allclose(explored, expected, rtol=1e-5, atol=1e-6)


COUNTING = [name for name, entry in LIKELIHOODS.items() if entry.support is Support.COUNTS]


@pytest.mark.parametrize("dtype", DTYPES[1:])
@pytest.mark.parametrize("likelihood", COUNTING)
def test_counts_are_counts(likelihood, dtype, tmp_path):
    np.save(tmp_path / "x.npy", COUNTS.astype(dtype))
    model = untrained(tmp_path / "x.npy", likelihood)
    np.testing.assert_array_equal(seen(model, model.data.train.x), ordered(COUNTS))
    expected = model.encode(COUNTS[:5].astype(np.float32)).mean
    for other in DTYPES[1:]:
        np.testing.assert_array_equal(model.encode(COUNTS[:5].astype(other)).mean, expected)
    for wrong in (COUNTS[:5] + 0.5, COUNTS[:5] - 20, np.full((2, 6), 2.0**25)):
        with pytest.raises(InputError, match="expected whole numbers from 0"):
            model.encode(wrong)


@pytest.mark.parametrize(
    ("likelihood", "dtype"),
    [
        (likelihood, dtype)
        for likelihood in LIKELIHOODS
        for dtype in ((np.uint8,) if likelihood in COUNTING else (np.uint8, np.float32, np.float64))
    ],
)
def test_levels_are_shares_of_255(likelihood, dtype, tmp_path):
    counting = likelihood in COUNTING
    x = LEVELS if dtype == np.uint8 else (LEVELS / 255).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    model = untrained(tmp_path / "x.npy", likelihood)
    scale = 1 if counting else 255
    np.testing.assert_allclose(seen(model, model.data.train.x), ordered(LEVELS / scale), atol=1e-7)
    same = [LEVELS[:5], LEVELS[:5].astype(int)] + ([] if counting else [LEVELS[:5] / 255])
    for other in same:
        np.testing.assert_allclose(model.encode(other).mean, model.encode(LEVELS[:5]).mean, rtol=1e-5, atol=1e-6)
    wrong = [LEVELS[:5].astype(int) - 9] + ([] if counting else [LEVELS[:5].astype(int) + 200, LEVELS[:5] / 100])
    for other in wrong:
        with pytest.raises(InputError, match="expected"):
            model.encode(other)


@pytest.mark.parametrize("likelihood", [name for name in LIKELIHOODS if name not in COUNTING])
def test_a_model_refuses_rows_that_its_loader_refuses(likelihood, tmp_path):
    """Numbers outside [0, 1], where the likelihood is of numbers inside."""
    np.save(tmp_path / "x.npy", RANDOM.rand(60, 6))
    np.save(tmp_path / "wide.npy", 3 * RANDOM.rand(60, 6))
    model = untrained(tmp_path / "x.npy", likelihood)
    if LIKELIHOODS[likelihood].support is Support.REAL:
        assert model.encode(np.full((1, 6), 3.0)).mean.shape == (1, 2)
        return
    with pytest.raises(InputError):
        untrained(tmp_path / "wide.npy", likelihood)
    with pytest.raises(InputError, match="expected float in"):
        model.encode(np.full((1, 6), 3.0))


def test_black_and_white_is_said_and_so_is_almost_black(tmp_path, capsys):
    np.savez(tmp_path / "masks.npz", x=MASKS.astype(np.uint8))
    loaded = data.load(str(tmp_path / "masks.npz"))
    assert loaded.train.x.max() == 255 and "only 0 and 1: taken as black and white" in capsys.readouterr().err
    np.savez(tmp_path / "levels.npz", x=LEVELS)
    model = untrained(tmp_path / "levels.npz", "bernoulli")
    model.encode(MASKS[:5].astype(np.uint8))
    assert "almost black. If 1 is white, give it as bool." in capsys.readouterr().err


@pytest.mark.parametrize("deep", [False, True])
def test_masks_in_a_folder_of_images(deep, tmp_path):
    for i, mask in enumerate(MASKS[..., 0]):
        Image.fromarray(mask.astype(np.uint16 if deep else np.uint8)).save(tmp_path / f"{i:03d}.png")
    found = data.load(str(tmp_path))
    np.testing.assert_array_equal(found.train.x, ordered(MASKS) * 255)


def test_one_message_shows_every_digit_that_it_objects_to():
    x = np.full((5, 2, 2, 1), 0.5, np.float32)
    x[3] = 1.0000001
    with pytest.raises(InputError, match=r"1\.00000012 is outside.*np\.clip"):
        data.checked(x, None, "x")


@pytest.mark.parametrize("standardise", [False, True])
def test_an_offset_that_float32_cannot_hold(standardise, tmp_path):
    np.save(tmp_path / "x.npy", 1e9 + RANDOM.rand(60, 3))
    if standardise:
        assert abs(data.load(str(tmp_path / "x.npy"), standardise=True).train.x.std() - 1) < 1e-5
        return
    with pytest.raises(InputError, match=r"feature 0 goes from 1000000000.* pass `standardise`"):
        data.load(str(tmp_path / "x.npy"))


@pytest.mark.parametrize(
    ("column", "plain", "standardised"),
    [
        (2**60 + np.arange(60), "loses its spread", "float64 loses its spread; subtract the offset"),
        (-(2**62) + np.arange(60), "loses its spread", "float64 loses its spread"),
        (np.uint64(2**63) + np.arange(60, dtype=np.uint64), "loses its spread", "float64 loses its spread"),
        (2**25 + np.arange(60), "loses its spread", None),
        (2**24 - np.arange(60), None, None),
        (np.where(np.arange(60) % 2, 2**62, -(2**62)), None, None),
        (1e-300 * np.arange(60), "too small a spread", "too small a spread for float32; multiply it"),
        (1 + 1e-9 * np.arange(60), "loses its spread", None),
        (np.full(60, 2**60), None, None),
        (np.full(60, 0.1), None, None),
    ],
)
def test_a_feature_that_rounding_would_flatten_is_refused(column, plain, standardised, tmp_path):
    np.save(tmp_path / "x.npy", np.stack([np.arange(60).astype(column.dtype), column], 1))
    for standardise, said in ((False, plain), (True, standardised)):
        if said:
            with pytest.raises(InputError, match=f"feature 1 goes from .*{said}"):
                data.load(str(tmp_path / "x.npy"), standardise=standardise)
        else:
            spread = data.load(str(tmp_path / "x.npy"), standardise=standardise).train.x[:, 1].std()
            assert (spread > 0) == (len(set(column.tolist())) > 1)


def test_a_standardised_model_can_be_compiled_and_differentiated(tmp_path):
    random = np.random.RandomState(0)  # its own: near another x lies the kink of a ReLU
    np.save(tmp_path / "x.npy", 40 + 5 * random.randn(60, 3))
    model = untrained(tmp_path / "x.npy", "gaussian", standardise=True)
    x = jnp.asarray(40 + 5 * random.randn(2, 3), jnp.float32)
    np.testing.assert_allclose(jax.jit(lambda x: model.encode(x).mean)(x), model.encode(x).mean, rtol=1e-4, atol=1e-5)
    slope = jax.jacobian(lambda x: model.encode(x).mean)(x)
    step = 1e-2 * np.eye(3, dtype=np.float32)[:1]
    moved = (model.encode(x + step).mean - model.encode(x - step).mean) / 2e-2
    np.testing.assert_allclose(slope[jnp.arange(2), :, jnp.arange(2), 0], moved, rtol=2e-2, atol=1e-3)


def test_16_bit_images_that_8_bits_would_not_tell_apart_are_refused(tmp_path):
    """From 256 to 511, the upper byte is 0 or 1, which is no mask."""
    for i in range(12):
        deep = RANDOM.randint(0, 300, (4, 4)).astype(np.uint16)
        Image.fromarray(deep).save(tmp_path / f"{i:03d}.png")
    with pytest.raises(InputError, match="16-bit images go up to 29"):
        data.load(str(tmp_path))
