"""A page to play with a trained model: sliders of its latents, on this machine alone."""
