"""The application: routes, guard, sign-in, errors, pages, and the door around it all."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from litestar import Litestar, Response, Router, get
from litestar.config.csrf import CSRFConfig
from litestar.datastructures import State
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.params import FromPath

import bijlighar
from bijlighar.controlroom.api import (
    audit,
    billing,
    billing_cim,
    billing_statements,
    consumer,
    consumer_download,
    consumer_month,
    day,
    demo,
    exceptions,
    jobs,
    live,
    meter_data,
    meter_history,
    meters,
    people,
    registry,
    service_levels,
    session,
    status,
    trial,
)
from bijlighar.controlroom.api.asking import AnyRequest
from bijlighar.controlroom.api.billing_described import webhooks
from bijlighar.controlroom.api.consumer_scope import PlacesByPoint
from bijlighar.controlroom.built_pages import NOT_BUILT, PageFile, load_pages
from bijlighar.controlroom.errors import exception_handlers, not_found
from bijlighar.controlroom.identity import SignedIn, guard
from bijlighar.controlroom.protection import Door
from bijlighar.controlroom.roles import Permission
from bijlighar.controlroom.room import ControlRoom
from bijlighar.controlroom.use_looks import UseLooks
from bijlighar.controlroom.web_secret import web_secret

LARGEST_BODY_OCTETS = 64_000
"""A request of the API is a few names and words; what is larger names its own limit."""

Background = Callable[[], Coroutine[Any, Any, None]]

_LOG = structlog.get_logger(__name__)

_SUBJECTS = (
    session,
    demo,
    status,
    meters,
    meter_history,
    meter_data,
    jobs,
    trial,
    service_levels,
    day,
    registry,
    people,
    audit,
    live,
    exceptions,
    billing,
    billing_cim,
    billing_statements,
    consumer,
    consumer_download,
    consumer_month,
)


@get(["/", "/{path:path}"], opt={"needs": Permission.ANYBODY}, include_in_schema=False)
async def page(request: AnyRequest, path: FromPath[str] = "") -> Response[bytes]:
    """A file of the built pages; every other path is a page's own and shows index.html."""
    pages: dict[str, PageFile] = request.app.state.pages
    name = path.lstrip("/")
    if name == "api" or name.startswith("api/"):
        raise not_found("address")
    file = pages.get(name) or (pages.get("index.html") if "." not in name.rpartition("/")[2] else None)
    if file is None:
        if not pages:
            return Response(NOT_BUILT, media_type="text/html", status_code=503)
        raise not_found("page")
    content, encoding = file.best(request.headers.get("accept-encoding", ""))
    headers = {"cache-control": file.cache_control, "vary": "accept-encoding"}
    if encoding is not None:
        headers["content-encoding"] = encoding
    return Response(content, media_type=file.media_type, headers=headers)


def _end_with(task: asyncio.Task[None]) -> None:
    """End the process when a task that should run for ever has failed: without it the page would show old news."""
    if not task.cancelled() and (fault := task.exception()) is not None:
        _LOG.error("a task of the control room failed", exc_info=fault)
        signal.raise_signal(signal.SIGTERM)


def build_litestar(
    room: ControlRoom, *, pages: dict[str, PageFile], secret: str, background: Sequence[Background] = ()
) -> Litestar:
    """The routes without the door. ``background`` runs while the application serves."""

    @asynccontextmanager
    async def serving(_: Litestar) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(work()) for work in background]
        for task in tasks:
            task.add_done_callback(_end_with)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task

    handlers = [handler for subject in _SUBJECTS for handler in subject.HANDLERS]
    return Litestar(
        route_handlers=[Router("/api", route_handlers=handlers), status.metrics, page],
        state=State(
            {
                "room": room,
                "pages": pages,
                "trial_board": trial.TrialBoard(),
                "places_by_point": PlacesByPoint(),
                "use_looks": UseLooks(),
            }
        ),
        guards=[guard],
        middleware=[SignedIn],
        exception_handlers=exception_handlers(),
        csrf_config=CSRFConfig(
            secret=secret, cookie_secure=room.settings.secure_cookies, cookie_samesite="strict"
        ),
        openapi_config=OpenAPIConfig(
            title="bijlighar control room",
            version=bijlighar.__version__,
            webhooks=dict(webhooks()),
            render_plugins=[JsonRenderPlugin(path="/")],
            openapi_router=Router(
                "/api/openapi.json",
                route_handlers=[],
                opt={"needs": Permission.SIGNED_IN},
                include_in_schema=False,
            ),
        ),
        request_max_body_size=LARGEST_BODY_OCTETS,
        logging_config=None,
        lifespan=[serving],
        debug=False,
    )


def build_app(
    room: ControlRoom, *, pages: dict[str, PageFile] | None = None, background: Sequence[Background] = ()
) -> Door:
    """The whole application as uvicorn serves it."""
    app = build_litestar(
        room,
        pages=load_pages() if pages is None else pages,
        secret=web_secret(Path(room.settings.data_path)),
        background=background,
    )
    return Door(app, host_names=room.settings.host_names, secure=room.settings.secure_cookies)
