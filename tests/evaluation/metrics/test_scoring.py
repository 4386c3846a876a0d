"""A score beside its ceiling and its chance, which are computed once and kept."""

import functools

import pytest
from tables import enter

from vae_jax.evaluation.metrics import SCORES, Score, perfect, scores
from vae_jax.evaluation.metrics.calibration import ceiling_and_chance


def test_scores_come_with_their_ceiling_and_chance_computed_once(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    names, sizes = ("a", "b"), (3, 4)
    calls = []
    function = SCORES["mig"].function

    @functools.wraps(function)
    def counting(random, representation):
        calls.append(1)
        return function(random, representation)

    enter(monkeypatch, SCORES, "mig", Score("mig", counting))
    for _ in range(2):
        found = scores(perfect(names, sizes), names=["mig", "factor_vae"])
    assert found["mig"].value == found["mig"].ceiling > 0.9 > 0.05 > found["mig"].chance
    assert found["factor_vae"].ceiling == 1.0 and found["factor_vae"].chance < 0.6  # of two factors
    assert len(calls) == 4  # the value twice, ceiling and chance once
    for kept in (tmp_path / "vae_jax").iterdir():  # what is kept is read again; what is damaged, computed again
        kept.write_text("[0.5")
    again = scores(perfect(names, sizes), names=["mig"])["mig"]
    assert (again.value, again.ceiling, again.chance) == (found["mig"].value, found["mig"].ceiling, found["mig"].chance)
    assert len(calls) == 7
    assert ceiling_and_chance("mig", names, sizes, 5, 0) != ceiling_and_chance("mig", names, sizes, 2, 0)
    assert len(calls) == 9  # noise with as many latents as the code has: five are computed, two were known
    with pytest.raises(ValueError, match="no score named 'mgi'; expected some of"):
        scores(perfect(names, sizes), names=["mgi"])


def test_a_score_without_a_source_is_calibrated_anew(monkeypatch, tmp_path):
    """As one registered in a notebook."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    function = eval("lambda random, representation: 0.5")
    function.__module__ = "__main__"
    enter(monkeypatch, SCORES, "half", Score("half", function))
    monkeypatch.setattr("vae_jax.evaluation.metrics.calibration.inspect.getsource", raise_type_error)
    assert scores(perfect(("a",), (3,)), names=["half"])["half"].ceiling == 0.5
    assert not [*tmp_path.iterdir()]


def raise_type_error(module):
    raise TypeError(module)
