"""Training: its transformations against each other, its keys, and its driver."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax._src.array import ArrayImpl
from recipes import initial

from vae_jax import Normal, losses, training
from vae_jax.data import Examples, dynamic, grey
from vae_jax.errors import InputError
from vae_jax.keys import Keys, use
from vae_jax.losses import LOSSES
from vae_jax.models import VAE, BernoulliLikelihood, DenseDecoder, DenseEncoder
from vae_jax.training import (
    OPTIMIZERS,
    DivergedError,
    Recipe,
    fit,
    grid,
    hyperparameters,
    lay_out,
    train_one,
)
from vae_jax.training.feed import part_of_epoch
from vae_jax.training.pure import state_shapes


def small_recipe(**changes) -> Recipe:
    model = VAE(DenseEncoder(3, (16,)), DenseDecoder((4, 4, 1), (16,)), BernoulliLikelihood())
    return Recipe(**{"model": model, "batch_size": 8, **changes})


@pytest.fixture
def data() -> Examples:
    return Examples(np.random.RandomState(0).randint(0, 256, (50, 4, 4, 1)).astype(np.uint8))


def trained(recipe, key, hyper, data, epochs=2):
    return training.run(recipe, key, hyper, data, epochs=epochs)


step = jax.jit(training.step, static_argnums=0)
batch_loss = jax.jit(training.batch_loss, static_argnums=0, static_argnames="data_size")


def test_population_is_its_members(key, data):
    """vmap, pmap over devices and jit of a run give what single runs give."""
    recipe = small_recipe()
    run = partial(trained, recipe)
    keys = jax.random.split(key, 2)
    hypers = {"beta": jnp.array([1.0, 4.0]), "learning_rate": jnp.array([1e-3, 3e-3])}
    data = jax.device_put(data)
    members = [(key, {name: leaf[i] for name, leaf in hypers.items()}) for i, key in enumerate(jax.random.clone(keys))]
    singles = [run(jax.random.clone(key), hyper, data)[1]["loss"] for key, hyper in members]
    for found in (
        [jax.jit(run)(jax.random.clone(key), hyper, data)[1]["loss"] for key, hyper in members],
        jax.jit(jax.vmap(run, (0, 0, None)))(jax.random.clone(keys), hypers, data)[1]["loss"],
        jax.pmap(run, in_axes=(0, 0, None))(jax.random.clone(keys), hypers, data)[1]["loss"],
    ):
        np.testing.assert_allclose(found, singles, rtol=1e-4)


def test_three_betas_one_compilation(key, data):
    traces = []

    def run(key, hyper, data):
        traces.append(1)
        return trained(small_recipe(), key, hyper, data)

    compiled = jax.jit(run)
    recipe = small_recipe()
    results = [
        compiled(jax.random.clone(key), hyperparameters(recipe, beta=beta), data)[1]["rate"][-1] for beta in (0, 1, 8.0)
    ]
    assert len(traces) == 1
    assert {leaf.dtype for leaf in hyperparameters(recipe, beta=1).values()} == {jnp.dtype("float32")}
    assert results[0] > results[1] > results[2]


def test_step_agrees_with_a_step_by_hand(key, data):
    recipe = small_recipe()
    hyper = hyperparameters(recipe, beta=2.0)
    state = initial(recipe, jax.random.clone(key), data)
    batch = Examples(jnp.asarray(data.x[:8]))
    found, metrics = step(recipe, state, jax.random.clone(key), hyper, batch)
    noise = jax.random.fold_in(use(key, "noise"), 0)
    own = {"beta": jnp.float32(2)}
    loss = lambda params: training.batch_loss(recipe, params, own, jax.random.clone(noise), batch)[0]
    optimizer = optax.adam(1e-3)
    value, gradient = jax.jit(jax.value_and_grad(loss))(state.params)
    updates, _ = optimizer.update(gradient, optimizer.init(state.params))
    jax.tree.map(
        partial(np.testing.assert_allclose, rtol=1e-5), found.params, optax.apply_updates(state.params, updates)
    )
    np.testing.assert_allclose(metrics["loss"], value, rtol=1e-6)
    np.testing.assert_allclose(metrics["loss"], metrics["distortion"] + 2 * metrics["rate"], rtol=1e-6)


def test_batch_order_does_not_matter_but_noise_does(key, data):
    """The mean of deterministic terms ignores the order; each example has noise of its own."""
    recipe = small_recipe()
    params = initial(recipe, jax.random.clone(key), data).params

    def terms(rows):
        return batch_loss(recipe, params, {}, jax.random.key(1), Examples(jnp.asarray(rows)))[1]

    forward, backward = terms(data.x[:8]), terms(data.x[:8][::-1])
    np.testing.assert_allclose(forward.rate, backward.rate[::-1], rtol=1e-5)
    assert not np.allclose(forward.distortion, backward.distortion[::-1])
    first, second = terms(np.repeat(data.x[:1], 2, axis=0)).distortion
    assert first != second


def test_an_epoch_sees_every_example_of_its_full_batches_once(key, data):
    recipe = small_recipe()
    orders = [np.asarray(training.order(recipe, jax.random.clone(key), index, data)) for index in (0, 1)]
    for order in orders:
        assert order.shape == (6, 8) and len(np.unique(order)) == 48
    assert not np.array_equal(*orders)


def test_a_critic_trains_beside_the_model_and_leaves_it_alone(key, data):
    """With γ = 0 FactorVAE's model is the VAE's, step for step; its critic goes by Adam(3e-4, 0.5, 0.9) on its loss."""
    with_critic = small_recipe(loss=LOSSES["factor"].choose(width=4))
    hyper = hyperparameters(with_critic, gamma=0.0, critic_learning_rate=3e-4)
    state = initial(with_critic, jax.random.clone(key), data)
    plain = initial(small_recipe(), jax.random.clone(key), data)
    optimizer = optax.adam(3e-4, b1=0.5, b2=0.9)
    critic = state.params["critic"]
    opt_state = optimizer.init(critic)
    for index in range(3):
        batch = Examples(data.x[8 * index : 8 * index + 8])

        @jax.jit
        @jax.value_and_grad
        def critic_loss(critic, state=state, batch=batch):
            key_step = jax.random.fold_in(use(jax.random.clone(key), "noise"), state.step)
            _, terms = training.batch_loss(with_critic, state.params, {"gamma": 0.0}, key_step, batch)
            return losses.critic_loss(use(key_step, "critic"), terms.z, lambda z: losses.apply_critic(critic, z))

        value, grads = critic_loss(critic)
        updates, opt_state = optimizer.update(grads, opt_state)
        critic = optax.apply_updates(critic, updates)
        state, metrics = step(with_critic, state, jax.random.clone(key), hyper, batch)
        plain, _ = step(small_recipe(), plain, jax.random.clone(key), hyperparameters(small_recipe()), batch)
        np.testing.assert_allclose(metrics["critic_loss"], value, rtol=1e-5)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), state.params["critic"], critic)
    model = {name: part for name, part in state.params.items() if name != "critic"}
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7), model, plain.params)


def test_a_critics_gradient_reaches_the_codes_and_not_the_critic(key, data):
    """γ weighs the critic's logit for the model; the critic's own objective does not see γ."""
    recipe = small_recipe(loss=LOSSES["factor"].choose(width=4))
    state = initial(recipe, jax.random.clone(key), data)
    batch = Examples(data.x[:8])
    without, with_gamma = (
        step(recipe, state, jax.random.clone(key), hyperparameters(recipe, gamma=gamma), batch)[0].params
        for gamma in (0.0, 1000.0)
    )
    jax.tree.map(np.testing.assert_array_equal, without["critic"], with_gamma["critic"])
    kernels = (params["encoder"]["params"]["posterior"]["kernel"] for params in (without, with_gamma))
    assert np.abs(np.subtract(*kernels)).max() > 1e-4


def test_the_shapes_of_a_state_are_those_of_init_and_traced_once(key, data):
    """Also with a critic and an average; a model is traced for seconds where it is large, and many ask."""
    traces = []
    counted = lambda key, x: traces.append(1) or grey(key, x)
    recipe = small_recipe(loss=LOSSES["factor"].choose(width=4), options=("ema",), preprocess=counted)
    shapes = state_shapes(recipe, data)
    assert state_shapes(recipe, Examples(data.x[:9])) == shapes and len(traces) == 1
    with jax.enable_x64(True):
        assert state_shapes(recipe, data) != shapes
    assert shapes == jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), initial(recipe, key, data))


def test_the_shapes_of_a_state_need_no_hash(data):
    model = small_recipe().model
    assert state_shapes(small_recipe(model=replace(model, prior=Normal(jnp.zeros(3), jnp.zeros(3)))), data)


def test_a_run_tells_its_loss_the_size_of_the_data(key, data):
    """Of the whole data, not of the batch: at an epoch's first step the loss is that with N = 50."""
    recipe = small_recipe(loss=LOSSES["beta-tc-weighted"])
    hyper = hyperparameters(recipe)
    state = initial(recipe, jax.random.clone(key), data)
    rows = training.order(recipe, jax.random.clone(key), 0, data)
    _, metrics = jax.jit(partial(training.steps, recipe))(state, jax.random.clone(key), hyper, data, rows)
    key_step = jax.random.fold_in(use(key, "noise"), 0)
    own, batch = recipe.loss.at(0, hyper), Examples(data.x[rows[0]])
    loss, _ = batch_loss(recipe, state.params, own, jax.random.clone(key_step), batch, data_size=50)
    alone, _ = batch_loss(recipe, state.params, own, key_step, batch)
    np.testing.assert_allclose(metrics["loss"][0], loss, rtol=1e-5)
    assert abs(loss - alone) > 0.1


