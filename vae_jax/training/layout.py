"""How a population is laid out over devices: which members share a call of the program, and with how many axes.

One rule: a program has an axis for the members only if several of them share a call. One model on one device is
`jit` of the function itself. Under `jax.distributed` the devices are those of all processes, and every process makes
the same calls.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

WITHIN = ("vmap", "map", "loop")
OVER = ("shard_map", "pmap")
BATCH = "batch"
APART, WHOLE, ROWS = PartitionSpec("members"), PartitionSpec(), PartitionSpec(None, BATCH)


@dataclass(frozen=True)
class Layout:
    """How `count` members run on `devices`.

    Attributes:
      count: how many members.
      devices: as chosen by `lay_out`.
      within: how the members of one device run. `vmap` runs them side by side, for accelerators. `map` (`lax.map`) and
        `loop` (one member per call, in a loop on the host) run them one after another, for CPUs, which one member keeps
        busy.
      over: how they spread over several devices: `shard_map` or `pmap`, with the same numbers; or `batch`, for a single
        member that all devices train: each holds its state and computes a part of every batch.

    Raises:
      ValueError: another `within` or `over`; or `batch` with several members, or with a `within` other than `loop`.
    """

    count: int
    devices: tuple[Any, ...]
    within: str = "loop"
    over: str = "shard_map"

    def __post_init__(self):
        over = (*OVER, BATCH)
        if self.within not in WITHIN or self.over not in over:
            raise ValueError(
                f"expected within to be one of {WITHIN} and over one of {over}; got {self.within!r} and {self.over!r}."
            )
        if self.over == BATCH and (self.count > 1 or self.within != "loop"):
            raise ValueError(f"over {BATCH!r} is for one member; got {self.count}, within {self.within!r}.")

    @property
    def lanes(self) -> int:
        """How many devices have members of their own."""
        return 1 if self.over == BATCH else len(self.devices)

    @property
    def each(self) -> int:
        """Members per device; the last member is repeated if they do not divide evenly."""
        return -(-self.count // self.lanes)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of a call before a member's own: devices, members of a device, both or neither."""
        over = (self.lanes,) if self.lanes > 1 else ()
        return over if self.within == "loop" else (*over, self.each)

    @property
    def calls(self) -> list[np.ndarray]:
        """The members of each call, laid out as `axes`."""
        grid = np.minimum(np.arange(self.lanes * self.each), self.count - 1)
        if self.within != "loop":
            return [grid.reshape(self.axes)]
        rounds = grid.reshape(self.lanes, self.each).T
        return [who.reshape(self.axes) for who in rounds]

    def share(self, tree: Any) -> Any:
        """Copy what all members use, such as the data, to each device."""
        return jax.tree.map(lambda leaf: self._put(leaf, WHOLE), tree)

    def place_batches(self, tree: Any) -> Any:
        """Put batches of a single member, leaves `[steps, batch, …]`, on its devices, which may divide each batch."""
        return jax.tree.map(lambda leaf: self._put(leaf, ROWS if self.over == BATCH else WHOLE), tree)

    def place(self, tree: Any) -> list[Any]:
        """Put leaves `[count, …]` on the devices: a list with one tree for each call."""
        return [
            jax.tree.map(lambda leaf, who=who: self._put(np.asarray(leaf)[who], self._apart), tree)
            for who in self.calls
        ]

    def fetch(self, calls: Sequence[Any]) -> Any:
        """The inverse of `place`: leaves `[count, …]` on the host, in every process."""
        fetched = [to_host(call) for call in calls]
        order = np.concatenate([np.ravel(who) for who in self.calls])
        first = np.array([np.flatnonzero(order == index)[0] for index in range(self.count)])
        in_order = np.array_equal(first, np.arange(len(order)))
        inner = len(self.axes)

        def flat(*leaves):
            rows = np.concatenate([np.reshape(leaf, (-1, *np.shape(leaf)[inner:])) for leaf in leaves])
            return rows if in_order else rows[first]

        return jax.tree.map(flat, *fetched)

    def gather(self, calls: Sequence[Any]) -> Any:
        """Leaves `[at least count, …]`, in order, still on the devices; the last member may be repeated.

        This is what is saved if no single process holds the population.
        """

        def together(*calls):
            def one(*leaves):
                stacked = jnp.stack(leaves, axis=len(self.axes)) if self.within == "loop" else leaves[0]
                return stacked.reshape(-1, *leaves[0].shape[len(self.axes) :])

            return jax.tree.map(one, *calls)

        placed = NamedSharding(self._mesh, self._apart) if len(self.devices) > 1 else None
        return jax.jit(together, out_shardings=placed)(*calls)

    def one(self, calls: Sequence[Any], index: int) -> Any:
        """One member's tree, on its device; under several processes, on the host of each.

        Raises:
          IndexError: no such member.
        """
        for call, who in zip(calls, self.calls, strict=True):
            if np.any(who == index):
                at = tuple(axis[0] for axis in np.nonzero(who == index)) if self.axes else ()
                if not at:
                    return jax.tree.map(self._of_this_process, call) if self.over == BATCH else call
                if jax.process_count() == 1:
                    return _picked(call, at)
                whole = NamedSharding(self._mesh, WHOLE)
                pick = jax.jit(lambda tree, at=at: jax.tree.map(lambda leaf: leaf[at], tree), out_shardings=whole)
                return jax.tree.map(np.asarray, pick(call))
        raise IndexError(f"expected a member from 0 to {self.count - 1}; got {index}.")

    def lift(
        self, function: Callable, mapped: int, shared: int, *, donate: tuple[int, ...] = (), rows: bool = False
    ) -> Callable:
        """`function(*of one member, *shared by all) -> tree`, compiled for one call of this layout.

        Args:
          function: a function of one member.
          mapped: how many of its arguments belong to a member; they come first.
          shared: how many arguments follow that all members share.
          donate: positions of the arguments whose buffers are donated.
          rows: whether it returns which rows of the data each step takes, `[steps, batch]`; with `over="batch"`, these
            are divided over the devices.
        """
        axes = (0,) * mapped + (None,) * shared

        def on_device(*args):
            if self.within == "loop":
                return function(*args)
            if self.within == "vmap":
                return jax.vmap(function, axes)(*args)
            return lax.map(lambda member: function(*member, *args[mapped:]), args[:mapped])

        if len(self.devices) == 1:
            return jax.jit(on_device, donate_argnums=donate)
        if self.over == BATCH:  # sharding the rows is enough: XLA divides what follows from them
            placed = NamedSharding(self._mesh, ROWS if rows else WHOLE)
            return jax.jit(on_device, donate_argnums=donate, out_shardings=placed)
        if self.over == "pmap":
            return jax.pmap(on_device, in_axes=axes, devices=self.devices, donate_argnums=donate)

        def shard(*args):
            own = jax.tree.map(lambda leaf: leaf[0], args[:mapped])
            return jax.tree.map(lambda leaf: leaf[None], on_device(*own, *args[mapped:]))

        specs = (APART,) * mapped + (WHOLE,) * shared
        spread = jax.shard_map(shard, mesh=self._mesh, in_specs=specs, out_specs=APART, check_vma=False)
        return jax.jit(spread, donate_argnums=donate)

    @property
    def _mesh(self) -> Mesh:
        return Mesh(np.array(self.devices), (BATCH if self.over == BATCH else "members",))

    @property
    def _apart(self) -> PartitionSpec:
        """The partition of arrays that belong to members."""
        return WHOLE if self.over == BATCH else APART

    def _of_this_process(self, leaf: Any) -> Any:
        """An array replicated over all devices, as an array on one of them."""
        return leaf.addressable_data(0) if isinstance(leaf, jax.Array) else leaf

    def _put(self, leaf: Any, spec: PartitionSpec) -> Any:
        if len(self.devices) == 1:
            return jax.device_put(leaf, self.devices[0])
        sharding = NamedSharding(self._mesh, spec)
        if jax.process_count() == 1:
            return jax.device_put(leaf, sharding)
        leaf = np.asarray(leaf)
        return jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])


