"""Hyperparameters: which values each allows, and what a wrong one is told."""

import math

import pytest

from vae_jax.errors import InputError
from vae_jax.hyperparameter import Hyperparameter, check, declared, size

KNOWN = declared({"beta": 1.0, "noise": Hyperparameter(default=0.3, most=1), "num_samples": size(5)})


@pytest.mark.parametrize(
    ("entry", "allowed", "refused"),
    [
        (Hyperparameter(default=1.0), [0, 0.5, 1e30], [-1e-9, math.inf, -math.inf, math.nan]),
        (Hyperparameter(default=1.0, least=2.0), [2, 2.1], [1.9, math.nan]),
        (Hyperparameter(default=0.3, most=1), [0, 1], [1.1, -0.1, math.nan]),
        (Hyperparameter(default=0.3, most=1, exclusive=True), [1e-9, 0.999], [0, 1, -1, 2, math.nan]),
        (Hyperparameter(default=0.0, least=-math.inf, most=1), [-1e30, 1], [1.1, -math.inf, math.nan]),
        (size(5), [1, 3.0, 10**6], [0, 2.5, -1, math.inf, math.nan]),
        (size(5, least=2), [2], [1]),
    ],
    ids=["any", "least", "most", "exclusive", "below", "whole", "whole-least"],
)
def test_a_range_allows_what_it_says(entry, allowed, refused):
    assert all(entry.allows(value) for value in allowed)
    assert not any(entry.allows(value) for value in refused)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (Hyperparameter(default=1.0), "a finite number of at least 0"),
        (Hyperparameter(default=0.3, most=1), "a finite number of at least 0 and at most 1"),
        (Hyperparameter(default=0.3, most=1, exclusive=True), "a finite number above 0 and below 1"),
        (Hyperparameter(default=1e-4, exclusive=True), "a finite number above 0"),
        (Hyperparameter(default=0.0, least=-math.inf, most=1), "a finite number at most 1"),
        (Hyperparameter(default=0.0, least=-math.inf), "a finite number"),
        (size(5), "a whole number of at least 1"),
    ],
)
def test_a_range_is_put_in_words(entry, words):
    assert entry.expected == words


def test_a_plain_number_is_the_default_of_one_from_0_up():
    entry = declared({"beta": 4})["beta"]
    assert (entry.default, entry.least, entry.most, entry.exclusive, entry.integer) == (4, 0, math.inf, False, False)
    own = Hyperparameter(default=0.3, most=1)
    assert declared({"noise": own})["noise"] is own
    with pytest.raises(TypeError):
        declared({"beta": 4.0})["gamma"] = own  # pyright: ignore[reportIndexIssue]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("beta", 4, 4.0), ("beta", "4.5", 4.5), ("beta", "1e-3", 1e-3), ("num_samples", "7", 7), ("num_samples", 7.0, 7)],
)
def test_numbers_and_their_text_are_taken(name, value, expected):
    found = check(name, value, KNOWN, owner="loss 'x'")
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("beta", "warm", "beta warm: expected a finite number of at least 0."),
        ("beta", None, "beta None: expected a finite number of at least 0."),
        ("beta", math.nan, "beta nan: expected a finite number of at least 0."),
        ("beta", "nan", "beta nan: expected a finite number of at least 0."),
        ("beta", "inf", "beta inf: expected a finite number of at least 0."),
        ("beta", 10**400, f"beta {10**400}: expected a finite number of at least 0."),
        ("noise", 1.5, "noise 1.5: expected a finite number of at least 0 and at most 1."),
        ("num_samples", "2.5", "num_samples 2.5: expected a whole number of at least 1."),
        ("num_samples", 0, "num_samples 0: expected a whole number of at least 1."),
    ],
)
def test_a_wrong_value_is_told_what_is_expected(name, value, message):
    with pytest.raises(InputError) as caught:
        check(name, value, KNOWN, owner="loss 'x'")
    assert str(caught.value) == message


def test_a_message_has_the_value_as_it_was_given():
    with pytest.raises(InputError, match=r"^--set noise=2: expected a finite number of at least 0 and at most 1\.$"):
        check("noise", 2, KNOWN, owner="loss 'x'", given="--set noise=2")
    with pytest.raises(InputError, match=r"^--set gamma=2: loss 'x' has no hyperparameter 'gamma'; "):
        check("gamma", 2, KNOWN, owner="loss 'x'", given="--set gamma=2")


def test_an_unknown_name_gets_the_nearest_and_all_there_are():
    with pytest.raises(InputError) as caught:
        check("bata", 1, KNOWN, owner="loss 'x'")
    expected = "did you mean 'beta'? Choose from: beta, noise, num_samples."
    assert str(caught.value) == f"bata 1: loss 'x' has no hyperparameter 'bata'; {expected}"
    with pytest.raises(InputError, match=r"^beta 1: loss 'ae' has no hyperparameter 'beta'; it has none\.$"):
        check("beta", 1, {}, owner="loss 'ae'")
