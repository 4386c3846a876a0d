"""All measures of a trained model, ready for JSON: each number with its estimator, sample size and error."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax.data.preprocess import grey
from vae_jax.distributions.base import Support
from vae_jax.errors import InputError
from vae_jax.evaluation.aggregate import aggregate_posterior, minibatch_estimates
from vae_jax.evaluation.codes import prior_match, prior_of
from vae_jax.evaluation.likelihood import log_likelihood
from vae_jax.evaluation.metrics.representation import represent
from vae_jax.evaluation.metrics.score import Representation
from vae_jax.evaluation.metrics.scoring import scores
from vae_jax.evaluation.rate_distortion import evaluate_elbo, in_units
from vae_jax.evaluation.samples import Features, apply_features, sample_quality
from vae_jax.trained.model import Trained

BATCH = 64  # of the minibatch estimates reported next to the full-data ones


class Evaluation(NamedTuple):
    """What was measured of a trained model.

    Attributes:
      measures: ready for JSON; each number with its estimator, sample size and error.
      representation: codes of the whole grid of factors, if the factors are known.
    """

    measures: dict[str, Any]
    representation: Representation | None = None


def test_metrics(model: Trained) -> dict[str, Any]:
    """What every run reports: the ELBO on the test set, and how well its aggregate posterior matches its prior.

    Nats are those of the data in their own units, which for standardised rows count the scale of each feature.
    """
    experiment, params = model.experiment, model.params
    data, recipe, keys = experiment.data, experiment.recipe, experiment.keys
    prior = prior_of(recipe, params, data.test)
    return {
        "test": in_units(
            evaluate_elbo(recipe, params, keys.test, data.test, experiment.hyper), model.description.log_jacobian
        ),
        "prior_match": prior_match(keys.codes, model.test_codes, prior=prior)._asdict(),
        "proper_likelihood": experiment.proper_likelihood,
    }


def evaluate_model(
    model: Trained,
    *,
    num_samples: int = 5000,
    codes: int = 10_000,
    score_names: Sequence[str] | None = None,
    repeats: int = 3,
    features: Features | None = None,
) -> Evaluation:
    """All measures. Those that a model or its data do not allow are left out, with the reason in their place.

    Args:
      model: with its data.
      num_samples: importance samples for each image.
      codes: how many codes to evaluate the full-data aggregate posterior at.
      score_names: names in `evaluation.metrics.SCORES`; by default the quick ones.
      repeats: repetitions of a score with other examples, for its error.
      features: the space that samples are compared in; see `sample_quality`.

    Raises:
      InputError: the data are not there, or the function of features fails on ten test images.
    """
    data, recipe, experiment = model.data, model.recipe, model.experiment
    if features is not None:  # before hours of measuring
        apply_features(features, np.asarray(recipe.preprocessed(jax.random.key(0), data.test.x[:10])))
    measures = test_metrics(model)
    key_likelihood, key_codes, key_batches, key_samples = jax.random.split(experiment.keys.measures, 4)
    if recipe.has_density:
        measures["log_likelihood"] = _likelihood(model, key_likelihood, num_samples)
        measures["aggregate_posterior"] = _aggregate(model, key_codes, key_batches, codes)
    else:
        point = _left_out(f"the code of {recipe.loss.name} is a point, which has no density")
        measures["log_likelihood"] = measures["aggregate_posterior"] = point
    measures["sample_quality"] = _samples(model, key_samples, features)
    if data.factors is None or recipe.loss.conditional:
        why = "the encoder takes labels" if data.factors else f"the factors of {data.name} are not known"
        measures["disentanglement"] = _left_out(why)
        return Evaluation(measures)
    representation = represent(recipe, model.params, data.factors)
    try:
        scored = scores(representation, names=score_names, repeats=repeats)
    except InputError as error:
        measures["disentanglement"] = _left_out(str(error))
        return Evaluation(measures, representation)
    measures["disentanglement"] = {
        "codes": "posterior means of factors drawn uniformly, 10,000 to fit and 5,000 to test; mig_chen: posterior "
        "densities of the whole grid",
        **{name: score._asdict() for name, score in scored.items()},
    }
    return Evaluation(measures, representation)


def _likelihood(model: Trained, key: jax.Array, num_samples: int) -> dict[str, Any]:
    recipe = model.recipe
    found = log_likelihood(recipe, model.params, key, model.data.test, num_samples=num_samples)
    values = found.shifted(-model.description.log_jacobian)._asdict()
    del values["per_example"]
    given = "log p(x|y) by importance sampling from q(z|x, y)"
    what = given if recipe.loss.conditional else "log p(x) by importance sampling from q(z|x)"
    bits = bits_per_dimension(values["log_likelihood"], model)
    return {"estimator": f"{what}, nats per test image", **values, "bits_per_dimension": bits}


def bits_per_dimension(log_likelihood: float, model: Trained) -> float | None:
    """−log₂ P(x) per pixel and channel, for likelihoods of 256 levels; None for other data and likelihoods.

    A density is no probability of levels: taken as constant over each, it can give them more than 1 where pixels are
    saturated.
    """
    recipe = model.recipe
    levels = recipe.model.support is Support.GREY_LEVELS and model.description.pixels
    if not levels or recipe.preprocess is not grey:
        return None
    return -log_likelihood / (math.prod(model.shape) * math.log(2))


def _aggregate(model: Trained, key: jax.Array, key_batches: jax.Array, codes: int) -> dict[str, Any]:
    recipe = model.recipe
    if not recipe.model.standard_prior:
        return _left_out("the KL is split against N(0, I), and this model has another prior")
    posterior = model.codes(model.data.train, model.experiment.keys.validation).posterior
    if posterior is None:
        kind = type(recipe.model.posterior).__name__
        return _left_out(f"the KL is split for normal posteriors, and these are of {kind}")
    terms = aggregate_posterior(key, posterior, num_samples=codes)._asdict()
    beside = {
        sampling: minibatch_estimates(key_batches, posterior, batch=BATCH, sampling=sampling)
        for sampling in ("stratified", "weighted")
    }
    return {
        "estimator": "log-sum-exp over the posteriors of all training images; (mean, standard error) over codes, nats",
        "log_data_size": float(np.log(terms["data_size"])),
        **terms,
        "minibatch_estimates": {
            "batch": BATCH,
            "why": "what training losses see; biased, not to be reported",
            **beside,
        },
    }


def _samples(model: Trained, key: jax.Array, features: Features | None) -> dict[str, Any]:
    try:
        quality = sample_quality(model.recipe, model.params, key, model.data, features=features)
    except InputError as error:
        return _left_out(str(error))
    parts = {name: getattr(quality, name)._asdict() for name in ("model", "real")}
    return {"estimator": "samples against test images; real: training images", **quality._asdict(), **parts}


def _left_out(why: str) -> dict[str, str]:
    return {"left_out": why}
