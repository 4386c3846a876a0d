"""What `benchmark.py` times: jobs in groups, each with the one that it is held against. All take random images."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from vae_jax import VAE, sweep, training
from vae_jax.data import Examples
from vae_jax.data.dataset import Dataset, fingerprint
from vae_jax.evaluation import log_likelihood
from vae_jax.models import DenseDecoder, DenseEncoder
from vae_jax.models.networks import NETWORKS, NetworkConfig
from vae_jax.runs.storage.store import Store
from vae_jax.training.layout import OVER

OURS, STEPS = "vae_jax, an epoch as one program", "one jitted step a batch"
PRODUCTS = "matrix products alone"
PYTORCH, PYTHAE = "PyTorch, indexing a tensor", "pythae's trainer"
NLL = "pythae's get_nll"
SINGLE = "single epochs, one after another"
EPOCH, CHECKPOINT = "an epoch of one model", "a checkpoint, its manifest and sums"
FINGERPRINT = "the fingerprint of the data"
RESIDENT = "images on the device"
IMAGES, SAMPLES, PYTHAE_IMAGES = 100, 5000, 4  # of log p(x)


class Job(NamedTuple):
    """Something timed.

    Attributes:
      group: those that are compared with one another.
      what: its name.
      peer: the name of what it is held against.
      number: how much it does.
      unit: of what.
      run: does it.
      devices: on how many.
      memory: bytes of memory that it takes at most, if known; called after `run`.
    """

    group: str
    what: str
    peer: str
    number: int
    unit: str
    run: Callable[[], Any]
    devices: int = 1
    memory: Callable[[], int] | None = None


class Sizes(NamedTuple):
    """How much the contestants do.

    Attributes:
      images: training images of the dense network; the convolutional one takes a fifteenth at 32 pixels, a sixtieth at
        64.
      batches: batch sizes of the convolutional network.
      members: sizes of the populations.
      peers: whether PyTorch and pythae take part.
      mnist: a folder with MNIST's original files, for the MNIST command; None for none.
      out: a folder to write to.
    """

    images: int
    batches: tuple[int, ...]
    members: tuple[int, ...]
    peers: bool
    mnist: Path | None
    out: Path


def training_jobs(sizes: Sizes) -> list[Job]:
    """An epoch of each network as one program, beside the ways of others."""
    images, batch = random_images(sizes.images, 28), 128
    group, count = f"784-400-20, batch {batch}", sizes.images // batch * batch
    layers = [(batch, 784, 400), (batch, 400, 40), (batch, 20, 400), (batch, 400, 784)]
    jobs = ours(group, (DenseEncoder(20), DenseDecoder((28, 28, 1))), images, batch, PYTORCH)
    jobs.append(Job(group, PRODUCTS, PYTORCH, count, "images", products_of_training(layers, count // batch)))
    if sizes.peers:
        import peers

        flat = images.reshape(-1, 784)
        for name, batches in ((PYTORCH, peers.by_index), ("PyTorch, DataLoader", peers.by_loader)):
            run = peers.epoch_of(peers.DenseVAE(), flat, batch, batches)
            jobs.append(Job(group, name, PYTORCH, count, "images", run))
        whole = peers.pythae_epoch(images, batch)  # the last batch is smaller
        jobs.append(Job(group, PYTHAE, PYTORCH, sizes.images, "images", whole))
    for side, share in ((64, 60), (32, 15)):
        for batch in sizes.batches:
            jobs += conv_jobs(random_images(max(sizes.images // share, batch), side), batch, sizes.peers)
    return jobs


def conv_jobs(images: np.ndarray, batch: int, with_peers: bool) -> list[Job]:
    """Burgess's network: ours, PyTorch's, and its products."""
    side = images.shape[1]
    group, count = f"Burgess {side}×{side}, batch {batch}", len(images) // batch * batch
    jobs = ours(group, burgess(side), images, batch, PYTORCH)
    grids, grid = [], side
    while grid > 4:
        grid //= 2
        grids.append((batch * grid * grid, 16 * (32 if grids else 1), 32))
    layers = [*grids, (batch, 512, 256), (batch, 256, 256), (batch, 256, 20), (batch, 10, 256), (batch, 256, 256)]
    layers += [(batch, 256, 512), *((rows, 32, inner) for rows, inner, _ in reversed(grids))]
    jobs.append(Job(group, PRODUCTS, PYTORCH, count, "images", products_of_training(layers, count // batch)))
    if with_peers:
        import peers

        pixels = images.transpose(0, 3, 1, 2)
        for name, last in ((PYTORCH, False), ("PyTorch, channels last", True)):
            run = peers.epoch_of(peers.BurgessVAE(side), pixels, batch, peers.by_index, last=last)
            jobs.append(Job(group, name, PYTORCH, count, "images", run))
    return jobs


def ours(group: str, networks: Any, images: np.ndarray, batch: int, peer: str) -> list[Job]:
    """An epoch as one program; and, as Flax's examples have it, one jitted step a batch from the host."""
    epoch = epoch_job(group, OURS, peer, networks, images, batch)
    recipe = training.Recipe(model=VAE(*networks), batch_size=batch)
    members, steps = training.grid(recipe), len(images) // batch
    key, hyper = members.keys[0], members.hyper(0)
    state = jax.jit(partial(training.init, recipe))(key, Examples(images[:1]))
    step = jax.jit(partial(training.step, recipe))

    def from_the_host():
        now, order = state, np.random.permutation(len(images))
        for index in range(steps):
            now, _ = step(now, key, hyper, Examples(images[order[index * batch : (index + 1) * batch]]))
        jax.block_until_ready(now)

    return [epoch, Job(group, STEPS, peer, steps * batch, "images", from_the_host)]