def test_fit_is_run(key, data):
    """The driver's parts and restarts leave the very bits of the pure epoch."""
    recipe = small_recipe(preprocess=dynamic)
    members = grid(recipe)
    (*_, whole) = fit(recipe, members, data, epochs=3)
    whole = whole.metrics, whole.population.states()
    (first,) = fit(recipe, members, data, epochs=1)
    rest = [
        (word.done, word.metrics, word.population.states())
        for word in fit(recipe, members, data, epochs=3, start=first.population)
    ]
    assert [done for done, *_ in rest] == [2, 3]
    jax.tree.map(np.testing.assert_array_equal, rest[-1][1:], whole)
    state, metrics = trained(recipe, Keys(0).train, members.hyper(0), data, epochs=3)
    mine = jax.tree.map(lambda leaf: leaf[0], whole[1])
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), state.params, mine.params)
    assert whole[0]["loss"][0, -1] == pytest.approx(float(metrics["loss"][-1]), rel=1e-5)


def test_a_single_run_that_diverges_says_where(data):
    recipe = small_recipe()
    bad = Examples(np.where(np.arange(50)[:, None, None, None] == 7, np.nan, data.x / 255).astype(np.float32))
    with pytest.raises(DivergedError, match=r"became NaN or infinite at step [0-5] \(epoch 1\)"):
        train_one(recipe, grid(recipe), bad, epochs=2)


