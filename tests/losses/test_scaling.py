"""β between conventions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.losses import Scaling, convert_beta


def test_a_converted_beta_has_the_gradient_of_its_source():
    """Up to one factor, the loss written in the other convention is ours with the converted β."""
    pixels, latent = 12, 3

    def gradient(loss):
        return np.concatenate([np.ravel(leaf) for leaf in jax.grad(loss)((jnp.arange(12.0), jnp.arange(3.0)))])

    for source in (
        Scaling(),
        Scaling(pixels_averaged=True, unit=2.0),
        Scaling(True, True),
        Scaling(latents_averaged=True, unit=510.0),
    ):

        def theirs(parts, source=source):
            reconstruction, kl = 0.5 * jnp.square(parts[0] - 7), 0.5 * jnp.square(parts[1])
            r = (jnp.mean if source.pixels_averaged else jnp.sum)(reconstruction)
            return source.unit * r + 0.3 * (jnp.mean if source.latents_averaged else jnp.sum)(kl)

        beta = convert_beta(0.3, source, pixels=pixels, latent=latent)
        ours = gradient(
            lambda parts, beta=beta: (
                jnp.sum(0.5 * jnp.square(parts[0] - 7)) + beta * jnp.sum(0.5 * jnp.square(parts[1]))
            )
        )
        ratio = gradient(theirs)[0] / ours[0]
        np.testing.assert_allclose(gradient(theirs), ratio * ours, rtol=1e-5)
        back = convert_beta(beta, "summed", source, pixels=pixels, latent=latent)
        assert back == pytest.approx(0.3)


def test_the_normalised_beta_is_beta_times_latents_over_pixels():
    assert convert_beta(5.0, "summed", "normalised", pixels=784, latent=20) == pytest.approx(5 * 20 / 784)
    with pytest.raises(ValueError, match="no scaling named 'nats'; expected a Scaling, or one of summed, averaged"):
        convert_beta(1.0, "nats", pixels=784, latent=20)
