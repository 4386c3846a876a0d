"""Everything that is measured of a trained model, ready for JSON: each number with its estimator, sample and error."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from vae_jax.disentanglement import QUICK, Representation, represent, scores
from vae_jax.distributions import Normal, StandardNormal
from vae_jax.errors import InputError
from vae_jax.evaluation import (
    aggregate_posterior,
    encode_all,
    evaluate_elbo,
    log_likelihood,
    minibatch_estimates,
    prior_match,
    sample_quality,
)
from vae_jax.experiment import Experiment, improper
from vae_jax.model import Params

BATCH = 64  # of the minibatch estimates that stand beside the full-data ones


def held_out(experiment: Experiment, params: Params) -> dict[str, Any]:
    """What every run reports of itself: the ELBO on the test set, and how its aggregate posterior matches N(0, I)."""
    data, recipe, hyper, keys, _ = experiment
    codes = encode_all(recipe, params, keys.test, data.test)
    return {
        "test": evaluate_elbo(recipe, params, keys.test, data.test, hyper),
        "prior_match": prior_match(codes, keys.codes)._asdict(),
        "proper_likelihood": not improper(experiment),
    }


def everything(
    experiment: Experiment,
    params: Params,
    *,
    num_samples: int = 5000,
    codes: int = 10_000,
    score_names: Sequence[str] = QUICK,
    repeats: int = 3,
    classifier: Any = None,
) -> tuple[dict[str, Any], Representation | None]:
    """All of it. What a model or its data do not have is left out, with the reason in its place.

    Args:
      experiment: as `build` gives it.
      params: of the trained model.
      num_samples: importance samples an image.
      codes: at which the densities of the full-data aggregate posterior are taken.
      score_names: of `disentanglement.SCORES`.
      repeats: draws of the examples for a score's error.
      classifier: for `sample_quality`, from `evaluation.classifier_of`; trained where None is given.

    Returns:
      The measures, and the codes of the whole grid where the data have known factors.
    """
    data, recipe, _, keys, _ = experiment
    found = held_out(experiment, params)
    key_likelihood, key_codes, key_batches, key_samples = jax.random.split(keys.measures, 4)
    if recipe.loss.posterior != "normal":
        point = _left_out(f"the code of {recipe.loss.name} is a point, which has no density")
        found["log_likelihood"] = found["aggregate_posterior"] = point
    else:
        found["log_likelihood"] = _likelihood(experiment, params, key_likelihood, num_samples)
        found["aggregate_posterior"] = _aggregate(experiment, params, key_codes, key_batches, codes)
    found["sample_quality"] = _samples(experiment, params, key_samples, classifier)
    if data.factors is None or recipe.loss.conditional:
        why = "the encoder takes labels" if data.factors else f"the factors of {data.name} are not known"
        found["disentanglement"] = _left_out(why)
        return found, None
    representation = represent(recipe, params, data.factors)
    scored = scores(representation, names=score_names, repeats=repeats)
    found["disentanglement"] = {
        "codes": "posterior means of factors drawn uniformly, 10,000 to fit and 5,000 to test (dci_2k: 2,000 and "
        "1,000); mig_chen: posterior densities of the whole grid",
        **{name: score._asdict() for name, score in scored.items()},
    }
    return found, representation


def _likelihood(experiment: Experiment, params: Params, key: jax.Array, num_samples: int) -> dict[str, Any]:
    estimate = log_likelihood(experiment.recipe, params, key, experiment.data.test, num_samples=num_samples)
    values = estimate._asdict()
    del values["per_example"]
    what = (
        "log p(x|y) by importance sampling from q(z|x, y)"
        if experiment.recipe.loss.conditional
        else ("log p(x) by importance sampling from q(z|x)")
    )
    return {"estimator": f"{what}, nats per test image", **values}


def _aggregate(
    experiment: Experiment, params: Params, key: jax.Array, key_batches: jax.Array, codes: int
) -> dict[str, Any]:
    data, recipe, _, keys, _ = experiment
    label = jax.numpy.zeros((), int) if recipe.loss.conditional else None
    if not isinstance(recipe.model.latent_prior(params, label), StandardNormal):
        return _left_out("the split of the KL is against N(0, I), and this prior is another")
    posterior = encode_all(recipe, params, keys.validation, data.train)
    assert isinstance(posterior, Normal)
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


def _samples(experiment: Experiment, params: Params, key: jax.Array, classifier: Any) -> dict[str, Any]:
    try:
        quality = sample_quality(experiment.recipe, params, key, experiment.data, classifier=classifier)
    except InputError as error:
        return _left_out(str(error))
    return {
        "estimator": "unbiased MMD² to test images in the features of a classifier trained here",
        **quality._asdict(),
    }


def _left_out(why: str) -> dict[str, str]:
    return {"left_out": why}
