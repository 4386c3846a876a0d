"""A score beside a perfect code's and chance, which are computed once and kept."""

import functools

import numpy as np
import pytest
from tables import enter

from vae_jax.errors import InputError
from vae_jax.evaluation.metrics import SCORES, Score, perfect, score_names, scores
from vae_jax.evaluation.metrics.calibration import perfect_and_chance


def test_scores_come_with_their_perfect_and_chance_computed_once(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    names, sizes = ("a", "b"), (3, 4)
    code = perfect(names, sizes)
    calls = []
    function = SCORES["mig"].function

    @functools.wraps(function)
    def counting(random, representation):
        calls.append(1)
        return function(random, representation)

    enter(monkeypatch, SCORES, "mig", Score("mig", counting))
    for _ in range(2):
        found = scores(code, names=["mig", "factor_vae"])
    assert found["mig"].value == found["mig"].perfect > 0.9 > 0.05 > found["mig"].chance
    assert found["factor_vae"].perfect == 1.0 and found["factor_vae"].chance < 0.6  # of two factors
    assert len(calls) == 4  # the value twice, the perfect code and chance once
    for kept in (tmp_path / "vae_jax").iterdir():  # what is kept is read again; what is damaged, computed again
        kept.write_text("[0.5")
    again = scores(code, names=["mig"])["mig"]
    assert (again.value, again.perfect, again.chance) == (found["mig"].value, found["mig"].perfect, found["mig"].chance)
    assert len(calls) == 7
    assert perfect_and_chance("mig", code, 5, 0) != perfect_and_chance("mig", code, 2, 0)
    assert len(calls) == 9  # noise with as many latents as the code has: five are computed, two were known
    with pytest.raises(ValueError, match="no score named 'mgi'; expected some of"):
        scores(code, names=["mgi"])


@pytest.mark.parametrize("sizes", [(5,), (1, 5, 3)])
def test_factors_that_cannot_be_scored_are_refused(sizes):
    with pytest.raises(InputError, match="scores need two factors or more, each of two values or more"):
        scores(perfect(tuple("abc"[: len(sizes)]), sizes), names=["mig"])


def test_codes_that_are_not_finite_are_refused():
    code = perfect(("a", "b"), (3, 4))
    with pytest.raises(InputError, match="the codes hold NaN or infinity"):
        scores(code._replace(codes=lambda factors: np.full((len(factors), 2), np.nan)), names=["factor_vae"])


def test_a_score_without_a_source_is_calibrated_anew(monkeypatch, tmp_path):
    """As one registered in a notebook."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    function = eval("lambda random, representation: 0.5")
    function.__module__ = "__main__"
    enter(monkeypatch, SCORES, "half", Score("half", function))
    monkeypatch.setattr("vae_jax.evaluation.metrics.calibration.inspect.getsource", raise_type_error)
    assert scores(perfect(("a", "b"), (3, 2)), names=["half"])["half"].perfect == 0.5
    assert not [*tmp_path.iterdir()]


def raise_type_error(module):
    raise TypeError(module)


def test_a_score_of_several_numbers_reports_each(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pair = Score("pair", lambda random, representation: (0.25, random.randint(3)), also=("other",))
    enter(monkeypatch, SCORES, "pair", pair)
    found = scores(perfect(("a", "b"), (3, 2)), names=["pair"], repeats=3)
    assert list(found) == ["pair", "other"] and {"pair", "other"} <= set(score_names())
    assert (found["pair"].value, found["pair"].error) == (0.25, 0) and found["other"].error > 0
