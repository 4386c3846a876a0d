"""`python experiments/score.py --help` says what it does; the code is `vae_jax/commands/score.py`."""

from vae_jax.commands.main import main

if __name__ == "__main__":
    main("score")
