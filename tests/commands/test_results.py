"""What people take away: codes, reconstructions, samples and scores as files, read back by other libraries."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from quick import few_codes, no_pictures
from sklearn.metrics import roc_auc_score

import vae_jax
from vae_jax.commands import encode, generate, interpolate, reconstruct, score
from vae_jax.commands import sweep as sweep_command
from vae_jax.commands import train as train_command
from vae_jax.commands.parsing import parse
from vae_jax.errors import InputError
from vae_jax.runs import Config, SweepConfig

RANDOM = np.random.RandomState(0)
FRAME = pd.DataFrame(RANDOM.randn(80, 3) * [1, 20, 3] + [0, 500, 7], columns=["age", "dose", "mass"])
FRAME.insert(0, "who", [f"p{i}" for i in range(80)])
FRAME["kind"] = ["a", "b"] * 40
FRAME["smokes"] = ["yes", "no"] * 40
FEATURES = ["age", "dose", "mass", "smokes"]
SMALL: dict[str, Any] = {"hidden": (8,), "latent": 2, "batch_size": 16, "epochs": 2}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A run of a table, of photographs, of labelled photographs; and their data."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.chdir(home)
        few_codes(patch)
        no_pictures(patch)
        FRAME.to_csv("table.csv", index=False)
        for name in ("cat", "dog"):
            (home / "photos" / name).mkdir(parents=True)
            for index in range(20):
                level = RANDOM.randint(0, 256, (8, 8, 3)).astype(np.uint8)
                Image.fromarray(level).save(home / "photos" / name / f"{index:02}.png")
        table = {**SMALL, "data": "table.csv", "id": "who", "label": "kind"}
        train_command.main(Config(**table, out=Path("rows")))
        train_command.main(Config(**SMALL, data="photos", out=Path("images")))
        train_command.main(Config(**SMALL, data="photos", loss="cvae", out=Path("labels")))
        sweep = {**table, "betas": (0.5, 4.0), "seeds": 1, "devices": 1}
        sweep_command.main(SweepConfig(**sweep, out=Path("sweep")))
        yield home


@pytest.fixture(autouse=True)
def _at_home(home, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.chdir(home)


def run(command, name, *, out, **flags):
    kind = {"encode": "EncodeConfig", "reconstruct": "ReconstructConfig", "generate": "GenerateConfig"}
    kind |= {"interpolate": "InterpolateConfig", "score": "ScoreConfig"}
    config = getattr(command, kind[command.__name__.rsplit(".", 1)[1]])
    command.main(config(run=Path(name), out=Path(out), **flags))
    return Path(out)


READ: dict[str, Any] = {
    ".csv": pd.read_csv,
    ".tsv": lambda path: pd.read_csv(path, sep="\t"),
    ".parquet": pd.read_parquet,
    ".feather": pd.read_feather,
}


@pytest.mark.parametrize("ending", READ)
def test_codes_of_a_table_in_every_format_are_those_of_the_model(ending, tmp_path):
    """Columns in another order, one that is new, and one row less."""
    other = FRAME[["mass", "smokes", "who", "age", "dose"]].iloc[1:].assign(new=1)
    other.to_csv("other.csv", index=False)
    found = READ[ending](run(encode, "rows", input="other.csv", out=tmp_path / f"codes{ending}"))
    assert found["id"].tolist() == FRAME.who.tolist()[1:]
    rows = FRAME[FEATURES].assign(smokes=(FRAME.smokes == "yes") * 1.0).to_numpy()[1:]
    codes = vae_jax.load("rows").encode(rows)
    np.testing.assert_allclose(found[["z0", "z1"]], codes.mean, rtol=1e-6)
    np.testing.assert_allclose(found[["z0_deviation", "z1_deviation"]], codes.deviation, rtol=1e-6)


def test_codes_of_the_runs_own_data_say_the_part(tmp_path):
    found = pd.read_csv(run(encode, "rows", out=tmp_path / "codes.csv"))
    assert found.part.value_counts().to_dict() == {"train": 64, "validation": 8, "test": 8}
    assert sorted(found.id) == sorted(FRAME.who)
    parts = pd.read_csv("rows/parts.csv")
    assert parts.to_dict("list") == found[["id", "part"]].to_dict("list")
    arrays = np.load(run(encode, "rows", out=tmp_path / "codes.npz"))
    np.testing.assert_allclose(arrays["mean"], found[["z0", "z1"]], rtol=1e-6)
    assert np.load(run(encode, "rows", out=tmp_path / "codes.npy")).shape == (80, 2)


def test_codes_of_photographs_have_their_paths(tmp_path):
    found = pd.read_parquet(run(encode, "images", input="photos", out=tmp_path / "codes.parquet"))
    assert found.id.tolist() == [f"{name}/{i:02}.png" for name in ("cat", "dog") for i in range(20)]
    one = pd.read_csv(run(encode, "images", input="photos/dog/03.png", out=tmp_path / "one.csv"))
    image = np.asarray(Image.open("photos/dog/03.png"))
    np.testing.assert_allclose(one[["z0", "z1"]], vae_jax.load("images").encode(image[None]).mean, rtol=1e-5)
    np.testing.assert_allclose(found[["z0", "z1"]].iloc[23:24], one[["z0", "z1"]], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["images", "labels"])
def test_images_go_to_pictures_and_arrays(name, tmp_path):
    folder = run(reconstruct, name, input="photos", out=tmp_path / "again")
    assert len(list(folder.rglob("*.png"))) == 40 and Image.open(folder / "cat" / "00.png").size == (8, 8)
    array = np.load(run(reconstruct, name, input="photos", out=tmp_path / "again.npy"))
    shown = np.asarray(Image.open(folder / "dog" / "19.png"))
    np.testing.assert_allclose(shown, 255 * array[39], atol=0.51)
    assert Image.open(run(generate, name, n=12, out=tmp_path / "new.png")).size[0] > 100
    assert np.load(run(generate, name, n=12, out=tmp_path / "new.npz"))["x"].shape == (12, 8, 8, 3)


def test_a_class_is_generated_and_named(tmp_path):
    found = np.load(run(generate, "labels", n=4, class_="dog", out=tmp_path / "dogs.npz"))
    assert found["class"].tolist() == ["dog"] * 4
    expected = vae_jax.load("labels").sample(4, y=["dog"] * 4)
    np.testing.assert_allclose(found["x"], expected, rtol=1e-6)
    with pytest.raises(InputError, match="--class cow: no such class"):
        run(generate, "labels", n=4, class_="cow", out=tmp_path / "cows.npz")
    with pytest.raises(InputError, match="takes no labels"):
        run(generate, "images", n=4, class_="dog", out=tmp_path / "dogs2.npz")


def test_a_feature_called_id_keeps_its_name(tmp_path):
    frame = pd.DataFrame(RANDOM.randn(40, 2), columns=["id", "part"])
    model = vae_jax.fit(frame, **{**SMALL, "hidden": (4,)}, out=tmp_path / "run", progress=False)
    found = pd.read_csv(run(generate, tmp_path / "run", n=4, means=True, out=tmp_path / "new.csv"))
    assert list(found.columns) == ["_id", "id", "part"] and found["_id"].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(found[["id", "part"]], model.sample(4), rtol=1e-5)


def test_generated_rows_have_the_names_and_spread_of_the_table(tmp_path):
    found = pd.read_csv(run(generate, "rows", n=3000, out=tmp_path / "new.csv"))
    assert list(found.columns) == ["id", *FEATURES] and len(found) == 3000
    data = FRAME.assign(smokes=(FRAME.smokes == "yes") * 1.0)[FEATURES]
    assert ((found[FEATURES].mean() - data.mean()).abs() < 0.7 * data.std()).all()
    assert (found[FEATURES].std() / data.std()).between(0.5, 2).all()
    means = pd.read_csv(run(generate, "rows", n=3000, means=True, out=tmp_path / "means.csv"))
    calm = pd.read_csv(run(generate, "rows", n=3000, means=True, temperature=0.1, out=tmp_path / "calm.csv"))
    assert (calm[FEATURES].std() < 0.3 * means[FEATURES].std()).all() and (means[FEATURES].std() < data.std()).all()


def test_a_line_between_two_examples_ends_at_both(tmp_path):
    found = pd.read_csv(run(interpolate, "rows", a="p3", b="p9", steps=5, out=tmp_path / "line.csv"))
    rows = FRAME.assign(smokes=(FRAME.smokes == "yes") * 1.0)[FEATURES].to_numpy()[[3, 9]]
    np.testing.assert_allclose(found[FEATURES].iloc[[0, 4]], vae_jax.load("rows").reconstruct(rows), rtol=1e-5)
    a, b = "photos/cat/00.png", "photos/dog/00.png"
    assert np.load(run(interpolate, "images", a=a, b=b, out=tmp_path / "line.npy")).shape == (10, 8, 8, 3)
    with pytest.raises(InputError, match="p999 is neither an image file nor an id"):
        run(interpolate, "rows", a="p3", b="p999", out=tmp_path / "no.csv")


def test_scores_flag_and_are_judged(tmp_path, capsys):
    odd = FRAME.copy()
    odd.loc[:19, "dose"] += 500
    odd.assign(odd=["yes"] * 20 + ["no"] * 60).to_csv("odd.csv", index=False)
    path = run(score, "rows", input="odd.csv", threshold=0.95, truth="odd", out=tmp_path / "scores.csv")
    found, said = pd.read_csv(path), capsys.readouterr().out
    flagged = found.flagged.to_numpy()
    assert flagged[:20].all() and flagged[20:].mean() < 0.3 and found.error.min() >= 0
    assert f"{roc_auc_score(found.odd, found.score):.3f}" in said and path.with_suffix(".png").exists()
    rows = odd.assign(smokes=(odd.smokes == "yes") * 1.0)[FEATURES].to_numpy()
    np.testing.assert_allclose(found.score, -vae_jax.load("rows").score(rows).value, rtol=1e-5)
    own = pd.read_csv(run(score, "rows", out=tmp_path / "own.csv"))
    assert own["quantile"].to_numpy()[own["part"].to_numpy() == "train"].max() < 1
    folder = pd.read_csv(run(score, "images", input="photos", truth="dog", out=tmp_path / "dogs.csv"))
    assert folder.dog.sum() == 20


def test_the_best_of_a_sweep_is_taken_by_its_validation_part_and_said(tmp_path, capsys):
    rows = [json.loads(line) for line in Path("sweep/metrics.jsonl").read_text().splitlines()]
    last = {row["model"]: row["validation"]["negative_elbo"] for row in rows if row["epoch"] == 2}
    best, other = (4.0, 0.5) if "beta=4," in min(last, key=last.__getitem__) else (0.5, 4.0)
    run(encode, "sweep", input="table.csv", out=tmp_path / "best.csv")
    said = f"beta={best} is taken, the best of 2 models by validation negative_elbo ({min(last.values()):.4g})"
    assert said in capsys.readouterr().err
    run(encode, "sweep", input="table.csv", which=(f"beta={other}",), out=tmp_path / "other.csv")
    chosen, asked = (pd.read_csv(tmp_path / name)["z0"] for name in ("best.csv", "other.csv"))
    rows = FRAME.assign(smokes=(FRAME.smokes == "yes") * 1.0)[FEATURES].to_numpy()
    np.testing.assert_allclose(chosen, vae_jax.load("sweep", best="negative_elbo").encode(rows).mean[:, 0], rtol=1e-5)
    np.testing.assert_allclose(asked, vae_jax.load("sweep", beta=other).encode(rows).mean[:, 0], rtol=1e-5)
    with pytest.raises(InputError, match="`best=mig`: it was not measured"):
        vae_jax.load("sweep", best="mig")
    with pytest.raises(InputError, match="Test figures choose no model"):
        vae_jax.load("sweep", best="rate")


@pytest.mark.parametrize(
    ("command", "name", "flags", "said"),
    [
        (encode, "rows", {"input": "no.csv"}, "no file no.csv"),
        (encode, "rows", {"input": "gone.csv"}, "no column 'dose', which the model was trained on"),
        (encode, "rows", {"input": "gap.csv"}, "column 'dose' has 1 gap"),
        (encode, "rows", {"input": "empty.csv"}, "is empty"),
        (encode, "rows", {"input": "table.csv", "id": "whom"}, "no column 'whom'; did you mean 'who'"),
        (encode, "rows", {"input": "photos"}, "this model takes"),
        (encode, "rows", {"input": "photos/cat/00.png"}, "is an image, and this model takes rows of 4 features"),
        (encode, "images", {"input": "table.csv"}, "this model takes"),
        (encode, "images", {"input": "broken.png"}, "broken.png cannot be read"),
        (encode, "rows", {"which": ("beta=7",)}, "is a run of one model"),
        (score, "rows", {"input": "table.csv", "threshold": 1.5}, "--threshold 1.5: expected a share"),
        (score, "rows", {"input": "table.csv", "samples": 0}, "num_samples is 0"),
        (score, "rows", {"input": "table.csv", "truth": "age"}, "is not of yes and no alone"),
        (generate, "rows", {"n": 0}, "--n 0"),
        (generate, "rows", {"temperature": 0.0}, "temperature is 0"),
        (interpolate, "rows", {"a": "p1", "b": "p2", "steps": 1}, "steps is 1"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(command, name, flags, said, tmp_path):
    FRAME.drop(columns="dose").to_csv("gone.csv", index=False)
    FRAME.assign(dose=FRAME.dose.where(FRAME.index > 0)).to_csv("gap.csv", index=False)
    Path("empty.csv").write_text("")
    Path("broken.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=said):
        run(command, name, out=tmp_path / "out.npz", **flags)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("out", "name", "said"),
    [
        ("x.txt", "rows", "rows are written to"),
        ("x.csv", "images", "images are written to"),
        ("no/x.csv", "rows", "there is no folder"),
        ("full", "images", "is there already"),
    ],
)
def test_where_results_cannot_go_is_known_before_anything_is_done(out, name, said, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    with pytest.raises(InputError, match=said):
        run(reconstruct, name, out=tmp_path / out)
    assert (tmp_path / "full" / "x").read_text() == "mine"


def test_flags_that_are_words_of_python(tmp_path):
    given = parse(generate.GenerateConfig, "", ["labels", "-n", "3", "--class", "dog", "--out", "x.png"])
    assert (given.n, given.class_, given.out) == (3, "dog", Path("x.png"))
    assert replace(given, n=4).n == 4
