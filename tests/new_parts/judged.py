"""A loss with a critic that looks at x and at what is decoded."""

import math

import jax
import jax.numpy as jnp

from vae_jax.distributions.base import mean_of
from vae_jax.hyperparameter import Hyperparameter, declared, size
from vae_jax.losses import Batch, Critic
from vae_jax.losses._calls import per_batch
from vae_jax.losses.batch import loss_of
from vae_jax.losses.loss import LOSSES


def init(key, x, z, *, judge_width):
    first, last = jax.random.split(key)
    return {
        "in": jax.random.normal(first, (judge_width, x.size)) / math.sqrt(x.size),
        "out": jax.random.normal(last, (judge_width,)) / math.sqrt(judge_width),
    }


def judge(params, x):
    return params["out"] @ jnp.tanh(params["in"] @ jnp.ravel(x))


def hinge(key, batch: Batch, critic):
    real, made = jax.vmap(critic)(batch.need_x()), jax.vmap(lambda p: critic(mean_of(p)))(batch.terms.decoded)
    return jnp.mean(jax.nn.relu(1.0 - real) + jax.nn.relu(1.0 + made))


JUDGE = Critic(init, judge, hinge, Hyperparameter(default=1e-3), declared({"judge_width": size(8)}))


@LOSSES.register("judged", critics={"judge": JUDGE})
@per_batch
def judged(batch, *, realism=1.0, axis_name=None):
    """Judged: the ELBO, and decoded images that a critic takes for real."""
    terms, critic = batch.gathered(axis_name).need_density("judged"), batch.need_critic("judge")
    made = jax.vmap(lambda p: critic(mean_of(p)))(terms.decoded)
    return loss_of(jnp.mean(terms.distortion + terms.rate) - realism * jnp.mean(made), axis_name)