def epoch_job(
    group: str, what: str, peer: str, networks: Any, images: np.ndarray, batch: int, *, epochs: int = 1
) -> Job:
    """Some epochs as one compiled program, with what the compiler says of its memory."""
    recipe = training.Recipe(model=VAE(*networks), batch_size=batch)
    members, data = training.grid(recipe), jax.device_put(Examples(images))
    key, hyper = members.keys[0], members.hyper(0)
    state = jax.jit(partial(training.init, recipe))(key, data)
    epoch = jax.jit(partial(training.epoch, recipe)).lower(state, key, hyper, data).compile()

    def run():
        now = state
        for _ in range(epochs):
            now, _ = epoch(now, key, hyper, data)
        jax.block_until_ready(now)

    count = len(images) // batch * batch * epochs
    return Job(group, what, peer, count, "images", run, memory=partial(memory_of, epoch))


def memory_of(compiled: Any) -> int:
    """Bytes that a compiled program holds at most: what goes in, what comes out, and what it works with."""
    found = compiled.memory_analysis()
    total = found.argument_size_in_bytes + found.output_size_in_bytes + found.temp_size_in_bytes
    return int(total - found.alias_size_in_bytes)


def products_of_training(layers: Sequence[tuple[int, int, int]], steps: int) -> Callable:
    """The matrix products `[rows, in] @ [in, out]` of training, forward and backward, and nothing else.

    One number is taken of each, behind a barrier: XLA would compute no more than that number otherwise.
    """
    arrays = [
        [jnp.full(shape, 1e-3) for shape in ((rows, i), (i, o), (rows, o))] for rows, i, o in layers
    ]  # x, w and the gradient of their product

    @jax.jit
    def run(arrays):
        def step(scale, _):
            total = scale
            for index, (x, w, dy) in enumerate(arrays):
                parts = [x @ (w * scale), x.T @ (dy * scale)] + ([dy @ (w * scale).T] if index else [])
                total = total + sum(part[0, 0] for part in lax.optimization_barrier(parts))
            return 1.0 + 1e-9 * total, None

        return jax.lax.scan(step, jnp.float32(1), length=steps)[0]

    return lambda: jax.block_until_ready(run(arrays))


