"""The commands: each a configuration, a call, and a report. What they do is in `vae_jax.runs`."""
