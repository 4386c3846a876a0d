"""README, CONTRIBUTING and docs/: their Python runs, links lead somewhere, and tables are what the code says."""

import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick import few_codes, no_pictures
from scripts import EXPERIMENTS, script

from vae_jax import Bernoulli, Normal
from vae_jax.commands import train
from vae_jax.evaluation.populations import Mean
from vae_jax.losses import SCALINGS, Loss, convert_beta
from vae_jax.losses import loss as loss_module
from vae_jax.registry import Registry
from vae_jax.runs import Config

ROOT = Path(__file__).parents[2]


def blocks(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)


PAGES = [
    "README.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md") if path.name != "reference.md"),
]
BLOCKS = [pytest.param(block, id=f"{page}-{index}") for page in PAGES for index, block in enumerate(blocks(page))]


def test_there_are_blocks():
    assert len(BLOCKS) >= 15


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_to_files(page):
    """Links and pictures within the project; those to the internet are left alone."""
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'(?:src|srcset|href)="([^"#]+)"', text)
    for link in links:
        assert "://" in link or ((ROOT / page).parent / link).exists(), f"{page}: {link}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where a reader is who has run the first command."""
    folder = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        few_codes(patch)
        no_pictures(patch)
        train.main(Config(epochs=1, hidden=(8,), out=folder / "runs" / "digits-vae"))
    return folder


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("epochs", [1, pytest.param(None, marks=pytest.mark.slow)], ids=["one epoch", "as it stands"])
def test_block_runs(block, epochs, folder, monkeypatch):
    """Quickly, with one epoch in the place of each number of epochs in it."""
    monkeypatch.chdir(folder)
    if epochs:
        block = re.sub(r"\bepochs=\d+", f"epochs={epochs}", block)
    # A reader's interpreter is not as strict as the tests': rank promotion is jax's default there.
    with jax.numpy_rank_promotion("allow"):
        exec(compile(block, "README.md", "exec"), {})


def test_the_table_of_betas_is_the_converters():
    rows = re.findall(r"^\| `([^`]+)` \|.*\| ([\d.,]+) \| ([\d.,]+) \|$", (ROOT / "docs/beta.md").read_text(), re.M)
    assert {name for name, *_ in rows} == set(SCALINGS)
    for name, here, there in rows:
        ours = convert_beta(1.0, name, pixels=784, latent=20)
        theirs = convert_beta(4.0, "summed", name, pixels=4096, latent=10)
        np.testing.assert_allclose([float(n.replace(",", "")) for n in (here, there)], [ours, theirs], rtol=1e-2)


def test_the_example_of_a_loss_enters_the_table(monkeypatch, key):
    (block,) = blocks("CONTRIBUTING.md")
    monkeypatch.setattr(loss_module, "LOSSES", Registry("loss", "vae_jax.data", Loss))
    exec(compile(block, "CONTRIBUTING.md", "exec"), {})
    loss = loss_module.LOSSES["rate-budget"]
    defaults = {name: entry.default for name, entry in loss.hyper.items()}
    assert defaults == {"weight": 4.0, "budget": 3.0} and loss.summary.startswith("Rate budget: ")
    encode, decode = lambda x: Normal(x[:2], x[2:]), lambda z: Bernoulli(jnp.tile(z, 2))
    value, terms = loss.function(key, jnp.array([0.5, 1.0, 0.0, -1.0]), encode, decode, **defaults)
    np.testing.assert_allclose(value, terms.distortion + 4 * np.log1p(np.exp(terms.rate - 3)), rtol=1e-6)


@pytest.mark.parametrize("name", ["two-cores", "h200"])
def test_figures_of_speed_are_those_of_a_committed_run(name, monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    run = json.loads((ROOT / "docs" / "benchmark" / f"{name}.json").read_text())
    tables = script("benchmark").markdown(run)
    assert run["repeats"] >= 5 and len(tables.splitlines()) > 5
    assert tables in (ROOT / "docs" / "performance.md").read_text()


def test_the_rows_of_published_models_are_those_of_a_committed_run():
    """`reproduce.py` writes the file; README and results.md quote it."""
    run = json.loads((ROOT / "docs" / "results" / "published.json").read_text())
    results, readme = ((ROOT / name).read_text() for name in ("docs/results.md", "README.md"))
    assert run
    for name, entry in run.items():
        row = next(line for line in results.splitlines() if line.startswith(f"| `{name}`"))
        likelihood = [] if "no likelihood" in row else ["nll"]
        for measure in ["negative_elbo", "distortion", "rate", *likelihood]:
            assert Mean(**entry["ours"][measure]).words(2) in row, f"{name}: {measure}"
    for measure in ("negative_elbo", "nll"):
        assert Mean(**run["flax-mnist"]["ours"][measure]).words(2) in readme
