"""Sessions of signed-in people: kept by the server, found by a random identifier that only its hash remembers.

A session ends when idle too long, when too old, at sign-out, and when the person is disabled or the password
changes. The identifier is drawn anew at each sign-in, so that a planted one is worth nothing.
"""

from __future__ import annotations

import math
import secrets
from typing import Protocol

import msgspec

COOKIE = "bijlighar_session"
_IDENTIFIER_OCTETS = 32
LONGEST_IDENTIFIER = 64
"""A cookie longer than ours is not ours; it is not even hashed."""

TOUCH_AFTER_S = 30.0
"""The idle time is kept to half a minute: not every request of a page writes to the records."""

MOST_ENDED = 1_000
"""Sign-outs remembered for the requests that were under way; those end within seconds."""


class SessionStore(Protocol):
    """Where sessions are kept, by identifier; the store hashes it at rest. Litestar's ``Store`` in part."""

    async def get(self, key: str) -> bytes | None:
        """The content, or None when unknown or expired."""

    async def set(self, key: str, value: str | bytes, expires_in: int | None = None) -> None:
        """Keep content for so many seconds."""

    async def delete(self, key: str) -> None:
        """Forget; an unknown identifier is no fault."""


class WebSession(msgspec.Struct, frozen=True, kw_only=True):
    """One signed-in browser. Instants in epoch seconds of the wall, not of a demo's town.

    ``credential``  fingerprint of the password hash at sign-in: another password ends the session
    """

    name: str
    credential: str
    signed_in_s: float
    seen_s: float


class Sessions:
    """Opens, finds and ends sessions. ``now_s`` is always the wall's epoch time."""

    def __init__(self, store: SessionStore, *, idle_s: int, absolute_s: int) -> None:
        self._store = store
        self._idle_s = idle_s
        self._absolute_s = absolute_s
        self._ended: dict[str, None] = {}

    async def open(self, name: str, credential: str, *, now_s: float) -> str:
        """Sign in: a fresh identifier for the cookie."""
        session_id = secrets.token_urlsafe(_IDENTIFIER_OCTETS)
        session = WebSession(name=name, credential=credential, signed_in_s=now_s, seen_s=now_s)
        await self._keep(session_id, session)
        return session_id

    async def find(self, session_id: str | None, *, now_s: float, touch: bool) -> WebSession | None:
        """The session of a cookie, or None. ``touch``: a request of a person, which restarts the idle time."""
        if not session_id or len(session_id) > LONGEST_IDENTIFIER or not session_id.isascii():
            return None
        content = await self._store.get(session_id)
        if content is None:
            return None
        session = msgspec.json.decode(content, type=WebSession)
        if now_s >= min(session.seen_s + self._idle_s, session.signed_in_s + self._absolute_s):
            await self._store.delete(session_id)
            return None
        if touch and now_s - session.seen_s >= min(TOUCH_AFTER_S, self._idle_s / 4):
            session = msgspec.structs.replace(session, seen_s=now_s)
            await self._keep(session_id, session)
            if session_id in self._ended:  # signed out while this request was on its way
                await self._store.delete(session_id)
                return None
        return session

    async def end(self, session_id: str | None) -> None:
        """Sign out."""
        if session_id and len(session_id) <= LONGEST_IDENTIFIER:
            self._ended[session_id] = None
            if len(self._ended) > MOST_ENDED:
                del self._ended[next(iter(self._ended))]
            await self._store.delete(session_id)

    async def _keep(self, session_id: str, session: WebSession) -> None:
        end_s = min(session.seen_s + self._idle_s, session.signed_in_s + self._absolute_s)
        left_s = max(1, math.ceil(end_s - session.seen_s))
        await self._store.set(session_id, msgspec.json.encode(session), expires_in=left_s)