@jax.jit
def _picked(tree: Any, at: tuple) -> Any:
    return jax.tree.map(lambda leaf: leaf[at], tree)  # one program for every member and all leaves


def to_host(tree: Any) -> Any:
    """The arrays of a tree on the host, whole in every process."""
    if jax.process_count() == 1:
        return jax.device_get(tree)
    from jax.experimental.multihost_utils import process_allgather

    return jax.tree.map(np.asarray, process_allgather(tree, tiled=True))


def lay_out(
    count: int, devices: Sequence[Any] | None = None, within: str | None = None, over: str | None = None
) -> Layout:
    """A layout of members over devices: one after another on CPUs, else side by side.

    In a single process, it uses no more devices than there are members, unless they share batches.

    Args:
      count: how many members.
      devices: those to use; by default all, of all processes.
      within: see `Layout`.
      over: see `Layout`.

    Raises:
      ValueError: as `Layout`.
    """
    chosen = tuple(devices or jax.devices())
    if jax.process_count() == 1 and over != BATCH:
        chosen = chosen[:count]
    if over == BATCH:
        return Layout(count, chosen, over=BATCH)
    return Layout(count, chosen, within or suited(chosen[0], count), over or OVER[0])


def suited(device: Any, count: int = 2) -> str:
    """How members of one device run fastest: one after another on a CPU, side by side on an accelerator."""
    return "loop" if count == 1 or device.platform == "cpu" else "vmap"
