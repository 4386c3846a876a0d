"""The entry point of every command: `vae-jax NAME …` and `python experiments/NAME.py …`.

The process is set up before anything heavy is imported, in the same way for both.
"""

import os
import signal
import sys
from collections.abc import Sequence

from vae_jax.errors import InputError


def main(name: str | None = None) -> None:
    """Run a command with the arguments of the process.

    Args:
      name: which one; by default the first argument.
    """
    _set_up(sys.argv[1:])
    try:
        _run(name)
    except OSError:  # of --help and --version alone, whose reader has gone or whose disk is full
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    finally:  # the command has ended, and its status is known: what comes while the interpreter ends changes nothing
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def _run(name: str | None) -> None:
    from vae_jax.commands.command import COMMANDS

    if name is not None:
        COMMANDS.load(name).run(sys.argv[1:])
        return
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(help_text(), flush=True)
    elif name == "--version":
        from vae_jax import __version__

        print(__version__, flush=True)
    else:
        try:
            command = COMMANDS.load(name, f"vae-jax {name}")
        except InputError as error:
            sys.exit(f"error: {error}")
        command.run(arguments, f"vae-jax {name}")


def help_text() -> str:
    """What each command does, a line each."""
    from vae_jax.commands.command import COMMANDS

    lines = [f"  {name:<10}{command.summary}" for name, command in COMMANDS.items()]
    after = "vae-jax COMMAND --help has the flags. Without any, train trains on real digits."
    return "\n".join(["usage: vae-jax COMMAND [--help] [FLAGS]", "", *lines, "", after])


def _set_up(arguments: Sequence[str]) -> None:
    """Make the settings that must precede the import of JAX."""
    for stream in (0, 1, 2):  # one that is closed, as by 2>&-, would be the number of the next file that is opened
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during imports just ends the process
    several = any(argument.startswith(("--distributed", "--coordinator")) for argument in arguments)
    if several and os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1") == "1":  # what JAX sets by itself
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "4"  # if another process is lost, one line and no C++ stack trace


if __name__ == "__main__":
    main()