@pytest.mark.parametrize(("models", "over"), [(8, "shard_map"), (64, "shard_map"), (64, "pmap")])
def test_an_epoch_of_a_population_fetches_metrics_alone(models, over, data, monkeypatch):
    """States stay on the two devices: whatever way an array takes to the host, its bytes are counted."""
    recipe = small_recipe()
    members = grid(recipe, seeds=models)
    fetched, value = [], ArrayImpl._value.fget
    assert value
    monkeypatch.setattr(ArrayImpl, "_value", property(lambda array: fetched.append(array.nbytes) or value(array)))
    words = fit(recipe, members, data, epochs=3, layout=lay_out(models, jax.devices()[:2], over=over))
    next(words)
    fetched.clear()
    word = next(words)
    found = sum(fetched)
    steps, metrics = training.steps_per_epoch(recipe, data), 4  # loss, negative ELBO, distortion and rate, float32
    assert found == models * (steps * metrics * 4 + 4)  # and one number that says whether the state is finite
    fetched.clear()
    assert sum(leaf.nbytes for leaf in jax.tree.leaves(word.population.states())) == sum(fetched) > 50 * found


@pytest.mark.parametrize(("steps", "part"), [(9, 9), (468, 78), (390, 78), (467, 467), (1000, 100), (10_007, 10_007)])
def test_long_epochs_are_cut_into_equal_parts(steps, part):
    assert part_of_epoch(steps) == part


