"""The page in a headless browser: sliders, drawing, pickers, bad files, and the file that needs no server."""

import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from quick import few_codes, no_pictures

import vae_jax
from vae_jax.commands import sweep as sweep_command
from vae_jax.commands import train as train_command
from vae_jax.explore.single import write_page
from vae_jax.runs import Config, SweepConfig

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Debian's chromium"),
]
sync_api = pytest.importorskip("playwright.sync_api")
ROOT, PORT = Path(__file__).parents[2], 8791
SUM = "[...document.getElementById('decoded').getContext('2d').getImageData(0, 0, 8, 8).data].reduce((a, b) => a + b)"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        few_codes(patch)
        no_pictures(patch)
        train_command.main(Config(latent=3, epochs=20, out=folder / "run"))
        train_command.main(Config(latent=3, epochs=3, model="conv", hidden=(32,), out=folder / "conv"))
        sweep_command.main(
            SweepConfig(latent=3, betas=(0.25, 8.0), seeds=1, epochs=10, devices=1, out=folder / "sweep")
        )
    return folder


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, runs):
    """Opens the page of a run, and holds that it asks nothing of any other machine and complains of nothing."""
    started, asked, complaints = [], [], []

    def open_page(name: str):
        command = [
            sys.executable,
            ROOT / "experiments" / "explore.py",
            runs / name,
            "--no-browser",
            "--port",
            str(PORT),
        ]
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"http://127.0.0.1:{PORT}/")
        page.wait_for_selector("body[data-ready=yes]")
        return page

    yield open_page
    for process in started:
        process.terminate()
        process.wait(20)
    assert asked and all(url.startswith((f"http://127.0.0.1:{PORT}/", "data:", "blob:")) for url in asked)
    assert not complaints


def until(page, expression: str) -> None:
    """Wait until an expression is true; Playwright's own way evaluates text in the page, which the page forbids."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(expression)


def move(page, index: int, value: float) -> None:
    shown = int(page.get_attribute("body", "data-shown"))
    page.evaluate(
        "([i, v]) => { const s = document.getElementById(`z${i}`); s.value = v; s.dispatchEvent(new Event('input')); }",
        [index, value],
    )
    until(page, f"Number(document.body.dataset.shown) > {shown}")


def test_a_slider_a_key_and_a_drawing_move_what_they_should(opened, tmp_path):
    page = opened("run")
    before, first = page.evaluate(SUM), page.locator(".latent input").first
    index = int(first.get_attribute("id")[1:])
    at = float(first.input_value())
    move(page, index, 2.5 if at < 0 else -2.5)
    assert page.evaluate(SUM) != before
    page.keyboard.press("r")
    until(page, f"Math.abs(document.getElementById('z{index}').value - {at}) < 0.05")
    positions = page.evaluate("[...document.querySelectorAll('.latent input')].map((s) => s.value)")
    pad = page.locator("#pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 20, steps=5)
    page.mouse.up()
    until(page, "document.getElementById('started').textContent === 'drawn'")
    assert page.evaluate("[...document.querySelectorAll('.latent input')].map((s) => s.value)") != positions
    (tmp_path / "words.png").write_text("no image")
    page.set_input_files("#file", tmp_path / "words.png")
    page.wait_for_selector("#said:not([hidden])")
    assert "words.png is no image" in page.inner_text("#said")
    page.click("#reset")
    assert not page.is_visible("#said")
    with page.expect_download() as kept:
        page.click("#gif")
    assert kept.value.suggested_filename.endswith(".gif")


def test_another_beta_is_another_model(opened):
    page = opened("sweep")
    before = page.evaluate(SUM)
    page.select_option("select[name=beta]", "8")
    until(page, f"{SUM} !== {before}")
    assert page.locator("#rd circle").count() == 2
    page.locator("#rd circle").first.click()
    until(page, "document.querySelector('select[name=beta]').value === '0.25'")
    for _ in range(5):  # faster than models open: the last one is shown
        page.evaluate(
            "[0, 1].forEach((m) => document.querySelector(`#rd [data-model='${m}']`).dispatchEvent(new Event('click')))"
        )
    until(page, "location.hash.includes('model=1')")
    page.wait_for_timeout(500)
    assert page.input_value("select[name=beta]") == "8" and not page.is_visible("#said")


def test_a_model_that_cannot_be_opened_is_said_and_the_one_before_stays(opened, runs):
    page = opened("sweep")
    page.route("**/about?model=1", lambda route: route.fulfill(status=400, body="its checkpoint is damaged."))
    page.select_option("select[name=beta]", "8")
    page.wait_for_selector("#said:not([hidden])")
    assert "damaged" in page.inner_text("#said") and page.input_value("select[name=beta]") == "0.25"
    before = page.evaluate(SUM)
    first = page.locator(".latent input").first
    move(page, int(first.get_attribute("id")[1:]), 2.5 if float(first.input_value()) < 0 else -2.5)
    assert page.evaluate(SUM) != before and not page.is_visible("#said")
    page.goto(f"http://127.0.0.1:{PORT}/#model=1&z=0,0,0")
    page.wait_for_selector("#said:not([hidden])")
    assert "damaged" in page.inner_text("#said")


@pytest.mark.parametrize("name", ["run", "conv"])
def test_the_page_in_a_file_agrees_with_the_model(name, browser, runs, tmp_path):
    model = vae_jax.load(runs / name)
    path = write_page(model, tmp_path / "page.html")
    context = browser.new_context(offline=True)
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-ready=yes]")
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
    text = path.read_text().replace("drawing();\n", "globalThis.raw = backend.raw;\ndrawing();\n", 1)
    path.write_text(text)
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-ready=yes]")
    z = np.random.RandomState(0).randn(5, 3).astype(np.float32)
    found = [page.evaluate("(z) => Array.from(raw(z))", row.tolist()) for row in z]
    np.testing.assert_allclose(found, np.asarray(model.decode(z)).reshape(5, -1), atol=1e-4)
    before = page.evaluate(SUM)
    first = page.locator(".latent input").first
    move(page, int(first.get_attribute("id")[1:]), 2.5 if float(first.input_value()) < 0 else -2.5)
    assert page.evaluate(SUM) != before
    context.close()
