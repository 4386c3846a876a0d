"""The words at the end of a command: one table, as wide as the screen, and what to do next."""

from pathlib import Path

import pytest

from vae_jax.commands.closing import remarks, table_of_settings, what_next
from vae_jax.evaluation.populations import Mean, SettingResult

MEASURES = ("rate", "negative_elbo")


def entry(beta: float, *, diverged: int = 0) -> SettingResult:
    measured = {name: Mean(100 * beta, (99 * beta, 101 * beta)) for name in MEASURES}
    return SettingResult({"beta": beta, "learning_rate": 1e-3}, 3, diverged, measured)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_table_is_no_wider_than_the_screen_and_leaves_nothing_out(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    betas = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]
    lines = table_of_settings([entry(beta) for beta in betas], MEASURES, digits=2)
    assert max(map(len, lines)) <= columns
    words = " ".join(lines).split()
    for beta in betas:
        assert f"{beta:g}" in words and words.count(f"{100 * beta:.2f}") == 2
    assert (len(lines) == 3) == (columns == 120)


def test_what_diverged_and_what_stands_beside_is_in_the_table(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    lines = table_of_settings(
        [entry(1.0), entry(2.0, diverged=1)], MEASURES, digits=1, beside={"chance": {"rate": "0.5"}}
    )
    assert lines[0].split() == ["β", "1", "2", "chance"]
    assert lines[1].split()[-1] == "0.5" and lines[-1].split() == ["diverged", "0", "of", "3", "1", "of", "3"]


@pytest.mark.parametrize(
    ("called", "expected"),
    [
        ("experiments/train.py", "python experiments/evaluate.py 'runs/my run'"),
        ("/somewhere/bin/vae-jax", "vae-jax evaluate 'runs/my run'"),
        ("/somewhere/my_own.py", "vae-jax evaluate 'runs/my run'"),
        ("", "vae-jax evaluate 'runs/my run'"),
    ],
)
def test_what_comes_next_is_called_as_this_was(called, expected, monkeypatch):
    monkeypatch.setattr("sys.argv", [called])
    monkeypatch.chdir(Path(__file__).parents[2])
    lines = what_next(Path("runs/my run"), images=True, after="train")
    assert expected in lines[1] and "explore" in lines[2]
    assert len(what_next(Path("runs/a"), images=False, after="train")) == 2
    assert what_next(Path("runs/a"), images=False, after="evaluate") == []


def row(epoch: int, objective: float) -> dict:
    return {"epoch": epoch, "validation": {"objective": objective}}


FALLING, TURNING = [row(1, 9.0), row(2, 8.0)], [row(1, 9.0), row(2, 5.0), *(row(i, 7.0) for i in range(3, 51))]
FINE = {"steps": 3000, "test": {"active_units": 10, "rate": 5.0}}


@pytest.mark.parametrize(
    ("summary", "rows", "said"),
    [
        (FINE, FALLING, []),
        ({**FINE, "steps": 20}, FALLING, ["only 20 steps: what is decoded will be blurred; try --steps 3,000."]),
        ({**FINE, "best_epoch": 2, "epochs": 9}, TURNING, ["validation was best at epoch 2 of 9, which is kept."]),
        (FINE, TURNING, ["validation was best at epoch 2 of 50 (5; 7 at the end): --patience 10 stops there"]),
        ({**FINE, "test": {"active_units": 6, "rate": 5.0}}, [], ["4 of 10 latents are unused."]),
        ({**FINE, "test": {"active_units": 0, "rate": 0.01}}, [], ["the decoder ignores its code"]),
        ({**FINE, "test": {"active_units": 10, "rate": float("nan")}}, [], []),
    ],
)
def test_a_run_says_what_its_figures_alone_do_not(summary, rows, said):
    found = remarks(summary, rows, latent=10, objective="objective")
    assert len(found) == len(said) and all(line.startswith(start) for line, start in zip(found, said, strict=True))
