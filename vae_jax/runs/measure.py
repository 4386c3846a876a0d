"""All measures of a trained model, ready for JSON: each number with its estimator, sample size and error."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from vae_jax.data.preprocess import grey
from vae_jax.distributions.base import Support
from vae_jax.distributions.continuous import Normal
from vae_jax.errors import InputError
from vae_jax.evaluation.aggregate import aggregate_posterior, minibatch_estimates
from vae_jax.evaluation.elbo import evaluate_elbo
from vae_jax.evaluation.latent_space import encode_all, prior_match, prior_of
from vae_jax.evaluation.likelihood import log_likelihood
from vae_jax.evaluation.metrics.representation import represent
from vae_jax.evaluation.metrics.scoring import scores
from vae_jax.evaluation.metrics.table import Representation
from vae_jax.evaluation.samples import Features, apply_features, sample_quality
from vae_jax.models.vae import Params
from vae_jax.training.experiment import Experiment

BATCH = 64  # of the minibatch estimates reported next to the full-data ones


def test_metrics(experiment: Experiment, params: Params) -> dict[str, Any]:
    """What every run reports: the ELBO on the test set, and how well its aggregate posterior matches its prior."""
    data, recipe, keys = experiment.data, experiment.recipe, experiment.keys
    codes = encode_all(recipe, params, keys.test, data.test)
    return {
        "test": evaluate_elbo(recipe, params, keys.test, data.test, experiment.hyper),
        "prior_match": prior_match(codes, keys.codes, prior=prior_of(recipe, params, data.test))._asdict(),
        "proper_likelihood": experiment.proper_likelihood,
    }


def evaluate_model(
    experiment: Experiment,
    params: Params,
    *,
    num_samples: int = 5000,
    codes: int = 10_000,
    score_names: Sequence[str] | None = None,
    repeats: int = 3,
    features: Features | None = None,
) -> tuple[dict[str, Any], Representation | None]:
    """All measures. Those that a model or its data do not allow are left out, with the reason in their place.

    Args:
      experiment: as from `build`.
      params: those of the trained model.
      num_samples: importance samples for each image.
      codes: how many codes to evaluate the full-data aggregate posterior at.
      score_names: names in `evaluation.metrics.SCORES`; by default the quick ones.
      repeats: repetitions of a score with other examples, for its error.
      features: the space that samples are compared in; see `sample_quality`.

    Raises:
      InputError: the function of features fails on ten test images.

    Returns:
      The measures, and the codes of the whole grid where the data have known factors.
    """
    data, recipe = experiment.data, experiment.recipe
    if features is not None:  # before hours of measuring
        apply_features(features, np.asarray(recipe.seen(jax.random.key(0), data.test.x[:10])))
    measures = test_metrics(experiment, params)
    key_likelihood, key_codes, key_batches, key_samples = jax.random.split(experiment.keys.measures, 4)
    if recipe.loss.posterior.has_density:
        measures["log_likelihood"] = _likelihood(experiment, params, key_likelihood, num_samples)
        measures["aggregate_posterior"] = _aggregate(experiment, params, key_codes, key_batches, codes)
    else:
        point = _left_out(f"the code of {recipe.loss.name} is a point, which has no density")
        measures["log_likelihood"] = measures["aggregate_posterior"] = point
    measures["sample_quality"] = _samples(experiment, params, key_samples, features)
    if data.factors is None or recipe.loss.conditional:
        why = "the encoder takes labels" if data.factors else f"the factors of {data.name} are not known"
        measures["disentanglement"] = _left_out(why)
        return measures, None
    representation = represent(recipe, params, data.factors)
    try:
        scored = scores(representation, names=score_names, repeats=repeats)
    except InputError as error:
        measures["disentanglement"] = _left_out(str(error))
        return measures, representation
    measures["disentanglement"] = {
        "codes": "posterior means of factors drawn uniformly, 10,000 to fit and 5,000 to test; mig_chen: posterior "
        "densities of the whole grid",
        **{name: score._asdict() for name, score in scored.items()},
    }
    return measures, representation


def _likelihood(experiment: Experiment, params: Params, key: jax.Array, num_samples: int) -> dict[str, Any]:
    recipe = experiment.recipe
    values = log_likelihood(recipe, params, key, experiment.data.test, num_samples=num_samples)._asdict()
    del values["per_example"]
    given = "log p(x|y) by importance sampling from q(z|x, y)"
    what = given if recipe.loss.conditional else "log p(x) by importance sampling from q(z|x)"
    bits = bits_per_dimension(values["log_likelihood"], experiment)
    return {"estimator": f"{what}, nats per test image", **values, "bits_per_dimension": bits}


def bits_per_dimension(log_likelihood: float, experiment: Experiment) -> float | None:
    """−log₂ P(x) per pixel and channel, where pixels have 256 levels; None where they are black or white.

    A density of pixels in [0, 1] is taken for constant over each level, 1/255 wide.
    """
    recipe, x = experiment.recipe, experiment.data.test.x
    if recipe.model.support is Support.BINARY or recipe.preprocess is not grey or x.dtype != np.uint8:
        return None
    per_pixel = -log_likelihood / (math.prod(x.shape[1:]) * math.log(2))
    return per_pixel + (0.0 if recipe.model.support is Support.GREY_LEVELS else math.log2(255))


def _aggregate(
    experiment: Experiment, params: Params, key: jax.Array, key_batches: jax.Array, codes: int
) -> dict[str, Any]:
    data, recipe = experiment.data, experiment.recipe
    if not recipe.model.standard_prior:
        return _left_out("the KL is split against N(0, I), and this model has another prior")
    posterior = encode_all(recipe, params, experiment.keys.validation, data.train)
    if not isinstance(posterior, Normal):
        return _left_out(f"the KL is split for normal posteriors, and these are {recipe.loss.posterior.name}")
    terms = aggregate_posterior(posterior, key, samples=codes)._asdict()
    beside = {
        sampling: minibatch_estimates(posterior, key_batches, batch=BATCH, sampling=sampling)
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


def _samples(experiment: Experiment, params: Params, key: jax.Array, features: Features | None) -> dict[str, Any]:
    try:
        quality = sample_quality(experiment.recipe, params, key, experiment.data, features=features)
    except InputError as error:
        return _left_out(str(error))
    parts = {name: getattr(quality, name)._asdict() for name in ("model", "real")}
    return {"estimator": "samples against test images; real: training images", **quality._asdict(), **parts}


def _left_out(why: str) -> dict[str, str]:
    return {"left_out": why}
