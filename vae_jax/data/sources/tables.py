"""Tables: `.csv`, `.tsv`, `.parquet` and `.feather` files, and data frames, as rows of numbers with names."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax.data.columns import Columns
from vae_jax.data.dataset import LABELS, Examples, checked
from vae_jax.data.whole import NAMES, Whole
from vae_jax.errors import InputError, first_line, nearest

SUFFIXES = (".csv", ".tsv", ".parquet", ".feather")
GAPS = {"", "na", "n/a", "nan", "null", "none", "?", "-", "<na>", "nat"}  # how tables write that nothing is known
YES_NO = {"yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0, "y": 1.0, "n": 0.0, "t": 1.0, "f": 0.0}
NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}")
SPLIT = "split"  # the column that says which part a row belongs to


def read_table(path: Path, columns: Columns) -> Whole:
    """The rows of a table in a file: numbers, and yes/no as 1 and 0, in float64; the rest is refused by name.

    A column called `split` whose values are train, validation and test says which part each row belongs to.

    Args:
      path: its ending says what it is. Text is UTF-8, separated by commas, semicolons or tabs, with a line of names.
      columns: which are what.

    Raises:
      InputError: no such file, not a table, no rows, a column that is not there, or columns of text, dates or gaps.
    """
    return of_columns(str(path), columns_of(path), columns)


def columns_of(path: Path) -> dict[str, np.ndarray]:
    """The columns of a table in a file as they are, by name.

    Raises:
      InputError: no such file, or not a table.
    """
    if not path.is_file():
        raise InputError(f"no file {path}; expected a table, {', '.join(SUFFIXES)}.")
    return (_read_text if path.suffix.lower() in (".csv", ".tsv") else _read_arrow)(path)


def yes_or_no(path: Path, column: str) -> np.ndarray:
    """A column of yes and no, or of 1 and 0, as `[n]` of bool.

    Raises:
      InputError: there is no such column, or it holds something else.
    """
    table = columns_of(path)
    if column not in table:
        raise InputError(f"{path} has no column {column!r}; {nearest(column, table)}")
    found = _numbers(f"{path}: column {column!r}", column, table[column])
    if not np.isin(found, (0.0, 1.0)).all():
        raise InputError(f"{path}: column {column!r} is not of yes and no alone, or of 1 and 0.")
    return found == 1.0


def of_frame(name: str, frame: Any, columns: Columns) -> Whole:
    """The rows of a data frame of pandas, polars or whatever else has columns with names and `to_numpy`."""
    names = [str(column) for column in frame.columns]
    return of_columns(name, {n: frame[c].to_numpy() for n, c in zip(names, frame.columns, strict=True)}, columns)


def is_frame(given: Any) -> bool:
    """Whether an object is a data frame, of any library."""
    return hasattr(given, "columns") and hasattr(given, "__getitem__") and hasattr(given, "to_numpy")


def of_columns(name: str, table: Mapping[str, np.ndarray], columns: Columns) -> Whole:
    """The rows of a table given as its columns, each `[n]`.

    Raises:
      InputError: as `read_table`.
    """
    n = len(next(iter(table.values()))) if table else 0
    if n == 0:
        raise InputError(f"{name} has no rows; expected a table with a line of names and a row for each example.")
    chosen = (columns.id, columns.label, *columns.features, *columns.drop)
    for column in filter(None, chosen):
        if column not in table:
            raise InputError(f"{name} has no column {column!r}; {nearest(column, table)}")
    if missing := [feature for feature in columns.known if feature not in table]:
        raise InputError(
            f"{name} has no column {', '.join(map(repr, missing[:5]))}, which the model was trained on; it has "
            f"{', '.join(list(table)[:10])}."
        )
    parts = _parts(table, (*columns.features, *columns.known, columns.label, columns.id))
    aside = {columns.id, columns.label, *columns.drop, *([SPLIT] if parts else [])}
    features = columns.known or columns.features or tuple(column for column in table if column not in aside)
    if not features:
        raise InputError(f"{name} has no columns left to learn from; it has {', '.join(list(table)[:10])}.")
    x = np.stack([_numbers(f"{name}: column {feature!r}", feature, table[feature]) for feature in features], 1)
    y, class_names = None, ()
    if columns.label is not None:
        y, class_names = classes_of(f"{name}: label {columns.label!r}", table[columns.label])
    ids = np.arange(n) if columns.id is None else _texts(table[columns.id])
    data = Examples(checked(x, None, name, as_given=True).x, y)
    return Whole(name, data, ids, parts, class_names, tuple(features), columns.label)


def _numbers(what: str, feature: str, values: np.ndarray) -> np.ndarray:
    """The numbers of a column in float64."""
    out = f"leave it out with `drop={feature}`"
    if values.dtype.kind in "biuf":
        found = np.asarray(values, np.float64)
        gaps = np.isnan(found)
    elif values.dtype.kind in "mM":
        raise InputError(f"{what} holds dates; give numbers, such as days, or {out}.")
    else:
        texts = _texts(values)
        lower = np.array([text.lower() for text in texts])
        gaps = np.isin(lower, list(GAPS))
        found = np.full(len(texts), np.nan)
        wrong = []
        for index in np.flatnonzero(~gaps):
            try:
                found[index] = YES_NO[lower[index]] if lower[index] in YES_NO else float(texts[index])
            except ValueError:
                wrong.append(str(texts[index]))
        if wrong:
            kind = "dates" if all(DATE.match(text) for text in wrong) else "text"
            remedy = "give numbers, such as days" if kind == "dates" else f"make it the label with `label={feature}`"
            raise InputError(
                f"{what} holds {kind} in {len(wrong):,} rows, such as {wrong[0][:40]!r}; {remedy}, or {out}."
            )
    if gaps.any():
        count = int(gaps.sum())
        raise InputError(f"{what} has {count:,} gap{'s' * (count > 1)} in {len(gaps):,} rows; fill them, or {out}.")
    if not np.isfinite(found).all():
        raise InputError(f"{what} holds infinity in row {int(np.argmin(np.isfinite(found)))}; mend it, or {out}.")
    return found


def classes_of(what: str, values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels counted from 0 in the order of their names, and the names."""
    texts = _texts(values)
    if gaps := sum(text.lower() in GAPS for text in texts):
        raise InputError(f"{what} has {gaps:,} gap{'s' * (gaps > 1)} in {len(texts):,} rows; leave those rows out.")
    numbers = {text: float(text) for text in set(texts) if re.fullmatch(NUMBER, text)}
    if len(numbers) == len(set(texts)):
        if real := next((text for text, number in numbers.items() if number != round(number)), None):
            raise InputError(f"{what} holds {real}; expected classes, not real numbers.")
        texts = np.array([str(round(numbers[text])) for text in texts])
    names = sorted(set(texts), key=int if len(numbers) == len(set(texts)) else str)
    if len(names) > LABELS:
        raise InputError(f"{what} has {len(names):,} classes; expected at most {LABELS:,}.")
    place = {name: index for index, name in enumerate(names)}
    return np.array([place[text] for text in texts], np.int32), tuple(map(str, names))


