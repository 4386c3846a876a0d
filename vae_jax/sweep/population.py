"""Training a population: the pure run of `training`, mapped over members in a device and over devices.

    recipe = Recipe(model=model)
    models = sweep(recipe, grid(recipe, beta=[0.5, 1, 2, 4], seeds=3), data, epochs=50)

Members share a program and nothing else: each has its own key, order of the data, and hyperparameters, so its result is
that of `training.run` with the same key, up to rounding.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from vae_jax import training
from vae_jax.data.table import Examples
from vae_jax.fit import part_of_epoch
from vae_jax.sweep.members import Members
from vae_jax.sweep.memory import members_that_fit
from vae_jax.training import Recipe

WITHIN = ("vmap", "map", "loop")
OVER = ("pmap", "sharding")


class Population(NamedTuple):
    """Trained members, on the host.

    Attributes:
      states: a `training.State` whose leaves are `[n, …]`.
      metrics: name -> `[n]`, means over the last epoch, in nats.
      finite: `[n]`, whether every loss so far was a finite number; a run that was not has diverged.
    """

    states: Any
    metrics: dict[str, np.ndarray]
    finite: np.ndarray

    def params(self, index: int) -> Any:
        """The parameters of one member, for `model.decode` and the rest."""
        return jax.tree.map(lambda leaf: leaf[index], self.states.params)


def sweep(
    recipe: Recipe,
    members: Members,
    data: Examples,
    *,
    epochs: int,
    chunk: int | None = None,
    devices: Sequence[Any] | None = None,
    within: str | None = None,
    over: str = "pmap",
    progress: bool = True,
) -> Population:
    """Train every member, as few compiled programs as their number and memory allow: one, as a rule.

    Args:
      recipe: static, shared by all.
      members: from `grid` or `members`.
      data: the training set, shared by all.
      epochs: of each.
      chunk: members trained at a time; by default as many as fit the devices' memory.
      devices: local devices; all by default.
      within: how the members of one device go: `vmap`, side by side, for accelerators; one after another, for CPUs,
        whose matrix units one member fills, by `map` (`lax.map`) or `loop` (the host calls the program for each, some
        steps at a time, which spares the loop in a loop). By default `vmap`, on a CPU `loop`.
      over: how members spread over devices, `pmap` or `sharding` (`jit` with a `NamedSharding`): the same numbers.
      progress: show a bar that counts models × epochs.

    Returns:
      The trained population, in the order of `members`.
    """
    n = len(members.seeds)
    devices = list(devices or jax.local_devices())
    within = within or suited(devices[0])
    most = chunk or members_that_fit(recipe, data, devices=devices, within=within)
    parts = []
    for index in np.array_split(np.arange(n), -(-n // most)):
        part = members.take(index)
        run = train(recipe, part, data, epochs=epochs, devices=devices, within=within, over=over, progress=progress)
        *_, (_, last) = run
        parts.append(last)
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def train(
    recipe: Recipe,
    members: Members,
    data: Examples,
    *,
    epochs: int,
    start: tuple[int, Population] | None = None,
    devices: Sequence[Any] | None = None,
    within: str | None = None,
    over: str = "pmap",
    progress: bool = True,
) -> Iterator[tuple[int, Population]]:
    """`sweep`, of members that go together, an epoch at a time; several where epochs are short.

    Args:
      start: `(epochs done, population)` to go on from.

    Yields:
      `(epochs done, population)`, as it goes.
    """
    from tqdm import tqdm

    devices = list(devices or jax.local_devices())[: len(members.seeds)]
    n, in_epoch = len(members.seeds), training.steps_per_epoch(recipe, data)
    together = epochs_together(in_epoch, epochs)
    part = part_of_epoch(in_epoch) if together == 1 else together * in_epoch
    data = jax.device_put(data, NamedSharding(Mesh(np.array(devices), ("members",)), PartitionSpec()))
    within = within or suited(devices[0])
    slots = _slots((jax.random.key_data(members.keys), members.hypers), len(devices), within)

    init, order, advance = _programs(recipe, tuple(devices), within, over, together)
    if start is None:
        done, finite = 0, np.ones(n, bool)
        states = [init(key, data) for key, _ in slots]
    else:
        done, finite = start[0], start[1].finite
        states = _slots(start[1].states, len(devices), within)
    shown: Any = {} if progress else {"disable": True}
    label = "{percentage:3.0f}% of " + f"{n} models × {epochs} epochs"
    with tqdm(
        total=n * epochs, initial=n * done, bar_format=label + " |{bar}| {elapsed}<{remaining}{postfix}", **shown
    ) as bar:
        for index in range(done, epochs, together):
            metrics = []
            for slot, (key, hyper) in enumerate(slots):
                rows, found = order(key, index, data), []
                for first in range(0, together * in_epoch, part):
                    now = rows[..., first : first + part, :]
                    states[slot], values = advance(states[slot], key, hyper, now, data)
                    found.append(jax.device_get(values))
                    bar.update(n / len(slots) * part / in_epoch)
                metrics.append(jax.tree.map(lambda *parts: np.concatenate(parts, axis=-1), *found))
            values = _flat(metrics, n, within)
            finite = finite & np.isfinite(values["loss"]).all(axis=1)
            bar.set_postfix_str(f"{(~finite).sum()} diverged" if not finite.all() else "", refresh=False)
            means = {name: of_steps[:, -in_epoch:].mean(axis=1) for name, of_steps in values.items()}
            yield index + together, Population(_flat(states, n, within), means, finite)


def lift(
    function: Callable,
    mapped: int,
    shared: int,
    *,
    devices: Sequence[Any],
    within: str,
    over: str = "pmap",
    donate: tuple[int, ...] = (),
) -> Callable:
    """A function of one member, compiled for members laid out `[device, member of the device, …]`, or `[device, …]`.

    Args:
      function: `(*of one member, *shared by all) -> tree`.
      mapped: how many of its arguments are a member's; they come first.
      shared: how many follow.
      devices: along the leading axis.
      within: `vmap`, `map` or `loop`.
      over: `pmap` or `sharding`.
      donate: arguments whose buffers are given up.

    Raises:
      ValueError: another `within` or `over`.
    """
    if within not in WITHIN or over not in OVER:
        raise ValueError(f"expected within to be one of {WITHIN} and over one of {OVER}; got {within!r} and {over!r}.")
    axes = (0,) * mapped + (None,) * shared

    def on_device(*args):
        if within == "loop":
            return function(*args)
        if within == "vmap":
            return jax.vmap(function, axes)(*args)
        return lax.map(lambda member: function(*member, *args[mapped:]), args[:mapped])

    if over == "pmap":
        return jax.pmap(on_device, in_axes=axes, devices=devices, donate_argnums=donate)
    mesh = Mesh(np.array(devices), ("members",))
    apart, whole = NamedSharding(mesh, PartitionSpec("members")), NamedSharding(mesh, PartitionSpec())
    placed = (apart,) * mapped + (whole,) * shared
    return jax.jit(jax.vmap(on_device, axes), in_shardings=placed, out_shardings=apart, donate_argnums=donate)


def epochs_together(in_epoch: int, epochs: int, most: int = 100) -> int:
    """How many short epochs go in one call of the program: the largest divisor of `epochs` with about `most` steps."""
    return max(
        count for count in range(1, epochs + 1) if epochs % count == 0 and (count == 1 or count * in_epoch <= most)
    )


@lru_cache(maxsize=16)
def _programs(
    recipe: Recipe, devices: tuple[Any, ...], within: str, over: str, together: int
) -> tuple[Callable, Callable, Callable]:
    """Initial states, the order of some epochs, and some steps, of a population: compiled once, for all values."""
    how: Any = {"devices": devices, "within": within, "over": over}

    # Keys go in as numbers: the reuse checker takes one that a loop folds for each step as consumed.
    def init(key, data):
        return training.init(recipe, jax.random.wrap_key_data(key), data)

    def orders(key, index, data):
        key = jax.random.wrap_key_data(key)
        rows = jax.vmap(lambda i: training.order(recipe, key, index + i, data))(jnp.arange(together))
        return rows.reshape(-1, rows.shape[-1])

    def steps(state, key, hyper, rows, data):
        return training.steps(recipe, state, jax.random.wrap_key_data(key), hyper, data, rows)

    return (
        lift(init, 1, 1, **how),
        lift(orders, 1, 2, **how),
        lift(steps, 4, 1, donate=(0,), **how),
    )


def suited(device: Any) -> str:
    """How members of one device go fastest: side by side on accelerators, one after another on CPUs."""
    return "loop" if device.platform == "cpu" else "vmap"


def _slots(tree: Any, devices: int, within: str) -> list[Any]:
    """Leaves `[n, …]` laid out over devices, the last member repeated where n does not divide.

    What goes in one call of the program: all members of the devices, or in `loop` one of each.
    """
    n = jax.tree.leaves(tree)[0].shape[0]
    each = -(-n // devices)
    index = np.minimum(np.arange(devices * each), n - 1).reshape(devices, each)
    laid_out = jax.tree.map(lambda leaf: np.asarray(leaf)[index], tree)
    if within != "loop":
        return [laid_out]
    return [jax.tree.map(lambda leaf, slot=slot: leaf[:, slot], laid_out) for slot in range(each)]


def _flat(slots: Sequence[Any], n: int, within: str) -> Any:
    """The opposite of `_slots`, on the host: leaves `[n, …]`, padding dropped."""
    slots = jax.device_get(list(slots))
    laid_out = jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *slots) if within == "loop" else slots[0]
    return jax.tree.map(lambda leaf: np.reshape(leaf, (-1, *leaf.shape[2:]))[:n], laid_out)