def test_errors_name_what_is_wrong(key, data):
    recipe = small_recipe()
    with pytest.raises(InputError, match="no hyperparameter 'betta'; did you mean 'beta'"):
        hyperparameters(recipe, betta=1.0)
    with pytest.raises(InputError, match="a batch of 8 needs as many images; got 3"):
        training.run(recipe, key, hyperparameters(recipe), Examples(data.x[:3]), epochs=1)


def test_centred_rmsprop_is_pytorchs_formula():
    """v ← 0.99 v + 0.01 g², m ← 0.99 m + 0.01 g, w ← w − lr·g/(√(v − m²) + 1e-8)."""
    gradients = np.random.RandomState(0).randn(5, 3)
    v, m, w = np.zeros(3), np.zeros(3), np.ones(3)
    for g in gradients:
        v, m = 0.99 * v + 0.01 * g**2, 0.99 * m + 0.01 * g
        w = w - 0.1 * g / (np.sqrt(v - m**2) + 1e-8)
    np.testing.assert_allclose(_descended("rmsprop", gradients, learning_rate=0.1), w, rtol=1e-4)


def test_lion_and_sgd_are_their_formulas():
    """Lion: w ← w − lr·(sign(0.9 m + 0.1 g) + λ w), m ← 0.99 m + 0.01 g. SGD: m ← μ m + g, w ← w − lr·m."""
    random = np.random.RandomState(0)
    gradients, w, m = random.randn(5, 3), np.ones(3), np.zeros(3)
    for g in gradients:
        w, m = w - 0.1 * (np.sign(0.9 * m + 0.1 * g) + 0.3 * w), 0.99 * m + 0.01 * g
    np.testing.assert_allclose(_descended("lion", gradients, learning_rate=0.1, weight_decay=0.3), w, rtol=1e-5)
    w, m = np.ones(3), np.zeros(3)
    for g in gradients:
        m = 0.5 * m + g
        w = w - 0.1 * m
    np.testing.assert_allclose(_descended("sgd", gradients, learning_rate=0.1, momentum=0.5), w, rtol=1e-5)


def _descended(name, gradients, **hyper):
    """Where three parameters that start at 1 come to."""
    optimizer, params = OPTIMIZERS[name].at(hyper), jnp.ones(3)
    state = optimizer.init(params)
    for g in gradients:
        updates, state = optimizer.update(jnp.asarray(g, jnp.float32), state, params)
        params = optax.apply_updates(params, updates)
    return params


def test_any_function_of_a_learning_rate_is_an_optimiser(key, data):
    recipe = small_recipe(optimizer=lambda lr: optax.sgd(lr))
    state, _ = trained(recipe, key, hyperparameters(recipe, learning_rate=1e-2), data, epochs=1)
    assert state.step == 6


def test_a_population_that_has_diverged_is_not_trained_on(data):
    recipe = small_recipe()
    members = grid(recipe, learning_rate=1e30)
    *_, last = fit(recipe, members, data, epochs=2)
    assert not last.population.finite.any()
    assert list(fit(recipe, members, data, epochs=9, start=last.population)) == []


def test_a_size_reaches_a_loss_of_a_batch_beside_those_of_its_critic(key, data):
    """The numbers of the critic go to the critic alone."""
    seen = []

    @losses.per_batch
    def binned(batch, *, bins: int = 5):
        seen.append(bins)
        return batch.terms.distortion.mean()

    loss = losses.Loss("binned", binned, critics=LOSSES["factor"].critics).choose(bins=9, width=3)
    recipe = small_recipe(loss=loss)
    params = initial(recipe, key, data).params
    batch_loss(recipe, params, loss.at(0.0, hyperparameters(recipe)), key, Examples(data.x[:8]))
    assert set(seen) == {9} and jax.tree.leaves(params["critic"])[0].shape[-1] == 3
