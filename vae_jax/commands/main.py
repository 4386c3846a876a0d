"""`vae-jax COMMAND`: the commands of `experiments/`, installed."""

import signal
import sys
from importlib import import_module

from vae_jax.errors import nearest
from vae_jax.table import summary

COMMANDS = ("train", "sweep", "evaluate", "explore", "export")


def main() -> None:
    """Run the command that the first argument names."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while importing, Ctrl-C just ends; then the command listens
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(help_text())
    elif name == "--version":
        from vae_jax import __version__

        print(__version__)
    elif name not in COMMANDS:
        sys.exit(f"error: vae-jax {name}: no such command; {nearest(name, COMMANDS)}")
    else:
        from vae_jax.commands.cli import run_command

        module = import_module(f"vae_jax.commands.{name}")
        run_command(module.main, module.CONFIG, module.DESCRIPTION, arguments=arguments, prog=f"vae-jax {name}")


def help_text() -> str:
    """What each command does, a line each."""
    lines = ["usage: vae-jax COMMAND [--help] [FLAGS]", ""]
    for name in COMMANDS:
        module = import_module(f"vae_jax.commands.{name}")
        lines.append(f"  {name:<10}{summary(module)}")
    return "\n".join([*lines, "", "vae-jax COMMAND --help has the flags. Without any, train trains on real digits."])
