"""The door around the whole application: known hosts, own origin, and the security headers on every answer.

It stands outside the router, so that errors, unknown paths and static files pass through it as well.
"""

from __future__ import annotations

from collections.abc import Collection, MutableMapping
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
from litestar.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_HSTS = (b"strict-transport-security", b"max-age=31536000")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = b"x-csrftoken"
SIGNED_HEADER = b"x-bijlighar-signature"
SIGNED_PATHS = ("/api/billing/messages/", "/api/billing/statements", "/api/billing/cim")
"""Here machines speak that sign what they say and hold no session: nobody's browser signs for them."""

CSRF_TOKEN_WRONG = ("csrf-token-wrong", "The page is out of date; load it again and retry.")
"""Code and sentence of an unsafe request without the right token."""

CLOSE_FORBIDDEN = 4403
"""WebSocket close code of our own range: the origin or the host is not ours."""


class Door:
    """Wraps an ASGI application.

    ``host_names``  names, without port, under which people may call the control room
    ``secure``      True when people reach it through HTTPS only
    """

    def __init__(self, app: ASGIApp, *, host_names: Collection[str], secure: bool) -> None:
        self._app = app
        self._host_names = frozenset(name.lower() for name in host_names)
        self._headers = SECURITY_HEADERS + ((_HSTS,) if secure else ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what does not belong here; hand everything else through."""
        raw = cast("MutableMapping[str, Any]", scope)
        if raw["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(cast("MutableMapping[str, Any]", message))
            await send(message)

        refusal = self._refusal(raw)
        if refusal is None:
            await self._app(scope, receive, guarded_send)
        elif raw["type"] == "websocket":
            await send({"type": "websocket.close", "code": CLOSE_FORBIDDEN, "reason": refusal[1]})
        else:
            await _answer(guarded_send, *refusal)

    def _refusal(self, scope: MutableMapping[str, Any]) -> tuple[int, str, str] | None:
        """``(status, code, sentence)`` of what is wrong with the request, or None."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        host = hosts[0].decode("latin-1").lower() if len(hosts) == 1 else ""
        if _name_of(host) not in self._host_names:
            return 421, "host-not-known", "This control room does not answer under that host name."
        is_socket = scope["type"] == "websocket"
        is_unsafe = not is_socket and scope["method"] not in _SAFE_METHODS
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if is_socket or (origins and is_unsafe):
            own = len(origins) == 1 and _is_own(origins[0].decode("latin-1").lower(), host)
            if not own:
                return 403, "origin-not-allowed", "The request comes from another site."
        token = SIGNED_HEADER if not is_socket and scope["path"].startswith(SIGNED_PATHS) else CSRF_HEADER
        if is_unsafe and not any(name == token and value for name, value in scope["headers"]):
            # Without the header the token would be looked for in the body: nobody's body is read for that.
            return 403, *CSRF_TOKEN_WRONG
        return None

    def _add_headers(self, message: MutableMapping[str, Any]) -> None:
        headers = list(message.get("headers", []))
        present = {name.lower() for name, _ in headers}
        headers += [pair for pair in self._headers if pair[0] not in present]
        if b"cache-control" not in present:
            headers.append((b"cache-control", b"no-store"))
        message["headers"] = headers


def _name_of(host: str) -> str:
    """The host without its port; an IPv6 address keeps its brackets."""
    name, separator, port = host.rpartition(":")
    return name if separator and port.isdigit() else host


def _is_own(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host) and parts.netloc == host


async def _answer(send: Send, status: int, code: str, detail: str) -> None:
    body = msgspec.json.encode({"error": code, "detail": detail})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    start = {"type": "http.response.start", "status": status, "headers": headers}
    await send(cast("Message", start))
    await send(cast("Message", {"type": "http.response.body", "body": body, "more_body": False}))
