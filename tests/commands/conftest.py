"""The commands, as quick as what is looked at allows."""

import pytest
from quick import few_codes, no_pictures


@pytest.fixture(autouse=True)
def _few_codes(monkeypatch):
    few_codes(monkeypatch)


@pytest.fixture
def _no_pictures(monkeypatch):
    no_pictures(monkeypatch)
