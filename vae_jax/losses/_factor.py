"""FactorVAE: the total correlation from a critic that tells codes from codes with shuffled latents."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax.hyperparameter import Hyperparameter, declared, size
from vae_jax.losses._calls import per_batch
from vae_jax.losses.batch import Batch, loss_of
from vae_jax.losses.loss import LOSSES, Critic

LAYERS = 6


def init_critic(key: Array, latent: int, *, width: int = 1000) -> list[tuple[Array, Array]]:
    """Weights and biases of the critic: five hidden layers and one logit, He's normal initialisation.

    The paper has a "6 layer MLP … 1000 hidden units per layer" with two logits, whose difference is this one. Public
    code takes it to be five hidden layers and an output, as here (1Konny/FactorVAE, disentangling-vae, pythae), or six
    and an output (disentanglement_lib).

    Args:
      key: a typed key.
      latent: latent dimensions.
      width: width of the hidden layers; 1000 in the paper.

    Returns:
      `(weights [out, in], bias [out])` of each layer.

    >>> [weights.shape for weights, _ in init_critic(jax.random.key(0), 10, width=8)]
    [(8, 10), (8, 8), (8, 8), (8, 8), (8, 8), (1, 8)]
    """
    sizes = [latent, *[width] * (LAYERS - 1), 1]
    pairs = zip(jax.random.split(key, LAYERS), sizes[:-1], sizes[1:], strict=True)
    return [(jnp.sqrt(2 / fan_in) * jax.random.normal(k, (out, fan_in)), jnp.zeros(out)) for k, fan_in, out in pairs]


def apply_critic(params: list[tuple[Array, Array]], z: Array) -> Array:
    """The logit `[]` that z `[latent]` is a code rather than a shuffled one; leaky ReLU with slope 0.2.

    >>> apply_critic(init_critic(jax.random.key(0), 10, width=8), jnp.zeros(10)).item()
    0.0
    """
    *hidden, (weights, bias) = params
    for w, b in hidden:
        z = jax.nn.leaky_relu(w @ z + b, 0.2)
    return (weights @ z + bias)[0]


def permute_latents(key: Array, z: Array) -> Array:
    """Each latent shuffled over the batch independently: samples of Π_j q(z_j) from samples of q(z), `[batch, latent]`.

    Reference: Kim & Mnih 2018, algorithm 1.

    >>> permute_latents(jax.random.key(0), jnp.array([[0, 10], [1, 11], [2, 12]])).sum(axis=0).tolist()
    [3, 33]
    """
    return jax.random.permutation(key, z, axis=0, independent=True)


def critic_loss(key: Array, z: Array, critic: Callable[[Array], Array], *, axis_name: str | None = None) -> Array:
    """What the critic minimises: the cross-entropy of telling codes from shuffled codes.

    −½ mean [log D(z) + log(1 − D(permuted z))],  D = sigmoid(critic)

    The optimal critic is the logit log q(z)/Π_j q(z_j). The shuffled codes come from the same batch; the paper draws a
    second one.

    Args:
      key: a typed key, for the shuffles.
      z: codes `[batch, latent]`; no gradient flows to them.
      critic: z `[latent]` -> logit `[]`.
      axis_name: a mapped axis over which the codes are split, with the same key everywhere; the latents are then
        shuffled over the whole batch.

    Returns:
      The cross-entropy in nats, `[]`.

    Raises:
      ValueError: a batch of one example, whose latents cannot be shuffled.

    Reference: Kim & Mnih 2018, algorithm 2.

    >>> float(critic_loss(jax.random.key(0), jnp.ones((8, 2)), lambda z: 0.0 * z.sum()))  # cannot tell: ln 2
    0.693147...
    """
    z = z if axis_name is None else jax.lax.all_gather(z, axis_name, tiled=True)
    if z.shape[0] < 2:
        raise ValueError("shuffling latents over a batch needs at least 2 examples; got 1.")
    z = jax.lax.stop_gradient(z)
    real, shuffled = jax.vmap(critic)(z), jax.vmap(critic)(permute_latents(key, z))
    return loss_of(0.5 * (jax.nn.softplus(-real).mean() + jax.nn.softplus(shuffled).mean()), axis_name)


def _init(key: Array, x: Array, z: Array, *, width: int) -> list[tuple[Array, Array]]:
    del x
    return init_critic(key, z.size, width=width)


def _objective(key: Array, batch: Batch, critic: Callable[[Array], Array]) -> Array:
    return critic_loss(key, batch.terms.z, critic)


CRITIC = Critic(
    _init, apply_critic, _objective, Hyperparameter(default=1e-4, exclusive=True), declared({"width": size(200)})
)


@LOSSES.register("factor", critics={"critic": CRITIC}, smallest_batch=2)
@per_batch
def factor(batch: Batch, *, gamma: ArrayLike = 10.0, axis_name: str | None = None) -> Array:
    """FactorVAE: the negative ELBO plus γ times the total correlation, by the density-ratio trick.

    mean(−log p(x|z) + KL) + γ mean(log D(z)/(1 − D(z)))

    The log-ratio is the critic's logit. It estimates log q(z)/Π_j q(z_j) only as well as the critic is trained, and is
    neither a bound nor unbiased. With a critic that cannot tell (logit 0) this is the negative ELBO.

    Args:
      batch: with a critic, whose parameters are held fixed; train them on `critic_loss` alongside.
      gamma: γ, ≥ 0; 10 to 100 in the study of Locatello et al. 2019.
      axis_name: a mapped axis that the batch is split over, as in `jax.lax.pmean`; the loss is that of the whole batch.

    Returns:
      The loss of the batch in nats, `[]`.

    Raises:
      ValueError: a batch without a critic, a critic that gives more than one number per code, or point codes.

    Reference: Kim & Mnih, *Disentangling by factorising*, 2018, eq. 2.

    >>> from vae_jax.losses import Terms
    >>> terms = Terms(jnp.array([-80.0]), jnp.array([[3.0, 2.0]]), jnp.ones((1, 2)), None)
    >>> float(factor(Batch(terms, critics={"critic": lambda z: z.sum()}), gamma=10.0))  # 80 + 5 + 10·2
    105.0
    """
    critic, terms = batch.need_critic(), batch.gathered(axis_name).need_density("FactorVAE")
    logits = jax.vmap(critic)(terms.z)
    if logits.ndim != 1:
        raise ValueError(f"the critic must give one logit for each code; got {logits.shape[1:]} for each.")
    return loss_of(jnp.mean(terms.distortion + terms.rate) + gamma * jnp.mean(logits), axis_name)
