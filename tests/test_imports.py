"""What an import loads: losses need jax and numpy alone."""

import subprocess
import sys

import pytest

HEAVY = ("flax", "optax", "orbax", "tensorflow_datasets", "tensorflow", "sklearn", "matplotlib", "tyro", "tqdm", "PIL")


@pytest.mark.parametrize("module", ["vae_jax", "vae_jax.losses", "vae_jax.distributions"])
def test_importable_with_jax_alone(module):
    program = f"import sys; sys.modules.update(dict.fromkeys({HEAVY!r})); import {module}; {module}.__name__"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_flax_loads_when_the_model_is_named():
    program = "import sys, vae_jax; assert 'flax' not in sys.modules; vae_jax.VAE; assert 'flax' in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_unknown_names_are_attribute_errors():
    import vae_jax

    with pytest.raises(AttributeError, match="VEA"):
        _ = vae_jax.VEA