def _parts(table: Mapping[str, np.ndarray], taken: Sequence[str | None]) -> list[str] | None:
    """The part of each row, if a column says so that is nothing else."""
    if SPLIT not in table or SPLIT in taken:
        return None
    words = [text.lower() for text in _texts(table[SPLIT])]
    return [NAMES[word] for word in words] if set(words) <= NAMES.keys() else None


def _texts(values: np.ndarray) -> np.ndarray:
    return np.array(["" if value is None else str(value).strip() for value in values.tolist()])


def _read_text(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            separator = "\t" if path.suffix.lower() == ".tsv" else ";" if first.count(";") > first.count(",") else ","
            lines = [line for line in csv.reader(file, delimiter=separator) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path} is no table of text ({first_line(error)}); expected UTF-8, comma-separated."
        ) from None
    if not lines:
        raise InputError(f"{path} is empty; expected a line of names and a row for each example.")
    names = [name.strip() for name in lines[0]]
    _expect_names(path, names)
    for at, line in enumerate(lines[1:], 2):
        if len(line) != len(names):
            raise InputError(f"{path}: line {at} has {len(line)} values; the line of names has {len(names)}.")
    return {name: np.array([line[at] for line in lines[1:]]) for at, name in enumerate(names)}


def _read_arrow(path: Path) -> dict[str, np.ndarray]:
    try:
        from pyarrow import feather, parquet
    except ImportError:
        raise InputError(f"{path} is read with pyarrow; pip install 'vae-jax[tables]', or save it as .csv.") from None
    try:
        read: Any = parquet.read_table if path.suffix.lower() == ".parquet" else feather.read_table
        table = read(path)
        names = [str(name) for name in table.column_names]
        _expect_names(path, names)
        return {name: table.column(at).to_numpy() for at, name in enumerate(names)}
    except InputError:
        raise
    except Exception as error:  # whatever a broken file makes Arrow raise
        raise InputError(f"{path} cannot be read ({first_line(error)}); expected a table.") from error


def _expect_names(path: Path, names: Sequence[str]) -> None:
    if twice := next((name for at, name in enumerate(names) if name in names[:at]), None):
        raise InputError(f"{path} has two columns called {twice!r}; expected each name once.")
    if "" in names:
        raise InputError(f"{path}: column {names.index('') + 1} has no name; expected a first line of names.")
    if names and all(re.fullmatch(NUMBER, name) for name in names):
        raise InputError(f"{path} starts with numbers; expected a first line of names. Add one, or save it as .npy.")
