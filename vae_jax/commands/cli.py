"""Running a command: its flags are a dataclass, and an error is one plain line."""

import io
import logging
import os
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import fields, is_dataclass
from itertools import groupby
from typing import Any, NoReturn, TypeVar

from vae_jax.commands.compilation_cache import keep_programs
from vae_jax.errors import InputError
from vae_jax.runs.process import hosts, stopping

ConfigT = TypeVar("ConfigT")


def run_command(
    main: Callable[[ConfigT], None],
    config: type[ConfigT],
    description: str,
    *,
    arguments: list[str] | None = None,
    prog: str | None = None,
) -> None:
    """Parse the command line into `config` and run `main`.

    An error that the user can act on is one line and exit status 1. If stopped by SIGTERM or Ctrl-C, the status is 143
    or 130, and `--resume` goes on with a run.

    Args:
      main: the command.
      config: its flags: a dataclass, or one that inherits from several, the groups of `--help`.
      description: what `--help` begins with.
      arguments: by default those of the process.
      prog: what the command is called; by default the script.
    """
    logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax and TFDS log every step
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # print ? where ± cannot be encoded
    try:
        with stopping.listening():
            parsed = _parse(config, description, arguments, prog)
            keep_programs()
            main(parsed)
    except (InputError, ArithmeticError) as error:
        _end(f"error: {in_flags(str(error), config)}")
    except BrokenPipeError:  # the reader of the output has gone, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno is None:
            raise
        where = f"{error.filename}: " if error.filename else ""
        go_on = ", and go on with --resume" if hasattr(config, "resume") else ""
        _end(f"error: {where}{error.strerror}. Nothing that was saved is lost; mend that{go_on}.")
    except Exception as error:
        if hosts.is_loss(error):
            hosts.leave()
        raise


def _end(message: str) -> NoReturn:
    """Print one line and exit with status 1; under several processes without waiting, so that the others notice."""
    sys.unraisablehook = lambda _: None  # Orbax's threads may still complain about the same error
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    message = " ".join(message.split())  # names given by the user may contain line breaks
    if hosts.joined():
        print(message, file=sys.stderr, flush=True)
        os._exit(1)
    sys.exit(message)


def in_flags(message: str, config: type[Any]) -> str:
    """A message of the library, which names its arguments as `size=64`, with flags as on a command line: --size 64."""
    names = {f.name for f in fields(config)} if is_dataclass(config) else set()

    def one(found: re.Match[str]) -> str:
        name, equals, value = found[1].partition("=")
        return f"--{name.replace('_', '-')}{f' {value}' if equals else ''}" if name in names else found[0]

    return re.sub(r"`(\w+(?:=[^`]*)?)`", one, message)


def _parse(config: type[ConfigT], description: str, arguments: list[str] | None, prog: str | None) -> ConfigT:
    from vae_jax.commands.parsing import parse

    printed = io.StringIO()
    try:
        with redirect_stderr(printed):
            return parse(config, description, sys.argv[1:] if arguments is None else arguments, prog)
    except SystemExit as stop:
        if stop.code:
            raise InputError(_one_line(printed.getvalue())) from None
        raise


def _one_line(boxed: str) -> str:
    """The message in tyro's box, and the flag that it suggests. Rules separate title, message and hints."""
    lines = [line.strip(" │") for line in boxed.splitlines()][1:]
    sections = [list(part) for ruled, part in groupby(lines, lambda line: set(line) <= set("─-╰╯")) if not ruled]
    meant = next((lines[i + 1] for i, line in enumerate(lines[:-1]) if line.startswith("Perhaps you meant")), None)
    hint = f"did you mean {meant.split()[0]}? " if meant else ""
    message = re.sub(
        r"no type matching {None}\|(.+?) could be .* from \['(.*?)'\].*", r"'\2' is no \1", " ".join(sections[0])
    )
    return f"{message}; {hint}see --help."
