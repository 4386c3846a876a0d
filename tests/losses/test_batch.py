"""What a loss of a batch says of a batch that lacks what it needs."""

import jax
import jax.numpy as jnp
import pytest
from codes import everything, terms_of

from vae_jax.losses import LOSSES, Batch

NEEDS = {
    "beta-tc": "data_size",
    "beta-tc-weighted": "data_size",
    "sigma-vae": "pixels",
    "info-vae": "prior_samples",
    "wae-mmd": "prior_samples",
    "factor": "critics",
}


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.batch])
def test_a_loss_says_what_its_batch_lacks_and_takes_what_is_enough(name):
    z, q = everything(jax.random.key(0))
    batch, loss = Batch(terms_of(jax.nn.sigmoid(z), q)), LOSSES[name].function
    if name in NEEDS:
        lacking = NEEDS[name]
        what = "a critic 'critic'" if lacking == "critics" else lacking
        expected = rf"^this loss needs {what}; got none\. Give it as Batch\(terms, {lacking}=.*….*\)\.$"
        with pytest.raises(ValueError, match=expected):
            loss(batch)
        given = {"data_size": 50, "pixels": 6, "prior_samples": z, "critics": {"critic": jnp.sum}}
        batch = batch._replace(**{lacking: given[lacking]})
    assert jnp.isfinite(loss(batch))
