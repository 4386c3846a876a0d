"""What a population came to: rows of its models, and Student's intervals over seeds."""

import numpy as np

from vae_jax.data import Examples
from vae_jax.evaluation import evaluate, evaluate_elbo, settings
from vae_jax.evaluation.populations import about_intervals
from vae_jax.keys import Keys
from vae_jax.models import VAE, DenseDecoder, DenseEncoder
from vae_jax.training import Recipe, members_of, sweep

RECIPE = Recipe(model=VAE(DenseEncoder(3, (16,)), DenseDecoder((4, 4, 1), (16,))), batch_size=8)
DATA = Examples(np.random.RandomState(0).randint(0, 256, (50, 4, 4, 1)).astype(np.uint8))
MEMBERS = members_of(RECIPE, [{"beta": 1.0}, {"beta": 4.0, "seed": 3}, {"beta": 0.5, "learning_rate": 3e-3, "seed": 1}])


def test_evaluation_is_that_of_a_single_model():
    found = sweep(RECIPE, MEMBERS, DATA, epochs=1, progress=False)
    rows = evaluate(RECIPE, MEMBERS, found, DATA)
    for index, row in enumerate(rows):
        single = evaluate_elbo(RECIPE, found.params(index), Keys(row["seed"]).test, DATA)
        assert row["rate"] == single["rate"] and row["rate_per_latent"] == single["rate_per_latent"]
    assert [(row["beta"], row["seed"], row["learning_rate"]) for row in rows] == [
        (1.0, 0, 0.001),
        (4.0, 3, 0.001),
        (0.5, 1, 0.003),
    ]


def test_intervals_are_students():
    """Of 1, 2, 3: 2 ± 4.3027·1/√3; one that diverged does not count."""
    base = {"beta": 1.0, "distortion": 1.0, "negative_elbo": 1.0, "active_units": 1, "rate_per_latent": []}
    rows = [{**base, "seed": i, "rate": float(i + 1), "diverged": False} for i in range(3)]
    rows.append({**base, "seed": 3, "rate": float("nan"), "diverged": True})
    rows.append({**base, "beta": 2.0, "seed": 0, "rate": 5.0, "diverged": False})
    first, second = settings(rows)
    assert (first["beta"], first["seeds"], first["diverged"]) == (1.0, 4, 1)
    np.testing.assert_allclose(
        first["rate"]["interval"], [2 - 4.302653 / np.sqrt(3), 2 + 4.302653 / np.sqrt(3)], rtol=1e-6
    )
    assert second["rate"] == {"mean": 5.0, "interval": None}
    assert first.measures["rate"].words(2) == "2.00 ± 2.48"
    assert second.measures["rate"].words(2) == "5.00"  # one seed has no interval, least of all one of ± 0.00
    assert about_intervals([first, second]) == "±: 95 % interval over seeds."
    assert about_intervals([second]) == "One seed for each setting, so no intervals."