def growth_jobs(sizes: Sizes) -> list[Job]:
    """How the speed of the MNIST program goes with its sizes, one at a time, beside the program as it is."""
    few, usual, jobs = max(sizes.images // 6, 512), "the MNIST program", []
    images = random_images(few, 28)

    def job(group: str, what: str, *, width: int = 400, latent: int = 20, batch: int = 128, data: np.ndarray = images):
        networks = DenseEncoder(latent, (width,)), DenseDecoder((28, 28, 1), (width,))
        return epoch_job(f"growth: {group}", what, usual, networks, data, batch)

    def sized(name: str, value: int) -> dict[str, Any]:
        return {name: value}

    for group, name, values in (
        ("batch", "batch", (32, 512)),
        ("width", "width", (100, 1600)),
        ("latents", "latent", (2, 200)),
    ):
        jobs += [job(group, usual), *(job(group, f"{name} {value}", **sized(name, value)) for value in values)]
    jobs += [job("data", usual), job("data", f"{sizes.images:,} images", data=random_images(sizes.images, 28))]
    return jobs


def population_jobs(sizes: Sizes) -> list[Job]:
    """Populations of the MNIST program as one program, in every layout, beside single epochs one after another."""
    recipe, data = mnist_program(sizes)
    devices, jobs = jax.local_devices(), []
    if devices[0].platform == "cpu":  # where many models take minutes
        data = Examples(data.x[: max(sizes.images // 4, recipe.batch_size)])
    single = jax.jit(partial(training.run, recipe, epochs=1))
    withins = sweep.WITHIN if devices[0].platform == "cpu" else ("vmap",)
    for n in sizes.members:
        who = sweep.grid(recipe, beta=np.geomspace(0.25, 8, n).tolist())
        group, few = f"population of {n}", min(n, 8)  # as many as show the time of one

        def one_by_one(who=who, few=few):
            return [jax.block_until_ready(single(who.keys[i], who.hyper(i), data)) for i in range(few)]

        jobs.append(Job(group, SINGLE, SINGLE, few, "models", one_by_one))
        for count in sorted({1, len(devices)}):
            for within in withins:
                for over in OVER if count > 1 else OVER[:1]:
                    how: Any = {"devices": devices[:count], "within": within, "over": over, "chunk": n}
                    run = partial(trained, recipe, who, data, **how)
                    name = f"one program, {within}" + (f", {over}" if count > 1 else "")
                    jobs.append(Job(group, name, SINGLE, n, "models", run, count))
    return jobs


def trained(recipe: Any, members: Any, data: Any, **how: Any) -> None:
    """An epoch of a population, to its end on the devices."""
    jax.block_until_ready(sweep.sweep(recipe, members, data, epochs=1, progress=False, **how).calls)


def likelihood_jobs(sizes: Sizes) -> list[Job]:
    """log p(x) of images, and two matrix products with a rectifier between them for as many codes."""
    recipe, data = mnist_program(sizes)
    images = np.asarray(data.x[:IMAGES])
    data, count = Examples(images), len(images) * SAMPLES
    params = recipe.model.init(jax.random.key(0), data.x[0] / 255.0)
    hidden, output = (params["decoder"]["params"][name]["kernel"] for name in ("Dense_0", "likelihood"))
    codes = jax.random.normal(jax.random.key(1), (1000, hidden.shape[0]))

    @jax.jit
    def products(codes):
        def step(total, shift):
            return total + jnp.sum(jax.nn.relu((codes + shift) @ hidden) @ output), None

        return jax.lax.scan(step, 0.0, jnp.arange(count // len(codes), dtype=jnp.float32))[0]

    def likelihood(samples: int):
        return log_likelihood(recipe, params, jax.random.key(2), data, num_samples=samples, progress=False)

    group, ready = f"log p(x), {SAMPLES:,} samples an image", jax.block_until_ready
    jobs = [
        Job(group, "vae_jax", PRODUCTS, count, "samples", partial(likelihood, SAMPLES)),
        Job(group, PRODUCTS, PRODUCTS, count, "samples", lambda: ready(products(codes))),
    ]
    if sizes.peers:
        import peers

        run = peers.pythae_likelihood(images[:PYTHAE_IMAGES], SAMPLES)
        jobs.append(Job(group, NLL, PRODUCTS, PYTHAE_IMAGES * SAMPLES, "samples", run))
    for samples in (SAMPLES // 50, SAMPLES // 5):
        name = f"vae_jax, {samples:,} samples an image"
        jobs.append(Job(group, name, PRODUCTS, len(images) * samples, "samples", partial(likelihood, samples)))
    return jobs


def streaming_jobs(sizes: Sizes) -> list[Job]:
    """An epoch of images that are read from a memory-mapped file as training goes, beside images on the device."""
    recipe, data = mnist_program(sizes)
    path = sizes.out / "images.npy"
    np.save(path, np.asarray(data.x))
    members, mapped = training.grid(recipe), Examples(np.load(path, mmap_mode="r"))
    count = sizes.images // recipe.batch_size * recipe.batch_size

    def epoch(data: Examples, stream: bool) -> None:
        for word in training.fit(recipe, members, data, epochs=1, stream=stream, progress=False):
            jax.block_until_ready(word.population.calls)

    group = "streaming, 784-400-20"
    return [
        Job(group, RESIDENT, RESIDENT, count, "images", partial(epoch, data, False)),
        Job(group, "read from a file by Grain", RESIDENT, count, "images", partial(epoch, mapped, True)),
    ]


def saving_jobs(sizes: Sizes) -> list[Job]:
    """What nothing lost costs: a checkpoint as a run writes it, and the SHA-256 of the data as it is recorded there."""
    recipe, data = mnist_program(sizes)
    members, store = training.grid(recipe), Store(sizes.out / "checkpoints")
    population = training.begin(recipe, members, data)
    images = np.asarray(data.x)
    train, validation, test = (Examples(images[::n]) for n in (1, 60, 6))
    dataset = Dataset("random", train, validation, test)

    def epoch():
        return list(training.fit(recipe, members, data, epochs=1, progress=False))

    def save():
        store.save(1, {"states": population.states(), "bad": population.bad}, {"data": "", "config": {}})

    return [
        Job("saving", EPOCH, EPOCH, 1, "epochs", epoch),
        Job("saving", CHECKPOINT, EPOCH, 1, "checkpoints", save),
        Job("saving", FINGERPRINT, EPOCH, 1, "fingerprints", lambda: fingerprint(dataset)),
    ]


def mnist_program(sizes: Sizes) -> tuple[Any, Examples]:
    """784-400-20 and random images, on the device."""
    recipe = training.Recipe(model=VAE(DenseEncoder(20), DenseDecoder((28, 28, 1))))
    return recipe, jax.device_put(Examples(random_images(sizes.images, 28)))


def burgess(side: int) -> Any:
    """Burgess's encoder and decoder for grey images, with 10 latents."""
    return NETWORKS["conv"].build(NetworkConfig((side, side, 1), 10, (256, 256)))


def random_images(count: int, side: int) -> np.ndarray:
    return np.random.RandomState(0).randint(0, 256, (count, side, side, 1)).astype(np.uint8)


JOBS: dict[str, Callable[[Sizes], list[Job]]] = {
    "training": training_jobs,
    "likelihood": likelihood_jobs,
    "population": population_jobs,
    "growth": growth_jobs,
    "streaming": streaming_jobs,
    "saving": saving_jobs,
}
