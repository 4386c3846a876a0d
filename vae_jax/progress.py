"""Progress of long work: a tqdm bar, and work split into parts of one compiled size."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np


def bar(iterable: Iterable | None = None, *, progress: bool = True, **how: Any) -> Any:
    """A tqdm bar.

    Args:
      iterable: what to iterate over; None for a bar that is updated by hand.
      progress: whether to show it; `TQDM_DISABLE` hides it too.
      how: passed on to tqdm.
    """
    from tqdm import tqdm

    if not progress:
        how["disable"] = True  # otherwise TQDM_DISABLE decides
    return tqdm(iterable, **how)


def pieces(things: Sequence[Any], *, doing: str, unit: str) -> Iterator[Any]:
    """One thing after another, with a bar if they take longer than two seconds.

    Args:
      things: what to go through.
      doing: the words before the bar.
      unit: what one thing is called.
    """
    yield from bar(things, desc=doing, unit=unit, leave=False, delay=2)


def in_parts(
    n: int, size: int, *, doing: str, unit: str, progress: bool, found: Callable[[], str] | None = None
) -> Iterator[np.ndarray]:
    """The rows 0 … n − 1, `size` at a time; the last part is padded with the first rows, for the caller to cut off.

    Args:
      n: how many rows.
      size: rows in a part; n if that is smaller.
      doing: the words before the bar.
      unit: what a row is called.
      progress: whether to show a bar if it takes longer than two seconds.
      found: called after each part for the words after the bar.

    Yields:
      `[min(size, n)]` row numbers.
    """
    size = min(n, size)
    with bar(total=n, desc=doing, unit=unit, leave=False, delay=2, progress=progress) as words:
        for start in range(0, n, size):
            yield np.arange(start, start + size) % n
            if found is not None:
                words.set_postfix_str(found(), refresh=False)
            words.update(min(size, n - start))
