"""Black or white, grey, and 256 levels: densities against SciPy, sums over the levels, samples, extremes."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.stats

from vae_jax.distributions import Bernoulli, ContinuousBernoulli, DiscretizedLogistic, DiscretizedLogisticMixture


def test_bernoulli_density_is_scipys(key):
    key_logits, key_x = jax.random.split(key)
    logits = 3.0 * jax.random.normal(key_logits, (9,))
    x = jax.random.bernoulli(key_x, 0.5, (9,)).astype(float)
    expected = scipy.stats.bernoulli.logpmf(x, scipy.special.expit(logits)).sum()
    np.testing.assert_allclose(Bernoulli(logits).log_prob(x), expected, rtol=1e-5)


def test_bernoulli_of_grey_pixels_is_the_cross_entropy():
    logits, x = jnp.array([0.3, -2.0]), jnp.array([0.25, 0.9])
    p = 1 / (1 + np.exp(-np.asarray(logits)))
    np.testing.assert_allclose(Bernoulli(logits).log_prob(x), np.sum(x * np.log(p) + (1 - x) * np.log1p(-p)), rtol=1e-6)


@pytest.mark.parametrize(("logit", "x", "value", "slope"), [(1e4, 1, 0, 0), (1e4, 0, -1e4, -1), (-1e4, 1, -1e4, 1)])
def test_bernoulli_is_exact_at_huge_logits(logit, x, value, slope):
    found = jax.value_and_grad(lambda logit: Bernoulli(logit).log_prob(float(x)))(logit)
    assert (float(found[0]), float(found[1])) == (value, slope)


def test_bernoulli_keeps_small_probabilities():
    """−log σ(20) is 2e-9: a large number minus a larger one would say 0."""
    np.testing.assert_allclose(Bernoulli(jnp.array([20.0])).log_prob(jnp.ones(1)), -np.log1p(np.exp(-20.0)), rtol=1e-5)


@pytest.mark.parametrize("logit", [0.0, -0.0, 1e-6, -3.0, 50.0])
def test_bernoulli_gradient_is_x_minus_probability(logit):
    """Also at 0, where the pieces of the stable form have kinks, and where a decoder may start."""
    slope = jax.grad(lambda logit: Bernoulli(logit).log_prob(0.3))(logit)
    np.testing.assert_allclose(slope, 0.3 - scipy.special.expit(logit), rtol=1e-6)


def test_bernoulli_samples_have_the_stated_mean(key):
    distribution = Bernoulli(jnp.array([0.4, -3.0]))
    samples = jax.vmap(distribution.sample)(jax.random.split(key, 40_000))
    error = np.std(samples, axis=0) / 200
    np.testing.assert_array_less(np.abs(samples.mean(0) - distribution.mean), 4 * error)


class TestContinuousBernoulli:
    logits = jnp.array([-1e4, -30.0, -2.0, -0.0999, -1e-4, 0.0, 1e-6, 0.0999, 0.1001, 1.0, 30.0, 1e4])

    def test_integrates_to_one(self):
        from scipy.integrate import quad

        for logit in (-30.0, -2.0, -0.05, 0.0, 0.0999, 0.1001, 5.0):
            density = jax.jit(lambda x, logit=logit: jnp.exp(ContinuousBernoulli(jnp.array(logit)).log_prob(x)))
            assert quad(lambda x, density=density: float(density(x)), 0, 1, limit=100)[0] == pytest.approx(1, abs=1e-4)

    def test_is_torchs_definition(self):
        """log C(λ) = log(2 atanh(1 − 2λ)/(1 − 2λ)), eq. 7 of the paper."""
        probability = scipy.special.expit(1.7)
        constant = np.log(2 * np.arctanh(1 - 2 * probability) / (1 - 2 * probability))
        expected = constant + 0.3 * np.log(probability) + 0.7 * np.log1p(-probability)
        np.testing.assert_allclose(ContinuousBernoulli(jnp.array(1.7)).log_prob(0.3), expected, rtol=1e-5)

    def test_is_finite_and_smooth_everywhere(self):
        values, slopes = jax.vmap(jax.value_and_grad(lambda logit: ContinuousBernoulli(logit).log_prob(0.7)))(
            self.logits
        )
        assert np.isfinite(values).all() and np.isfinite(slopes).all()
        np.testing.assert_allclose(slopes, 0.7 - ContinuousBernoulli(self.logits).mean, atol=2e-4)

    def test_samples_have_the_mean(self, key):
        logits = jnp.array([-20.0, -1.0, 0.0, 0.05, 3.0])
        samples = jax.vmap(ContinuousBernoulli(logits).sample)(jax.random.split(key, 40_000))
        assert samples.min() >= 0 and samples.max() <= 1
        np.testing.assert_allclose(samples.mean(0), ContinuousBernoulli(logits).mean, atol=6e-3)


class TestDiscretizedLogistic:
    @pytest.mark.parametrize("log_scale", [-9.0, -4.0, -1.0, 2.0])
    @pytest.mark.parametrize("location", [-0.2, 0.3, 1.0])
    def test_sums_to_one_over_the_levels(self, location, log_scale):
        distribution = DiscretizedLogistic(jnp.array(location), jnp.array(log_scale))
        total = jnp.exp(jax.vmap(distribution.log_prob)(jnp.arange(256) / 255)).sum()
        assert total == pytest.approx(1, abs=1e-4)

    def test_is_scipys(self):
        cdf = scipy.stats.logistic(0.3, np.exp(-2.0)).cdf
        expected = np.log(cdf(0.5 + 1 / 510) - cdf(0.5 - 1 / 510))
        level = np.round(0.5 * 255) / 255
        expected = np.log(cdf(level + 1 / 510) - cdf(level - 1 / 510))
        found = DiscretizedLogistic(jnp.array(0.3), jnp.array(-2.0)).log_prob(0.5)
        np.testing.assert_allclose(found, expected, rtol=1e-5)

    @pytest.mark.parametrize("log_scale", [-80.0, -7.0, 80.0])
    @pytest.mark.parametrize("x", [0.0, 0.5, 1.0])
    def test_is_finite_at_extremes(self, x, log_scale):
        function = jax.value_and_grad(lambda m, s: DiscretizedLogistic(m, s).log_prob(x), (0, 1))
        value, slopes = function(0.2, log_scale)
        assert np.isfinite(value) and np.isfinite(slopes).all()

    def test_samples_follow_it(self, key):
        distribution = DiscretizedLogistic(jnp.array(0.4), jnp.array(-2.5))
        samples = jax.vmap(distribution.sample)(jax.random.split(key, 40_000))
        levels = jnp.arange(256) / 255
        expected = jnp.sum(jnp.exp(jax.vmap(distribution.log_prob)(levels)) * levels)
        np.testing.assert_allclose(samples.mean(), expected, atol=3e-3)


class TestDiscretizedLogisticMixture:
    mixture = DiscretizedLogisticMixture(
        jnp.array([[0.3, -1.0], [0.0, 2.0]]),
        jnp.array([[0.2, 0.7], [0.5, 1.1]]),
        jnp.array([[-2.0, -3.0], [-9.0, 1.0]]),
    )

    def test_sums_to_one_over_the_levels_and_is_the_weighed_sum(self):
        levels = jnp.arange(256) / 255
        for pixel in range(2):
            one = jax.tree.map(lambda leaf, pixel=pixel: leaf[pixel], self.mixture)
            found = jnp.exp(jax.vmap(one.log_prob)(levels))
            assert found.sum() == pytest.approx(1, abs=1e-4)
            parts = [
                jnp.exp(jax.vmap(DiscretizedLogistic(one.location[k], one.log_scale[k]).log_prob)(levels))
                for k in (0, 1)
            ]
            expected = scipy.special.softmax(np.asarray(one.logits)) @ np.stack(parts)
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-7)
        both = self.mixture.log_prob(levels[jnp.array([40, 250])])
        apart = [
            jax.tree.map(lambda leaf, i=i: leaf[i], self.mixture).log_prob(levels[j]) for i, j in ((0, 40), (1, 250))
        ]
        np.testing.assert_allclose(both, sum(apart), rtol=1e-5)

    def test_samples_follow_it(self, key):
        samples = jax.vmap(self.mixture.sample)(jax.random.split(key, 40_000))
        levels = jnp.arange(256) / 255
        first = jax.tree.map(lambda leaf: leaf[0], self.mixture)
        expected = jnp.sum(jnp.exp(jax.vmap(first.log_prob)(levels)) * levels)
        np.testing.assert_allclose(samples[:, 0].mean(), expected, atol=5e-3)

    def test_is_finite_at_extremes(self):
        large = jax.tree.map(lambda leaf: 30 * leaf, self.mixture)
        value, slopes = jax.value_and_grad(lambda mixture: mixture.log_prob(jnp.array([0.0, 0.5])))(large)
        assert np.isfinite(value) and all(np.isfinite(leaf).all() for leaf in slopes)


@pytest.mark.parametrize("logit", [-3.0, -0.0999, 0.0, 1e-4, 0.0999, 0.1001, 3.0])
def test_samples_of_the_continuous_bernoulli_have_its_mean_and_its_gradient(key, logit):
    """mpmath's mean and variance, which is the mean's slope; u instead of its inverse near 0 missed both."""
    mpmath.mp.dps = 40
    size = mpmath.mpf(logit) or mpmath.mpf("1e-9")
    mean = float(1 / (1 - mpmath.exp(-size)) - 1 / size)
    slope = float(1 / size**2 - 1 / (4 * mpmath.sinh(size / 2) ** 2)) if abs(logit) > 1e-3 else 1 / 12
    keys = jax.random.split(key, 200_000)

    def draws(logit):
        return jax.vmap(lambda k: ContinuousBernoulli(logit).sample(k))(jax.random.clone(keys))

    # The same uniform numbers at logit 0 take the sampling error out: that of u, halved by its known mean.
    values, slopes = jax.jvp(draws, (jnp.float32(logit),), (jnp.float32(1),))
    error = float(values.std() / np.sqrt(len(keys)))
    assert abs(values.mean() - mean) < 4 * error
    assert abs((values - draws(0.0)).mean() - (mean - 0.5)) < 1e-3 * abs(logit) + 1e-6
    assert abs(slopes.mean() - slope) < 1e-3
    np.testing.assert_allclose(ContinuousBernoulli(jnp.float32(logit)).mean, mean, rtol=2e-6)


@pytest.mark.parametrize("logit", [-1e5, -100.0, -89.0, -3.0, 3.0, 100.0, 1e5])
def test_the_mean_of_the_continuous_bernoulli_has_a_gradient_everywhere(logit):
    mpmath.mp.dps = 40
    size = mpmath.mpf(logit)
    slope = 1 / size**2 - 1 / (4 * mpmath.sinh(size / 2) ** 2)
    found = jax.grad(lambda logit: ContinuousBernoulli(logit).mean)(jnp.float32(logit))
    np.testing.assert_allclose(found, float(slope), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("log_scale", [-20.0, -3.0, 5.0, 62.0, 65.0, 85.0])
def test_a_level_of_any_scale_has_mpmaths_probability(log_scale):
    mpmath.mp.dps = 60
    scale, location = mpmath.e ** mpmath.mpf(log_scale), mpmath.mpf("0.5")
    low = (mpmath.mpf(128) - mpmath.mpf("0.5")) / 255 - location
    sigmoid = lambda a: 1 / (1 + mpmath.e ** (-a))
    expected = mpmath.log(sigmoid((low + mpmath.mpf(1) / 255) / scale) - sigmoid(low / scale))
    found = DiscretizedLogistic(jnp.full(1, 0.5), jnp.full(1, log_scale)).log_prob(jnp.full(1, 128 / 255))
    np.testing.assert_allclose(found, float(expected), rtol=1e-5, atol=2e-4)


@pytest.mark.parametrize("location", [-0.4, 0.0, 0.3, 0.501, 0.97, 1.3])
@pytest.mark.parametrize("log_scale", [-7.0, -4.0, -2.0, 0.0])
def test_the_mean_of_a_discretised_logistic_is_the_sum_over_its_levels(location, log_scale):
    levels = jnp.arange(256) / 255
    p = DiscretizedLogistic(jnp.float32(location), jnp.float32(log_scale))
    expected = float(jnp.sum(jnp.exp(jax.vmap(p.log_prob)(levels)) * levels))
    np.testing.assert_allclose(p.mean, expected, atol=2e-5)
    logits = jnp.log(jnp.array([0.3, 0.7]))
    mixed = DiscretizedLogisticMixture(logits, jnp.float32([location, 0.5]), jnp.full(2, log_scale))
    other = float(DiscretizedLogistic(jnp.float32(0.5), jnp.float32(log_scale)).mean)
    np.testing.assert_allclose(mixed.mean, 0.3 * expected + 0.7 * other, atol=2e-5)
