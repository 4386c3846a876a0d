"""Which columns of a table, or arrays of an `.npz`, are what."""

from typing import NamedTuple


class Columns(NamedTuple):
    """What the user says of the columns of a table.

    Attributes:
      id: what the rows are called.
      label: their classes, y.
      features: those to use, in this order; empty for all others.
      drop: those to leave out.
      known: the features of a trained model, which must be there; whatever else is there is left out.
    """

    id: str | None = None
    label: str | None = None
    features: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
