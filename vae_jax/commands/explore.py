"""Open a page to play with a trained model: move its latents and see the image change.

    python experiments/explore.py runs/digits-vae
    python experiments/explore.py runs/sprites32-sweep --no-browser

For a run or a sweep of images, on this machine alone: nothing is asked of the internet, and nothing answers from
outside. Needs pip install 'vae-jax[explore]'. Ctrl-C ends it.
"""

import asyncio
import logging
import socket
import threading
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from vae_jax.commands.command import COMMANDS
from vae_jax.commands.export import chosen
from vae_jax.errors import InputError
from vae_jax.hyperparameter import check, declared, size
from vae_jax.runs.storage.models import load

GRACE = 1  # seconds that a request that is being answered has when the command is stopped
PORTS = declared({"port": size(8765)})


@dataclass(frozen=True, kw_only=True)
class ExploreConfig:
    """What to open."""

    run: Annotated[Path, tyro.conf.Positional]
    """The folder of a run or of a sweep: the --out of train.py or sweep.py."""
    port: int = 8765
    """Port of 127.0.0.1 to listen at."""
    browser: bool = True
    """Whether to open the page in a browser; its address is printed either way."""
    export: Path | None = None
    """Write one model's page into a single .html file instead, weights inside, which needs no server."""
    data: str | None = None
    """Where the data are now, if not where the run was trained on them. Without them, the page starts from samples."""
    which: tuple[str, ...] = ()
    """The model of a sweep to write, as in --which beta=4 seed=0. Default: the best by validation negative ELBO."""


@COMMANDS.register("explore", flags=ExploreConfig)
def main(config: ExploreConfig) -> None:
    """Load the models, and serve the page until it is stopped."""
    check("port", config.port, PORTS, owner="a page", given=f"--port {config.port}")
    if config.export is not None:
        from vae_jax.explore.single import write_page

        model = load(config.run, data=config.data, **chosen(config.which))
        named = "".join(f", {which.replace('=', ' ')}" for which in config.which)
        print(f"{write_page(model, config.export, named=named)}  {config.export.stat().st_size / 1e6:.2f} MB")
        return
    if config.which:
        raise InputError("--which chooses the model to --export; the page itself has a picker.")
    try:
        import uvicorn

        from vae_jax.explore.server import HOST, app_of
        from vae_jax.explore.session import Session
    except ImportError:
        raise InputError("the page needs Starlette and uvicorn; pip install 'vae-jax[explore]'.") from None
    _expect_free(HOST, config.port)
    app, address = app_of(Session(config.run, data=config.data), config.port), f"http://{HOST}:{config.port}"
    print(f"{address} shows {config.run}; Ctrl-C ends it.", flush=True)
    if config.browser:
        threading.Timer(0.5, webbrowser.open, (address,)).start()
    logging.getLogger("uvicorn.error").addFilter(_is_no_cut)
    uvicorn.run(app, host=HOST, port=config.port, log_level="warning", timeout_graceful_shutdown=GRACE)


def _is_no_cut(record: logging.LogRecord) -> bool:
    """Whether a message of the server is not that a request was cut off when it was stopped, which is meant."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def _expect_free(host: str, port: int) -> None:
    if port >= 2**16:
        raise InputError(f"--port {port}: expected one below 65,536.")
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise InputError(f"--port {port} cannot be listened at ({error.strerror}); choose another.") from error
