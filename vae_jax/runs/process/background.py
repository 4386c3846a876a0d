"""Work on a thread beside training: pictures are drawn and checkpoints written while the devices train on."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

PENDING = 8  # pieces of work that may wait; with more, training waits for them


class Background:
    """Does pieces of work one after another, in the order given, and finishes by the end of the `with` block.

    What a piece raises is raised by the next call, or at the end of the block, unless that ends with another error.

    Args:
      name: the name of its thread.
      needed: whether pending pieces are still done if the block ends with an error. A piece that has begun is always
        waited for, since what it writes to belongs to the block.
    """

    def __init__(self, name: str, *, needed: bool):
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._pending: deque[Future] = deque()
        self._needed = needed

    def __enter__(self) -> "Background":
        return self

    def __exit__(self, kind: type | None, *error: object) -> None:
        try:
            if kind is None:
                self.wait()
        finally:
            self._thread.shutdown(cancel_futures=not self._needed)

    def __call__(self, function: Callable, *args: Any, **options: Any) -> None:
        """Queue a call of `function(*args, **options)`; waits while too many are pending.

        Args:
          function: what to call.
          args: its arguments, which must not change from here on.
          options: its keyword arguments, likewise.

        Raises:
          Exception: whatever an earlier piece raised.
        """
        self.wait(PENDING - 1)
        self._pending.append(self._thread.submit(function, *args, **options))

    def wait(self, left: int = 0) -> None:
        """Wait until at most `left` pieces are pending, and raise what finished ones have raised."""
        while self._pending and (len(self._pending) > left or self._pending[0].done()):
            self._pending.popleft().result()
