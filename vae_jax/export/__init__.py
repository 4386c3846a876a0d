"""Trained models in the formats of other tools. A new format is a new file in this folder with `@register`."""

from vae_jax.export.format import FORMATS, Format

__all__ = ["FORMATS", "Format"]
