"""The flags that every command shares, and those of a sweep: as they are written on a command line and in JSON."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from vae_jax.errors import InputError
from vae_jax.runs.configuration.flags import DataFlags, DeviceFlags, ModelFlags, OutputFlags, SweepFlags, TrainingFlags


class Kind(NamedTuple):
    """How a run and a sweep differ; all other code is the same, as a run is a population of one.

    Attributes:
      word: what it is called.
      script: the command that trains it.
      names_models: whether its rows and files say which model they belong to.
      keeps_results: whether the results of each model are stored beside its checkpoint, which marks it as finished.
    """

    word: str
    script: str
    names_models: bool
    keeps_results: bool


RUN = Kind("run", "train.py", names_models=False, keeps_results=False)
SWEEP = Kind("sweep", "sweep.py", names_models=True, keeps_results=True)


@dataclass(frozen=True, kw_only=True)
class Config(DataFlags, ModelFlags, TrainingFlags, OutputFlags, DeviceFlags):
    """The flags that every command shares."""

    @property
    def kind(self) -> Kind:
        """Whether it is a run or a sweep."""
        return RUN

    @property
    def varied(self) -> dict[str, list[str]]:
        """`--vary` as name -> values, as written; none for a run."""
        return {}


@dataclass(frozen=True, kw_only=True)
class SweepConfig(SweepFlags, Config):
    """The flags of a sweep: those that every command shares, with --betas and --vary for several values."""

    @property
    def kind(self) -> Kind:
        return SWEEP

    @property
    def varied(self) -> dict[str, list[str]]:
        """`--vary` as name -> values, as written.

        Raises:
          InputError: not NAME=VALUES, or a name that is given twice.
        """
        found: dict[str, list[str]] = {}
        for text in self.vary:
            name, _, listed = text.partition("=")
            if not listed or name in found or (name == "beta" and self.betas):
                raise InputError(f"--vary {text}: expected NAME=VALUE,VALUE,… with each name once, as in latent=5,10.")
            found[name] = listed.split(",")
        return found


# What may differ between a run and its resumption. What a sweep has already trained stays as it is.
HOSTS = ("devices", "distributed", "coordinator", "processes", "process")
LENGTH = ("epochs", "steps")
FREE = ("out", "resume", "tracker", "minutes", "manual_dir", "on_nonfinite", "stream", *HOSTS)
VARIED = tuple(field.name for field in fields(SweepFlags))
# What runs had that were written before these flags were there.
EARLIER: dict[str, Any] = {
    **dict.fromkeys(("id", "label", "validation", "test", "from_")),
    **dict.fromkeys(("columns", "drop"), ()),
    "split": "random",
}


def as_json(config: Config) -> dict[str, Any]:
    """The flags in the form in which they are read back from JSON."""
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def as_config(values: Mapping[str, Any], kind: type[Config], origin: str) -> Config:
    """A configuration from the values that JSON holds, each of the type that its field declares.

    Args:
      values: flag -> value.
      kind: `Config` or `SweepConfig`.
      origin: what to call the file in an error.

    Raises:
      InputError: a name that is not a field, one that is missing, or a value of another type.
    """
    hints, values = get_type_hints(kind), with_earlier(values)
    other = sorted(values.keys() ^ hints.keys())
    if other:
        raise InputError(f"{origin} is not what a command of this version wrote ({other[0]!r}).")
    return kind(**{name: typed(value, hints[name], f"{origin}: {name}") for name, value in values.items()})


def with_earlier(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a stored configuration, with what flags meant that it does not know yet."""
    return {**json.loads(json.dumps(EARLIER)), **values}


def typed(value: Any, hint: Any, origin: str) -> Any:
    """A value of JSON as one of `hint`: a scalar, a path, a tuple of scalars, or None if that is allowed.

    Args:
      value: as `json.load` gives it.
      hint: a type, `tuple[…, ...]`, or a union of these with None.
      origin: what to call the value in an error.

    Raises:
      InputError: it is none of these.
    """
    kinds = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    for kind in kinds:
        if get_origin(kind) is tuple and isinstance(value, list):
            return tuple(typed(part, get_args(kind)[0], origin) for part in value)
        if kind is Path and isinstance(value, str):
            return Path(value)
        if type(value) is kind or (kind is float and type(value) is int):
            return value
    raise InputError(f"{origin} is {value!r:.40}; expected {hint if get_args(hint) else hint.__name__}.")


def flag(name: str) -> str:
    """The flag as typed."""
    return "--" + name.rstrip("_").replace("_", "-")
