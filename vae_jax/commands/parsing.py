"""Parsing a command line, and perhaps a file, into the dataclass of a command's flags."""

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from vae_jax.commands.words import wrapped
from vae_jax.errors import InputError, first_line, nearest
from vae_jax.runs.configuration.config import HOSTS, typed, with_earlier
from vae_jax.runs.configuration.resolved import CHOICES, WORDS
from vae_jax.runs.storage.folder import default_folder, free_folder, json_of
from vae_jax.writing import plain

LEFT_OUT = ("format", "out", "resume")  # of a run's config.json, so that the same run starts in another folder
EITHER = ("epochs", "steps")  # either of them on the command line overrides both in a file
YAML = (".yaml", ".yml")
OF_WEIGHTS = ("loss", "latent", "model", "hidden", "posterior", "likelihood", "prior", "preprocess", "standardise")
MOST = 1_000_000  # characters of a file of flags that are read


@dataclass(frozen=True, kw_only=True)
class FileFlags:
    """Flags in a file."""

    config: Path | None = None
    """Take flags from a .json or .yaml file, such as config.json of an earlier run; those on the command line win."""
    print_config: bool = False
    """Print all flags as JSON, as --config takes them, and end."""


def parse(config: type[Any], description: str, arguments: Sequence[str], prog: str | None = None) -> Any:
    """The flags of a command line, with those of the `--config` file as defaults, or of the run that `--resume` is for.

    Args:
      config: a dataclass. If it inherits from several, these are the groups that `--help` shows.
      description: what `--help` begins with.
      arguments: of the command line.
      prog: what the command is called; by default the script.

    Raises:
      InputError: a file of flags that cannot be read, or holds something that is not a flag.
      SystemExit: with `--help`, `--print-config`, or a flag that cannot be read.
    """
    import tyro

    groups = groups_of(config)
    if not groups:
        return tyro.cli(config, description=wrapped(description), args=arguments, prog=prog)
    file = _file_of(arguments)
    values = _values(groups, {} if file is None else read_flags(file, config), description, arguments, prog)
    if values.get("resume") and file is None:
        values = _values(groups, _of_run(config, values), description, arguments, prog)
    elif values.get("from_") and file is None:
        values = _values(groups, _of_begun(config, values["from_"]), description, arguments, prog)
    del values["config"]
    if values.pop("print_config"):
        print(json.dumps(plain({name: _as_json(value) for name, value in values.items()}), indent=2))
        sys.exit(0)
    return config(**values)


def _values(
    groups: Sequence[type[Any]], found: dict[str, Any], description: str, arguments: Sequence[str], prog: str | None
) -> dict[str, Any]:
    """Every flag and its value: from the command line, from what was found in a file, or by default."""
    import tyro

    defaults = {f.name: f.default for group in (*groups, FileFlags) for f in fields(group)}
    if any(word.partition("=")[0] in ("--epochs", "--steps") for word in arguments):
        found = {name: value for name, value in found.items() if name not in EITHER}
    defaults |= found
    named = {group.__name__.removesuffix("Flags").lower(): group for group in (*groups, FileFlags)}
    asked = not {"-h", "--help"}.isdisjoint(arguments)
    # Slow, so only for --help, and for flags that are words of Python and have another name here.
    worded = [title for title, group in named.items() if asked or any(f.name.endswith("_") for f in fields(group))]
    kinds = {title: shown(group) if title in worded else group for title, group in named.items()}
    start = {title: field(default=_filled(kind, defaults)) for title, kind in kinds.items()}
    whole = make_dataclass("Flags", [(title, kind, start[title]) for title, kind in kinds.items()], frozen=True)
    marks, words = (tyro.conf.OmitArgPrefixes,), wrapped(description)
    parsed = tyro.cli(whole, description=words, args=_worded(arguments, groups), prog=prog, config=marks)
    return {name: value for title in named for name, value in vars(getattr(parsed, title)).items()}


