"""The page's server: plain files and a few requests, for this machine alone."""

import json
import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from vae_jax.errors import InputError
from vae_jax.explore.session import Explored, Session
from vae_jax.explore.strips import STEPS, gif, png, traversal

HOST, HTTP = "127.0.0.1", 80  # browsers omit port 80
PAGE = {"": "index.html", "explore.js": "explore.js", "remote.js": "remote.js", "style.css": "style.css"}
KINDS = {"html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
MOST = 4_000_000  # bytes of a request: an image of the model's shape
QUICK = 20_000  # bytes of a request that is answered in the event loop
NUMBER = 40  # bytes that a number of a code takes at most, as text
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'"
KEPT = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Guard:
    """Middleware: refuses requests to other hosts or from other pages, and adds headers that isolate the page."""

    def __init__(self, app: Any, port: int):
        names = (HOST, "localhost")
        self._app, self._hosts = app, {f"{name}:{port}" for name in names} | set(names if port == HTTP else ())

    async def __call__(self, scope: Any, receive: Callable, send: Callable) -> None:
        """Answer a request, as an ASGI application.

        Args:
          scope: the request.
          receive: awaits its next message.
          send: awaits the sending of a message.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origins = (None, *(f"http://{host}" for host in self._hosts))
        length = headers.get("content-length", "")  # without one, a body may go on for ever
        answer = None
        if headers.get("host") not in self._hosts or headers.get("origin") not in origins:
            answer = PlainTextResponse("this page is for the machine that it runs on.", 403)
        elif scope["method"] == "POST" and ("transfer-encoding" in headers or not _is_small(length)):
            answer = PlainTextResponse("the request is too large.", 413)

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                for name, value in KEPT.items():
                    MutableHeaders(scope=message)[name] = value
            await send(message)

        await (answer or self._app)(scope, receive, guarded)


def app_of(session: Session, port: int) -> Starlette:
    """The application: the page, and the requests that it makes.

    Only requests to this machine's own names are answered, and only those from the page itself: another page that is
    open in the browser cannot reach the models.

    Args:
      session: the models; the first is warmed up, so that the first slider moves at once.
      port: the port that it will listen on.
    """
    warm(session.model(0))

    def asked(function: Callable[[Explored, dict[str, Any], bytes], Response]) -> Callable:
        async def endpoint(request: Request) -> Response:
            query, started = dict(request.query_params), time.perf_counter()
            try:
                body, index = await request.body(), int(query.get("model", 0))
                if len(body) > QUICK or function not in IN_LOOP:  # else a slider of another page would wait for it
                    response = await run_in_threadpool(lambda: function(session.model(index), query, body))
                else:  # in the event loop: a decoder takes less time than handing it to a thread
                    response = function(session.model(index), query, body)
            except (InputError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
                return PlainTextResponse(" ".join(str(error).split()), 400)
            except ClientDisconnect:
                return PlainTextResponse("the page went away.", 400)
            response.headers["X-Milliseconds"] = f"{1000 * (time.perf_counter() - started):.2f}"
            return response

        return endpoint

    def page(request: Request) -> Response:
        name = PAGE.get(request.path_params.get("name", ""))
        if name is None:
            return PlainTextResponse("there is no such page.", 404)
        text = (files("vae_jax.explore") / "page" / name).read_text(encoding="utf-8")
        return Response(text, media_type=KINDS[name.rsplit(".", 1)[1]])

    def models(_: Request) -> Response:
        return JSONResponse(session.listed())

    routes = [Route("/", page), Route("/models", models), Route("/{name}", page)]
    routes = [Route(f"/{name}", asked(function), methods=["POST"]) for name, function in ASKED.items()] + routes
    return Starlette(routes=routes, middleware=[Middleware(Guard, port)])


def warm(model: Explored) -> None:
    """Compile what a slider will call."""
    for count in (1, STEPS):  # the image, and its strip
        model.image(np.zeros((count, model.latent), np.float32))
    y = model.examples.y
    model.encode(model.examples.x[:1], y[:1] if y is not None and model.classes else None)
    model.about()


def _about(model: Explored, query: dict[str, Any], body: bytes) -> Response:
    warm(model)
    return JSONResponse(model.about())


def _decode(model: Explored, query: dict[str, Any], body: bytes) -> Response:
    """Codes -> the bytes of their images."""
    return _bytes(model.image(_codes(model, body)[:STEPS], _label(model, query)))


def _labels(model: Explored, query: dict[str, Any], body: bytes) -> Response:
    """A code -> the bytes of its image under each label."""
    z = _codes(model, body)[:1]
    return _bytes(np.concatenate([model.image(z, label) for label in range(model.classes)]))


def _encode(model: Explored, query: dict[str, Any], body: bytes) -> Response:
    """The bytes of an image, or the number of a test image -> mean and deviation of its posterior."""
    if "test" in query:
        x, labels = model.examples
        index = _within("test", query, len(x))
        x, label = x[index : index + 1], None if labels is None else int(labels[index])
    else:
        if len(body) != int(np.prod(model.shape)):
            raise InputError(
                f"{len(body):,} bytes for an image {list(model.shape)}; expected {np.prod(model.shape):,}."
            )
        x = np.frombuffer(body, np.uint8).reshape(1, *model.shape)
        x = model.trained.description.output_as_stored(x / 255.0)
        label = _label(model, query)
    y = np.array([label or 0], np.int32) if model.classes else None
    codes = model.encode(x, y)
    return JSONResponse({"mean": codes.mean[0].tolist(), "deviation": codes.deviation[0].tolist(), "label": label})


def _test(model: Explored, query: dict[str, Any], body: bytes) -> Response:
    """Test images as bytes: one, or the first few."""
    every = range(model.about()["tests"])
    chosen = [_within("test", query, len(model.examples.x))] if "test" in query else every
    return _bytes(np.stack([model.pixels(index) for index in chosen]))


def _prior(model: Explored, query: dict[str, Any], body: bytes) -> Response:
    if not model.drawn:
        raise InputError("the codes of this model are held to no prior.")
    return JSONResponse(model.prior_sample(int(query.get("seed", 0)) % 2**32, _label(model, query)).tolist())


def _plane(model: Explored, query: dict[str, Any], body: bytes) -> Response:
    if model.latent != 2:
        raise InputError(f"a plane has two latents; this model has {model.latent}.")
    return _bytes(model.plane(_label(model, query)))


def _strip(model: Explored, query: dict[str, Any], body: bytes) -> Response:
    """The traversal of one latent as a PNG or GIF to keep."""
    latent = _within("latent", query, model.latent)
    images = traversal(model, _codes(model, body)[0], latent, _label(model, query))
    moving = query.get("kind") == "gif"
    return Response(gif(images) if moving else png(images), media_type="image/gif" if moving else "image/png")


IN_LOOP = (_decode, _strip, _prior)
ASKED = {
    "about": _about,
    "decode": _decode,
    "labels": _labels,
    "encode": _encode,
    "test": _test,
    "prior": _prior,
    "plane": _plane,
    "strip": _strip,
}


def _is_small(length: str) -> bool:
    return length.isdecimal() and len(length) <= len(str(MOST)) and int(length) <= MOST


def _codes(model: Explored, body: bytes) -> np.ndarray:
    most = NUMBER * model.latent * STEPS
    if len(body) > most:
        raise InputError(f"{len(body):,} bytes of codes; expected at most {most:,}.")
    z = np.asarray(json.loads(body), np.float32).reshape(-1, model.latent)
    if not np.isfinite(z).all():
        raise InputError("a code holds NaN or infinity; expected finite numbers.")
    return z


def _label(model: Explored, query: dict[str, Any]) -> int | None:
    return _within("label", query, model.classes) if model.classes and query.get("label") else None


def _within(name: str, query: dict[str, Any], count: int) -> int:
    """An index from the query, checked to be below `count`."""
    index = int(query[name])
    if not 0 <= index < count:
        raise InputError(f"{name} {query[name]:.20}: expected one from 0 to {count - 1}.")
    return index


def _bytes(array: np.ndarray) -> Response:
    return Response(np.ascontiguousarray(array).tobytes(), media_type="application/octet-stream")
