"""The explorer without a browser: what it answers, and whom."""

import base64
import io
import json
import signal
import socket
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
from quick import few_codes, no_pictures
from scripts import EXPERIMENTS
from starlette.testclient import TestClient

import vae_jax
from vae_jax.commands import explore as explore_command
from vae_jax.commands import sweep as sweep_command
from vae_jax.commands import train as train_command
from vae_jax.commands.explore import ExploreConfig
from vae_jax.errors import InputError
from vae_jax.explore.notebook import sliders
from vae_jax.explore.server import app_of
from vae_jax.explore.session import Explored, Session
from vae_jax.explore.single import write_page
from vae_jax.runs import Config, SweepConfig

PORT, SMALL = 8765, {"epochs": 1, "hidden": (16,)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        few_codes(patch)
        no_pictures(patch)
        train_command.main(Config(latent=2, out=folder / "run", **SMALL))
        train_command.main(Config(latent=3, loss="cvae", prior="label", out=folder / "cvae", **SMALL))
        train_command.main(Config(latent=3, loss="sparse-rate", out=folder / "points", **SMALL))
        sweep_command.main(SweepConfig(latent=3, betas=(0.5, 4.0), seeds=1, devices=1, out=folder / "sweep", **SMALL))
    return folder


def client(folder) -> TestClient:
    return TestClient(app_of(Session(folder), PORT), base_url=f"http://127.0.0.1:{PORT}")


def test_a_code_becomes_the_image_of_the_model(runs):
    page, model = client(runs / "run"), vae_jax.load(runs / "run")
    about = page.post("/about?model=0").json()
    assert (about["shape"], about["latent"], about["classes"]) == ([8, 8, 1], 2, 0) and len(about["codes"]) == 359
    z = [0.5, -1.0]
    found = page.post("/decode?model=0", content=json.dumps(z))
    expected = (255 * np.clip(model.decode(np.array([z])), 0, 1)).round().astype(np.uint8)
    np.testing.assert_allclose(np.frombuffer(found.content, np.uint8), expected.ravel(), atol=1)
    assert float(found.headers["x-milliseconds"]) > 0
    start = page.post("/encode?model=0&test=3").json()
    q = model.encode(model.data.test.x[3:4])
    np.testing.assert_allclose(start["mean"], q.mean[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(start["deviation"], np.exp(0.5 * q.log_var[0]), rtol=1e-4)
    own = page.post("/encode?model=0", content=model.data.test.x[3].tobytes()).json()
    np.testing.assert_allclose(own["mean"], start["mean"], rtol=1e-4, atol=1e-5)
    rates = [latent["rate"] for latent in about["latents"]]
    assert rates == sorted(rates, reverse=True)
    assert len(page.post("/plane?model=0").content) == 20 * 20 * 64


def test_labels_sweeps_and_strips(runs):
    page = client(runs / "cvae")
    assert page.post("/about?model=0").json()["classes"] == 10
    z = json.dumps([0.0, 0.0, 0.0])
    every = np.frombuffer(page.post("/labels?model=0", content=z).content, np.uint8).reshape(10, 64)
    one = np.frombuffer(page.post("/decode?model=0&label=7", content=z).content, np.uint8)
    np.testing.assert_array_equal(every[7], one)
    assert len(np.unique(every, axis=0)) == 10
    page = client(runs / "sweep")
    listed = page.get("/models").json()
    assert [row["beta"] for row in listed] == [0.5, 4.0] and all(row["rate"] >= 0 for row in listed)
    far = json.dumps([3.0, -3.0, 3.0])
    images = [page.post(f"/decode?model={index}", content=far).content for index in (0, 1)]
    assert images[0] != images[1]
    strip = page.post("/strip?model=1&latent=2&kind=png", content=z)
    assert PIL.Image.open(io.BytesIO(strip.content)).size == (11 * 128, 128)
    moving = page.post("/strip?model=1&latent=2&kind=gif", content=z)
    assert PIL.Image.open(io.BytesIO(moving.content)).n_frames > 11


def test_only_the_page_itself_on_this_machine_is_answered(runs):
    page = client(runs / "run")
    for headers in (
        {"host": "evil.example"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"host": "127.0.0.1"},
    ):
        for answer in (page.get("/", headers=headers), page.post("/about?model=0", headers=headers)):
            assert answer.status_code == 403
    answer = page.get("/", headers={"origin": f"http://localhost:{PORT}"})
    assert answer.status_code == 200 and "default-src 'none'" in answer.headers["content-security-policy"]
    assert "access-control-allow-origin" not in answer.headers
    assert page.get("/../session.py").status_code == 404 and page.get("/%2e%2e/session.py").status_code == 404
    assert page.post("/decode?model=0", content=b"0" * 5_000_000).status_code == 413


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("decode?model=0", "[1]", "reshape"),
        ("decode?model=0", "[NaN, 0]", "holds NaN"),
        ("decode?model=0", "words", ""),
        ("decode?model=9", "[0, 0]", "expected one from 0 to 0"),
        ("decode?model=x", "[0, 0]", "invalid literal"),
        ("encode?model=0", "short", "expected 64"),
        ("encode?model=0&test=99999", "", "expected one from 0 to 358"),
        ("test?model=0&test=-3", "", "expected one from 0 to 358"),
        ("strip?model=0&latent=99", "[0, 0]", "latent 99: expected one from 0 to 1"),
        ("decode?model=0", f"[1{'0' * 400}, 0]", ""),
        ("decode?model=0", "[" * 100_000, ""),
    ],
)
def test_bad_input_is_one_plain_line(path, body, said, runs):
    answer = client(runs / "run").post(f"/{path}", content=body)
    assert answer.status_code == 400 and "\n" not in answer.text and said in answer.text


def test_a_label_that_does_not_exist_is_refused(runs):
    page = client(runs / "cvae")
    for label in ("10", "-1", "99999999999999999999"):
        answer = page.post(f"/decode?model=0&label={label}", content="[0, 0, 0]")
        assert answer.status_code == 400 and "expected one from 0 to 9" in answer.text
    assert "two latents" in page.post("/plane?model=0").text


def test_a_prior_of_labels_is_drawn_by_label(runs):
    page, model = client(runs / "cvae"), vae_jax.load(runs / "cvae")
    drawn = [page.post(f"/prior?model=0&seed={10**30}&label={label}").json() for label in (0, 7)]
    assert drawn[0] != drawn[1]
    expected = model.model.latent_prior(model.params, jnp.int32(7)).sample(jax.random.key(10**30 % 2**32))
    np.testing.assert_allclose(drawn[1], expected, rtol=1e-5)


def test_points_have_a_range_and_no_prior(runs):
    page = client(runs / "points")
    about = page.post("/about?model=0").json()
    assert (about["prior"], about["unit"]) == (False, "variance")
    assert all(0 <= latent["low"] <= latent["high"] <= 1 for latent in about["latents"])
    assert "no prior" in page.post("/prior?model=0").text


def test_a_body_without_an_end_is_not_read(runs):
    answer = client(runs / "run").post("/decode?model=0", content=iter([b"[0, 0]"]))
    assert answer.status_code == 413


@pytest.mark.parametrize("preprocess", ["static", "dynamic"])
def test_a_binary_image_is_shown_as_the_model_saw_it(preprocess, tmp_path, monkeypatch):
    few_codes(monkeypatch)
    no_pictures(monkeypatch)
    train_command.main(Config(preprocess=preprocess, latent=2, out=tmp_path / "run", **SMALL))
    page, model = client(tmp_path / "run"), vae_jax.load(tmp_path / "run")
    shown = np.frombuffer(page.post("/test?model=0&test=5").content, np.uint8)
    assert set(shown.tolist()) == {0, 255}
    found = page.post("/encode?model=0&test=5").json()["mean"]
    expected = model.model.encode(model.params, jnp.asarray(shown.reshape(8, 8, 1) / 255, jnp.float32)).mean
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    if preprocess == "dynamic":
        with pytest.raises(InputError, match="draws no binary images"):
            write_page(model, tmp_path / "page.html")
    else:
        assert '"binary": true' in write_page(model, tmp_path / "page.html").read_text()


def test_what_cannot_be_shown_is_refused(runs, tmp_path):
    with pytest.raises(InputError, match="holds no run and no sweep"):
        explore_command.main(ExploreConfig(run=tmp_path))
    with pytest.raises(InputError, match="--port 0: expected a whole number of at least 1"):
        explore_command.main(ExploreConfig(run=runs / "run", port=0))
    with pytest.raises(InputError, match=r"expected a name that ends in \.html"):
        write_page(vae_jax.load(runs / "run"), tmp_path / "page")
    with pytest.raises(InputError, match="--export knows the dense, linear and conv networks without labels"):
        write_page(vae_jax.load(runs / "cvae"), tmp_path / "page.html")
    np.save(tmp_path / "rows.npy", np.random.RandomState(0).rand(40, 5))
    with pytest.MonkeyPatch.context() as patch:
        few_codes(patch)
        no_pictures(patch)
        train_command.main(Config(data=str(tmp_path / "rows.npy"), batch_size=16, out=tmp_path / "rows", **SMALL))
    with pytest.raises(InputError, match="the page draws images"):
        Session(tmp_path / "rows")


@pytest.mark.parametrize("name", ["run", "cvae"])
def test_sliders_of_a_notebook_draw_what_the_model_decodes(runs, name):
    model = vae_jax.load(runs / name)
    box = sliders(model, image=2)
    bundle = box._repr_mimebundle_()
    assert {"image/png", "application/vnd.jupyter.widget-view+json"} <= bundle.keys()
    still = PIL.Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert still.size == (11 * 48, model.latent * 48)
    shown, rows = box.children[0], box.children[1].children
    before, z = shown.value, np.array([row.value for row in rows])
    rows[0].value = rows[0].max
    assert shown.value != before
    order = [latent.index for latent in Explored(model).latents]
    z[0], code = rows[0].max, np.zeros(model.latent)
    code[order] = z
    expected = model.decode(code[None], model.data.test.y[2:3] if name == "cvae" else None)[0, ..., 0]
    found = np.asarray(PIL.Image.open(io.BytesIO(shown.value)))[::33, ::33]
    np.testing.assert_allclose(found, 255 * np.clip(expected, 0, 1), atol=2)


def test_sliders_say_what_they_need(runs, monkeypatch):
    with pytest.raises(InputError, match="expected one from 0 to 358"):
        sliders(vae_jax.load(runs / "run"), image=359)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(InputError, match="pip install ipywidgets"):
        sliders(vae_jax.load(runs / "run"))


def test_a_request_that_says_its_length_twice_is_refused(runs):
    """With a chunked body, the length that it names is not what is read."""
    sent = client(runs / "run").post(
        "/encode", content=iter([b"x" * 100]), headers={"Content-Length": "5", "Transfer-Encoding": "chunked"}
    )
    assert sent.status_code == 413
    assert client(runs / "run").post("/encode", headers={"Content-Length": "9" * 5000}).status_code == 413


def test_no_other_page_may_frame_it(runs):
    assert "frame-ancestors 'none'" in client(runs / "run").get("/").headers["content-security-policy"]


def test_more_codes_than_a_strip_are_refused_unread(runs):
    found = client(runs / "run").post("/decode?model=0", content=b"[" + b"0," * 100_000 + b"0]")
    assert found.status_code == 400 and "bytes of codes; expected at most" in found.text


@pytest.mark.parametrize("half_sent", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_within_seconds_whatever_is_being_sent(half_sent, number, runs):
    """Ctrl-C is the way to end it: its status is 0."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = [sys.executable, str(EXPERIMENTS / "explore.py"), str(runs / "run"), "--no-browser", "--port", str(port)]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and "Ctrl-C ends it" in process.stdout.readline()
    time.sleep(1)
    with socket.create_connection(("127.0.0.1", port)) as sending:
        if half_sent:
            head = f"POST /encode?model=0 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 64\r\n\r\nabc"
            sending.sendall(head.encode())
            time.sleep(0.3)
        process.send_signal(number)
        _, said = process.communicate(timeout=10)
    assert process.returncode == 0 and "Traceback" not in said