def _of_run(config: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The flags of the run or sweep that is gone on with; none if it cannot be read, which is reported later."""
    given = config(**{f.name: values[f.name] for f in fields(config)})
    default = default_folder(given, "sweep" if hasattr(given, "betas") else given.loss)
    folder = given.out or free_folder(default, resume=True)
    try:
        found = read_flags(folder / "config.json", config)
    except InputError:
        return {}
    return {name: value for name, value in found.items() if name not in HOSTS}


def _of_begun(config: type[Any], folder: Path) -> dict[str, Any]:
    """The flags of the model whose weights training starts from that its weights and units depend on."""
    try:
        saved = json_of(folder / "config.json")
    except (OSError, InputError):
        return {}  # of the Hub, or not there, which is reported later
    hints = get_type_hints(config)
    return {name: typed(saved[name], hints[name], f"--from {folder}: {name}") for name in OF_WEIGHTS if name in saved}


def _worded(arguments: Sequence[str], groups: Sequence[type[Any]]) -> list[str]:
    """The command line with `--NAME` and `--no-NAME` of flags that are yes, no or open in the form that tyro takes."""
    hints = {name: hint for group in groups for name, hint in get_type_hints(group).items()}
    open_flags = {f"--{name.replace('_', '-')}" for name, hint in hints.items() if hint == (bool | None)}
    words: list[str] = []
    for word, following in zip(arguments, [*arguments, ""][1:], strict=True):
        if word in open_flags and following not in ("True", "False", "None"):
            words += [word, "True"]
        elif f"--{word.removeprefix('--no-')}" in open_flags and word.startswith("--no-"):
            words += [f"--{word.removeprefix('--no-')}", "False"]
        else:
            words.append(word)
    return words


def groups_of(config: type[Any]) -> list[type[Any]]:
    """The dataclasses that a configuration inherits its flags from; none if it has flags of its own."""
    own = [base for base in config.__mro__ if is_dataclass(base)]
    groups = [base for base in own if sum(is_dataclass(above) for above in base.__mro__) == 1]
    grouped = {f.name for group in groups if group is not config for f in fields(group)}
    return groups if grouped == {f.name for f in fields(config)} else []


def read_flags(path: Path, config: type[Any]) -> dict[str, Any]:
    """The flags that a file holds, by name.

    Raises:
      InputError: it cannot be read, or holds a name that is not a flag or a value of another type.
    """
    import yaml

    try:
        if path.suffix in YAML:
            with path.open(encoding="utf-8") as source:
                values = _with_numbers(_plain_yaml(source.read(MOST)), get_type_hints(config))
        else:
            values = json_of(path)
    except OSError as error:
        raise InputError(f"--config {path}: {error.strerror}; expected a .json or .yaml file of flags.") from error
    except (InputError, ValueError, RecursionError, yaml.YAMLError) as error:
        said = f"--config {path} is no file of flags ({first_line(error)})"
        raise InputError(f"{said}; see --print-config for one.") from error
    if not isinstance(values, dict):
        raise InputError(f"--config {path} holds no names with values; see --print-config for one that does.")
    hints = get_type_hints(config)
    of_run = "format" in values
    values = {str(name).replace("-", "_"): value for name, value in values.items()}
    values = {"from_" if name == "from" else name: value for name, value in values.items()}
    if of_run:
        values = {name: value for name, value in with_earlier(values).items() if name not in LEFT_OUT}
    for name in values:
        if name not in hints:
            raise InputError(f"--config {path}: no flag {name!r}; {nearest(name, hints)}")
    return {name: typed(value, hints[name], f"--config {path}: {name}") for name, value in values.items()}


def _file_of(arguments: Sequence[str]) -> Path | None:
    """The path after `--config`, which is needed before tyro parses, since it gives the defaults."""
    file = None
    for word, following in zip(arguments, [*arguments, ""][1:], strict=True):
        if word.startswith("--config="):
            file = Path(word.partition("=")[2])
        if word == "--config" and following:
            file = Path(following)
    return file


def _plain_yaml(text: str) -> Any:
    """The values of a YAML file of flags, which needs no aliases: a few levels of them stand for millions of values."""
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError("it has an alias; write the value itself")
            return super().compose_node(parent, index)

    return yaml.load(text, Loader)


def _with_numbers(values: Any, hints: Mapping[str, Any]) -> Any:
    """The values with numbers such as 1e-3, which YAML 1.1 reads as text, as numbers if the flag is one."""
    if not isinstance(values, dict):
        return values

    def one(name: str, value: Any) -> Any:
        hint = hints.get(name.replace("-", "_"))
        if isinstance(value, str) and float in (hint, *get_args(hint)):
            with suppress(ValueError):
                return float(value)
        return value

    return {name: one(str(name), value) for name, value in values.items()}


def _filled(group: type[Any], defaults: dict[str, Any]) -> Any:
    return group(**{f.name: defaults[f.name] for f in fields(group)})


def shown(group: type[Any]) -> Any:
    """The group as `--help` shows it: what a flag chooses from, one type of value instead of two, plain paragraphs."""
    import tyro

    helps, hints = _helps(group), get_type_hints(group)
    copy = {}
    for f in fields(group):
        hint = hints[f.name]
        how: dict[str, Any] = {"help": helps.get(f.name, ""), "name": f.name.rstrip("_").replace("_", "-")}
        words = WORDS.get(f.name) or (list(CHOICES[f.name]) if f.name in CHOICES else None)
        kinds = [kind for kind in get_args(hint) if kind is not type(None)] if isinstance(hint, UnionType) else [hint]
        if words:
            how["metavar"] = "{" + ",".join(words) + "}"
        elif get_origin(kinds[0]) is tuple:
            how["metavar"] = f"{_kind(get_args(kinds[0])[0])} …"
        elif hint == (bool | None):
            how["metavar"] = ""
        elif isinstance(hint, UnionType):
            how["metavar"] = _kind(kinds[0])
        if f.default is None or f.default == ():
            how["help_behavior_hint"] = ""  # the help text says what the default means
        copy[f.name] = Annotated[hint, tyro.conf.arg(**how)]
    parts: list[Any] = [(f.name, copy[f.name], field(default=f.default)) for f in fields(group)]
    return make_dataclass(
        group.__name__, parts, bases=(group,), frozen=True, kw_only=True, namespace={"__doc__": group.__doc__}
    )


def _kind(kind: type) -> str:
    return {"Path": "PATH"}.get(kind.__name__, kind.__name__.upper())


def _helps(group: type[Any]) -> dict[str, str]:
    """Flag -> the string below it, as one paragraph."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(group))).body
    assert isinstance(body, ast.ClassDef)
    helps = {}
    for flag, words in pairwise(body.body):
        if isinstance(flag, ast.AnnAssign) and isinstance(flag.target, ast.Name) and isinstance(words, ast.Expr):
            helps[flag.target.id] = " ".join(str(getattr(words.value, "value", "")).split())
    return helps


def _as_json(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
