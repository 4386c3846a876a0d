"""Tables: every kind of file and frame gives the same rows; what is no number is refused by name."""

import re

import numpy as np
import pandas as pd
import pytest

from vae_jax import data
from vae_jax.data.columns import Columns
from vae_jax.data.sources.tables import is_frame, of_frame, read_table
from vae_jax.errors import InputError

FRAME = pd.DataFrame(
    {
        "who": [f"p{i:02}" for i in range(40)],
        "age": np.arange(40) / 3,
        "big": 1e12 + np.arange(40),
        "smokes": ["yes", "no"] * 20,
        "seen": [True, False] * 20,
        "count": np.arange(40),
        "kind": ["b", "a", "c", "a"] * 10,
    }
)
CHOSEN = Columns("who", "kind")
WRITE = {
    "x.csv": lambda path: FRAME.to_csv(path, index=False),
    "x.CSV": lambda path: FRAME.to_csv(path, index=False, encoding="utf-8-sig"),
    "semicolons.csv": lambda path: FRAME.to_csv(path, index=False, sep=";"),
    "x.tsv": lambda path: FRAME.to_csv(path, index=False, sep="\t"),
    "x.parquet": lambda path: FRAME.to_parquet(path),
    "x.feather": lambda path: FRAME.to_feather(path),
}


@pytest.mark.parametrize("name", WRITE)
def test_every_kind_of_file_gives_the_same_rows(name, tmp_path):
    WRITE[name](tmp_path / name)
    found = read_table(tmp_path / name, CHOSEN)
    assert found.feature_names == ("age", "big", "smokes", "seen", "count") and found.class_names == ("a", "b", "c")
    assert found.ids.tolist() == FRAME.who.tolist() and found.label == "kind"
    assert [found.class_names[label] for label in found.data.y] == FRAME.kind.tolist()
    np.testing.assert_array_equal(found.data.x[:, 1], FRAME.big)
    np.testing.assert_allclose(found.data.x[:, 0], FRAME.age, rtol=1e-15)
    np.testing.assert_array_equal(found.data.x[:, 2:4], [[1.0, 1.0], [0.0, 0.0]] * 20)


def test_a_frame_of_any_library_is_a_table():
    """By its face alone: columns with names, and `to_numpy`."""
    assert is_frame(FRAME) and not is_frame(np.ones((2, 2)))
    found = of_frame("frame", FRAME.astype({"count": "Int64", "who": "string", "kind": "category"}), CHOSEN)
    np.testing.assert_array_equal(found.data.x, read_like(FRAME).data.x)


def read_like(frame):
    return of_frame("frame", frame, CHOSEN)


def test_columns_are_chosen_by_name():
    chosen = of_frame("frame", FRAME, Columns(features=("count", "age")))
    assert chosen.feature_names == ("count", "age") and chosen.ids.tolist() == list(range(40))
    np.testing.assert_array_equal(chosen.data.x[:, 0], FRAME["count"])
    assert of_frame("frame", FRAME, CHOSEN._replace(drop=("big", "seen"))).feature_names == ("age", "smokes", "count")
    shuffled = FRAME[["seen", "kind", "age", "count", "who", "smokes", "big"]]
    known = of_frame("frame", shuffled, Columns(known=("age", "big", "smokes", "seen", "count")))
    np.testing.assert_array_equal(known.data.x, read_like(FRAME).data.x)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"age": FRAME.age.where(FRAME.age > 1)}, "'age' has 4 gaps in 40 rows; fill them, or leave it out with"),
        ({"age": ["old"] + ["1"] * 39}, "'age' holds text in 1 rows, such as 'old'; make it the label"),
        ({"age": ["2024-01-31"] * 40}, "column 'age' holds dates in 40 rows, such as '2024-01-31'; give numbers"),
        ({"age": pd.date_range("2024-01-01", periods=40)}, "column 'age' holds dates"),
        ({"age": [np.inf] + [1.0] * 39}, "column 'age' holds infinity in row 0"),
        ({"kind": [None, *"a" * 39]}, "label 'kind' has 1 gap in 40 rows"),
        ({"kind": np.arange(40) / 3}, "expected classes, not real numbers"),
        ({"kind": [str(i / 3) for i in range(40)]}, "expected classes, not real numbers"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused_by_name(change, said):
    with pytest.raises(InputError, match=re.escape(said)):
        of_frame("x", FRAME.assign(**change), CHOSEN)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("a,b\n", "has no rows"),
        ("a,b\n1,2\n3\n", "line 3 has 1 values; the line of names has 2"),
        ("a,a\n1,2\n", "two columns called 'a'"),
        ("a,\n1,2\n", "column 2 has no name"),
        ("1,2\n3,4\n", "starts with numbers"),
        (b"\xff\xfe\x00a", "is no table of text"),
        ("a\n" + "1\n" * 3, "3 rows are too few to train, validate and test on"),
        ("a\n1\n", "1 rows are too few"),
    ],
)
def test_what_is_no_table_is_one_plain_line(text, said, tmp_path):
    (tmp_path / "x.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=said):
        data.load(tmp_path / "x.csv")


@pytest.mark.parametrize("name", ["x.parquet", "x.feather"])
def test_a_broken_file_of_arrow_is_one_plain_line(name, tmp_path):
    (tmp_path / name).write_bytes(b"PAR1 no table")
    with pytest.raises(InputError, match="cannot be read"):
        data.load(tmp_path / name)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"id": "whom"}, "has no column 'whom'; did you mean 'who'"),
        ({"drop": ("agee",)}, "has no column 'agee'; did you mean 'age'"),
        ({"columns": ("who",)}, "column 'who' holds text"),
        ({"label": "kind", "drop": ("who",), "size": 8}, "`size=8`"),
        ({"label": "kind", "drop": ("who",), "validation": 1.5}, "`validation=1.5`: expected a share"),
        ({"label": "kind", "drop": ("who",), "test": "no.csv"}, "`test=no.csv`: no such file"),
        ({"split": "by hand"}, "`split=by hand`: expected one of"),
    ],
)
def test_choices_that_do_not_fit_are_named(flags, said, tmp_path):
    FRAME.to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(InputError, match=re.escape(said)):
        data.load(tmp_path / "x.csv", **flags)


@pytest.mark.parametrize(("name", "flag"), [("digits", "label"), ("digits", "validation"), (".", "drop")])
def test_choices_for_other_kinds_of_data_are_refused(name, flag, tmp_path):
    with pytest.raises(InputError, match=f"`{flag}` is for"):
        data.load(tmp_path if name == "." else name, **{flag: ("a",) if flag == "drop" else "0.2"})


def test_labels_and_ids_of_an_npz_have_names_too(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.eye(20), y=np.arange(20) % 2, kind=np.arange(20) % 4, who=np.arange(20) + 7)
    found = data.load(tmp_path / "x.npz", label="kind", id="who")
    assert found.classes == 4 and sorted(np.concatenate(found.ids)) == list(range(7, 27))
    with pytest.raises(InputError, match="there is no kinds"):
        data.load(tmp_path / "x.npz", label="kinds")
    with pytest.raises(InputError, match="`columns` and `drop` are for tables"):
        data.load(tmp_path / "x.npz", drop=("x",))
