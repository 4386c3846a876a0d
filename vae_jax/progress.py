"""Long work on the device in parts of one compiled size, with a word of progress between them."""

from collections.abc import Iterator
from typing import Any

import numpy as np


def in_parts(n: int, size: int, *, doing: str, unit: str, progress: bool) -> Iterator[np.ndarray]:
    """The rows 0 … n − 1, `size` at a time; the last part is filled up with the first rows, to be cut off again.

    Shows a bar where it takes longer than two seconds and `progress` is asked for.
    """
    from tqdm import tqdm

    size = min(n, size)
    shown: Any = {} if progress else {"disable": True}  # otherwise TQDM_DISABLE decides
    with tqdm(total=n, desc=doing, unit=unit, leave=False, delay=2, **shown) as bar:
        for start in range(0, n, size):
            yield np.arange(start, start + size) % n
            bar.update(min(size, n - start))
