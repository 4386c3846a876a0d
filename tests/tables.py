"""Tables with an entry more, or another one, for as long as a test takes."""

from typing import Any

import pytest

from vae_jax.registry import Registry


def enter(monkeypatch: pytest.MonkeyPatch, table: Registry, name: str, entry: Any) -> None:
    """Put an entry into a table, in place of one of that name where there is one, until the test ends."""
    monkeypatch.setitem(table._fill(), name, entry)
