"""Work beside training, on a thread of its own: pictures are drawn and checkpoints written as the devices train on."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

PENDING = 8  # pieces of work that may wait; with more, training waits for them


class Background:
    """Does one piece of work after another, in the order given, and all of it by the end of the `with` block.

    What a piece raises is raised by the next call, or by the end of the block, unless that ends with another error.

    Args:
      name: of its thread.
      needed: whether what is left is done all the same where the block ends with an error. A piece that has begun is
        always waited for: what it writes to belongs to the block.
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
        """Have `function(*args, **options)` called. Its arguments must not change from here on."""
        self.wait(PENDING - 1)
        self._pending.append(self._thread.submit(function, *args, **options))

    def wait(self, left: int = 0) -> None:
        """Wait until no more than so many pieces are left, and raise what those that are done have raised."""
        while self._pending and (len(self._pending) > left or self._pending[0].done()):
            self._pending.popleft().result()
