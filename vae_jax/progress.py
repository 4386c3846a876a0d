"""Progress of long work: a bar where tqdm is installed, and work split into parts of one compiled size."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np


def bar(iterable: Iterable | None = None, *, progress: bool = True, **how: Any) -> Any:
    """A tqdm bar, or one that shows nothing where tqdm is not installed.

    Args:
      iterable: what to iterate over; None for a bar that is updated by hand.
      progress: whether to show it; `TQDM_DISABLE` hides it too.
      how: passed on to tqdm.
    """
    from tqdm import tqdm

    shown: Any = {} if progress else {"disable": True}  # otherwise TQDM_DISABLE decides
    return tqdm(iterable, **how, **shown)


def pieces(things: Sequence[Any], *, doing: str, unit: str) -> Iterator[Any]:
    """One thing after another, under a bar if they take longer than two seconds."""
    yield from bar(things, desc=doing, unit=unit, leave=False, delay=2)


def in_parts(
    n: int, size: int, *, doing: str, unit: str, progress: bool, found: Callable[[], str] | None = None
) -> Iterator[np.ndarray]:
    """The rows 0 … n − 1, `size` at a time; the last part is padded with the first rows, for the caller to cut off.

    With `progress`, shows a bar if it takes longer than two seconds, with what `found` says after each part.
    """
    size = min(n, size)
    with bar(total=n, desc=doing, unit=unit, leave=False, delay=2, progress=progress) as words:
        for start in range(0, n, size):
            yield np.arange(start, start + size) % n
            if found is not None:
                words.set_postfix_str(found(), refresh=False)
            words.update(min(size, n - start))
