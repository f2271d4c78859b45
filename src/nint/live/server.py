"""The server of the page: this machine alone, reading only. It touches no run."""

from __future__ import annotations

import os
import socket
from importlib.resources import files
from pathlib import Path
from typing import Any

from nint.errors import UsageError
from nint.live.pictures import LAYERS, pictures_of
from nint.live.state import WatchedRun, runs_in
from nint.report.curves import Course, group

HOST = "127.0.0.1"
_POLICY = "default-src 'none'; img-src 'self' data: blob:; connect-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self'"


def listening(port: int | None) -> socket.socket:
    """A socket on 127.0.0.1.

    Args:
        port: Which; None is a free one.

    Raises:
        UsageError: where the port is taken or not allowed.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name != "nt":  # there it would take a port away from who listens; here it only ends the wait after a page was open
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port or 0))
    except OSError as error:
        found.close()
        raise UsageError(f"Port {port} of this machine cannot be used ({error.strerror or error}); leave it out for a free one.") from error
    found.listen()
    return found


def address_of(found: socket.socket) -> str:
    """The address of the page that a socket serves."""
    return f"http://{HOST}:{found.getsockname()[1]}/"


class Watched:
    """The runs of a folder, looked for again at each question.

    Args:
        folder: Of a run, or of runs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._runs: dict[str, WatchedRun] = {}

    def runs(self) -> list[WatchedRun]:
        """The runs by name; one that was seen before keeps what was read of it."""
        self._runs = {run.name: self._runs.get(run.name, run) for run in runs_in(self.folder)}
        return list(self._runs.values())

    def run(self, name: str) -> WatchedRun | None:
        """A run by name."""
        return self._runs.get(name) or next((run for run in self.runs() if run.name == name), None)

    def answer(self) -> dict[str, Any]:
        """Everything that the page asks for once a second, but the pictures."""
        states = [run.state() for run in self.runs()]
        courses = [Course(state["name"], state["sampler"], 0, state.pop("rows")) for state in states]
        for run, state in zip(self._runs.values(), states, strict=True):
            snapshot = run.newest()
            state["picture_step"] = -1 if snapshot is None else snapshot.step
        return {"folder": str(self.folder), "runs": states, "curves": group("", courses), "layers": list(LAYERS)}


def application(folder: Path) -> Any:
    """The application (ASGI) that serves the page about a folder."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    watched = Watched(folder)
    own = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": _POLICY}

    def asset(place: str, name: str, kind: str) -> Any:
        content = (files(place) / "assets" / name).read_bytes()
        return lambda request: Response(content, media_type=kind, headers=own)

    # async, so that questions are answered one after another: what was read of a run is kept between them.
    async def runs(request: Request) -> Response:
        return JSONResponse(watched.answer(), headers=own)

    async def picture(request: Request) -> Response:
        run = watched.run(request.query_params.get("run", ""))
        step, found = (-1, {}) if run is None else pictures_of(run)
        layer = request.query_params.get("layer", "")
        if layer not in found:
            return Response("There is no such picture.", status_code=404, media_type="text/plain", headers=own)
        kind, content = found[layer]
        return Response(content, media_type=kind, headers=own | {"X-Step": str(step)})

    routes = [
        Route("/", asset("nint.live", "live.html", "text/html")),
        Route("/live.css", asset("nint.live", "live.css", "text/css")),
        Route("/live.js", asset("nint.live", "live.js", "text/javascript")),
        Route("/plotly.js", asset("nint.report", "plotly-basic.min.js", "text/javascript")),
        Route("/runs", runs),
        Route("/picture", picture),
    ]
    # Names other than this machine's are refused, so that no page from elsewhere can ask here under a name of its own.
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])])


def serve(folder: Path, found: socket.socket) -> None:
    """Serves until the process is asked to end."""
    import uvicorn

    config = uvicorn.Config(application(folder), log_level="error", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[found])
