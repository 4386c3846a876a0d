"""How fast the explorer's page is: from a moved slider to new pixels, in headless Chromium on this machine.

    python experiments/page_speed.py runs/digits-vae runs/sprites32-vae

Needs Debian's chromium and pip install 'vae-jax[explore]' playwright. The first of the figures is the median of 200
moves, the second the 95th percentile, of a page that is served and of the same page in a single file.
"""

import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from vae_jax.commands.cli import run_command
from vae_jax.errors import InputError
from vae_jax.explore.single import write_page
from vae_jax.runs.storage.models import load

MOVE = """async ([latent, value]) => {
  const slider = document.getElementById(`z${latent}`), was = document.body.dataset.shown, begun = performance.now();
  slider.value = value;
  slider.dispatchEvent(new Event("input"));
  while (document.body.dataset.shown === was) await new Promise((done) => setTimeout(done, 0));
  return performance.now() - begun;
}"""


@dataclass(frozen=True, kw_only=True)
class Config:
    """What to measure."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of runs."""
    moves: int = 200
    """How often a slider is moved."""


def main(config: Config) -> None:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise InputError("this needs Debian's chromium; apt install chromium.")
    with sync_playwright() as play, tempfile.TemporaryDirectory() as folder:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for run in config.runs:
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            command = [sys.executable, Path(__file__).parent / "explore.py", run, "--no-browser", "--port", str(port)]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
                address = f"http://127.0.0.1:{port}/"
                await_server(port)
                print(f"{run}, served: {words(moved(browser.new_page(), address, config.moves))}")
                server.terminate()
            page = write_page(load(run), Path(folder) / "page.html")
            print(f"{run}, in a file: {words(moved(browser.new_page(), page.as_uri(), config.moves))}")
        browser.close()


def await_server(port: int) -> None:
    """Wait until a port is listened at."""
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)


def moved(page: Any, address: str, moves: int) -> list[float]:
    """Milliseconds from each move of the first slider to new pixels."""
    page.goto(address)
    page.wait_for_selector("body[data-ready=yes]")
    page.wait_for_timeout(1000)
    latent = int(page.locator(".latent input").first.get_attribute("id")[1:])
    return [page.evaluate(MOVE, [latent, -2 + 4 * index / moves]) for index in range(moves)]


def words(milliseconds: list[float]) -> str:
    """The figures in words."""
    return (
        f"median {statistics.median(milliseconds):.0f} ms, 95 % {statistics.quantiles(milliseconds, n=20)[-1]:.0f} ms"
    )


if __name__ == "__main__":
    run_command(main, Config, __doc__ or "")
