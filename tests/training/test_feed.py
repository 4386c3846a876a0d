"""Examples that are streamed are those that lie on the devices, in the same order and with the same numbers."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from recipes import recipe_of

from vae_jax import training
from vae_jax.data import Examples
from vae_jax.data.streaming import read_ahead
from vae_jax.errors import InputError
from vae_jax.models import NETWORKS, VAE, NetworkConfig
from vae_jax.training import feed, lay_out
from vae_jax.training.layout import BATCH

IMAGES = 90
DATA = Examples(
    np.random.RandomState(0).randint(0, 256, (IMAGES, 8, 8, 1)).astype(np.uint8), np.arange(IMAGES, dtype=np.int32) % 3
)


def words(recipe, data=DATA, **how):
    found = training.fit(recipe, training.grid(recipe), data, epochs=2, progress=False, **how)
    return [(jax.device_get(word.population.states()), word.metrics) for word in found]


def allow(monkeypatch, steps, recipe, pixels=64):
    """Let a part have so many steps."""
    memory = (steps + 0.5) * recipe.batch_size * pixels / feed.PART_SHARE
    monkeypatch.setattr(feed, "device_memory", lambda devices: memory)


@pytest.mark.parametrize("most", [1, 3, 4, 5])
@pytest.mark.parametrize("images", [8, 16, 56, 88])
def test_no_part_is_a_single_step(most, images, monkeypatch):
    recipe, layout = recipe_of("vae", shape=(8, 8, 1)), lay_out(1, jax.devices()[:1])
    allow(monkeypatch, most, recipe)
    streamed = feed.Streamed(recipe, layout, Examples(DATA.x[:images]))
    monkeypatch.setattr(streamed, "_order", lambda key, index: np.arange(images).reshape(-1, 8))
    parts = list(streamed.parts(0, [None]))
    steps = [part.steps for part in parts]
    assert sum(steps) == images // 8 and min(steps) > 1 - (images == 8)
    assert [part.first for part in parts] == np.cumsum([0, *steps[:-1]]).tolist()
    if images // 8 > 1:
        assert max(steps) <= max(most, 3) or len(steps) == 1


@pytest.mark.slow
def test_convolutions_have_the_same_numbers_with_the_optimisations_of_xla(monkeypatch):
    networks = NETWORKS["conv"].build(NetworkConfig((8, 8, 1), 2, (8,)))
    recipe = training.Recipe(model=VAE(*networks), batch_size=8)
    allow(monkeypatch, 4, recipe)
    jax.tree.map(np.testing.assert_array_equal, words(recipe), words(recipe, stream=True))


def test_skipped_steps_are_judged_alike(monkeypatch):
    """A step that is not finite, the last of an epoch that has no divisor, ends neither run."""
    x = DATA.x.astype(np.float32) / 255
    x[5] = np.nan
    recipe = replace(recipe_of("vae", shape=(8, 8, 1)), skip_nonfinite=True)
    both = [words(recipe, Examples(x), stream=stream) for stream in (False, True)]
    assert len(both[0]) == 2
    jax.tree.map(np.testing.assert_array_equal, *both)


@pytest.mark.parametrize("name", ["vae", "beta-tc", "cvae"])  # of an example, of a batch and its data, of a label
def test_the_numbers_are_those_of_data_on_the_device(name, monkeypatch):
    recipe = recipe_of(name, shape=(8, 8, 1))
    allow(monkeypatch, 4, recipe)
    assert training.steps_per_epoch(recipe, DATA) == 11  # in parts of 4, 4 and 3 steps
    jax.tree.map(np.testing.assert_array_equal, words(recipe), words(recipe, stream=True))


def test_devices_that_share_a_batch_have_its_parts():
    recipe = recipe_of("vae", shape=(8, 8, 1))
    layout = lay_out(1, jax.devices()[:2], over=BATCH)
    ((batches,),) = next(iter(feed.Streamed(recipe, layout, DATA).parts(0, [key_data(recipe, layout)]))).inputs
    assert batches.x.sharding.shard_shape(batches.x.shape)[1] == recipe.batch_size // 2
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    jax.tree.map(close, words(recipe), words(recipe, stream=True, layout=layout))


def key_data(recipe, layout):
    (key,) = layout.place(jax.random.key_data(training.grid(recipe).keys))
    return key


def test_a_set_three_times_as_large_as_the_memory_is_never_there(tmp_path, monkeypatch):
    """A memory-mapped file of 30 MB, parts of 0.5 MB: all that lives on the devices stays below a third of it."""
    np.save(tmp_path / "x.npy", np.random.RandomState(0).randint(0, 256, (20_000, 39, 39, 1)).astype(np.uint8))
    data = Examples(np.load(tmp_path / "x.npy", mmap_mode="r"))
    recipe = recipe_of("vae", shape=(39, 39, 1), batch_size=200)
    allow(monkeypatch, 3, recipe, 39 * 39)
    living, one_ahead = [], feed._one_ahead

    def watched(parts):
        for part in one_ahead(parts):
            living.append(sum(array.nbytes for array in jax.live_arrays()))
            yield part

    monkeypatch.setattr(feed, "_one_ahead", watched)
    before = sum(array.nbytes for array in jax.live_arrays())
    words(recipe, data, stream=True)
    assert len(living) > 60 and max(living) - before < data.x.nbytes / 3


def test_several_models_do_not_stream():
    recipe = recipe_of("vae", shape=(8, 8, 1))
    with pytest.raises(InputError, match="one model at a time"):
        next(training.fit(recipe, training.grid(recipe, seeds=2), DATA, epochs=1, stream=True, progress=False))


def test_reading_ahead_keeps_the_order_and_reads_no_more_than_it_must(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(1000, dtype=np.float32)[:, None])
    data = Examples(np.load(tmp_path / "x.npy", mmap_mode="r"))
    order = [np.random.RandomState(i).permutation(1000)[:12].reshape(3, 4) for i in range(30)]
    found = list(read_ahead(data, order))
    assert all(np.array_equal(a.x[..., 0], b) and a.y is None for a, b in zip(found, order, strict=True))
