"""`python experiments/explore.py --help` says what it does; the code is `vae_jax/commands/explore.py`."""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # while importing, Ctrl-C just ends; then the command listens

from vae_jax.commands.cli import run_command
from vae_jax.commands.explore import CONFIG, DESCRIPTION, main

if __name__ == "__main__":
    run_command(main, CONFIG, DESCRIPTION)
