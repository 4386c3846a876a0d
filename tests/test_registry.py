"""Tables of things by name: filled at the first look, in alphabetical order, closed to a second entry of one name."""

import importlib

import pytest

from vae_jax.errors import InputError
from vae_jax.registry import Registry, summary

FIRST = """from zoo_table import BEASTS

BEASTS.add("zebra", 1)
BEASTS.add("ape", 2)
"""
SECOND = """from zoo_table import BEASTS

BEASTS.add("mole", 3)
"""


@pytest.fixture
def table() -> Registry[int, []]:
    """Three entries, put in out of order."""
    found: Registry[int, []] = Registry("beast", "json")  # a package whose modules enter nothing
    for number, name in enumerate(("zebra", "ape", "mole")):
        found.add(name, number)
    return found


def test_entries_are_in_alphabetical_order(table):
    assert list(table) == ["ape", "mole", "zebra"]
    assert list(table.values()) == [1, 2, 0] and len(table) == 3
    assert table["zebra"] == 0 and "zebra" in table and "gnu" not in table


def test_an_unknown_name_gets_the_nearest_and_all_there_are(table):
    assert table.find("mole") == 2
    with pytest.raises(InputError) as caught:
        table.find("zebar")
    assert str(caught.value) == "zebar: no such beast; did you mean 'zebra'? Choose from: ape, mole, zebra."
    with pytest.raises(InputError, match=r"^--beast gnu: no such beast; Choose from: ape, mole, zebra\.$"):
        table.find("gnu", "--beast gnu")


def test_a_name_that_is_not_there_is_a_key_error(table):
    with pytest.raises(KeyError, match="gnu"):
        table["gnu"]
    assert table.get("gnu") is None


def test_a_taken_name_is_refused_and_its_entry_stays(table):
    with pytest.raises(ValueError, match="a beast named 'ape' exists already; choose another name"):
        table.add("ape", 7)
    assert table["ape"] == 1 and len(table) == 3


def test_entries_cannot_be_set(table):
    with pytest.raises(TypeError):
        table["gnu"] = 3


def test_every_module_of_the_package_is_read_at_the_first_look(tmp_path, monkeypatch):
    (tmp_path / "zoo_table.py").write_text(
        "from vae_jax.registry import Registry\n\nBEASTS = Registry('beast', 'zoo')\n"
    )
    (tmp_path / "zoo").mkdir()
    for name, text in (("__init__", ""), ("first", FIRST), ("second", SECOND)):
        (tmp_path / "zoo" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    zoo_table = importlib.import_module("zoo_table")

    assert list(zoo_table.BEASTS) == ["ape", "mole", "zebra"]
    assert zoo_table.BEASTS["mole"] == 3


def test_an_entry_put_in_after_the_first_look_is_found(table):
    assert len(table) == 3
    table.add("gnu", 3)
    assert table["gnu"] == 3 and "gnu" in table and len(table) == 4


def test_a_summary_is_the_first_line_of_a_docstring():
    def described():
        """The word for it.

        More of it.
        """

    assert summary(described) == "The word for it."
    assert summary(lambda: None) == ""


def test_an_entry_that_comes_late_has_its_place():
    table = Registry("beast", "vae_jax.models")
    table.add("zebra", 1)
    assert list(table) == ["zebra"]
    table.add("ape", 2)
    assert list(table) == ["ape", "zebra"]


def test_a_module_that_cannot_be_imported_is_no_smaller_table(tmp_path, monkeypatch):
    """It fails at every look, not at the first alone."""
    (tmp_path / "ark").mkdir()
    for name, text in (("__init__", ""), ("broken", "raise OSError('no such beast')\n")):
        (tmp_path / "ark" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    table = Registry("beast", "ark")
    for _ in range(2):
        with pytest.raises(OSError, match="no such beast"):
            list(table)
