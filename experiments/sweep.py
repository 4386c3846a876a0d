"""`python experiments/sweep.py --help` says what it does; the code is `vae_jax/commands/sweep.py`."""

import os
import signal
import sys

several = any(flag.startswith(("--distributed", "--coordinator")) for flag in sys.argv)
if several and os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1") == "1":  # what JAX sets by itself
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "4"  # where another process is lost, one line and no stack of C++
signal.signal(signal.SIGINT, signal.SIG_DFL)  # while importing, Ctrl-C just ends; then the command listens

from vae_jax.commands.cli import run_command
from vae_jax.commands.sweep import CONFIG, DESCRIPTION, main

if __name__ == "__main__":
    run_command(main, CONFIG, DESCRIPTION)
