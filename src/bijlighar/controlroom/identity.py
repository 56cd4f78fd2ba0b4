"""Who asks: from the session cookie to a person, and the guard that every route passes.

A route names what it needs in ``opt`` (``needs=Permission…``); a route that names nothing is closed.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.middleware.authentication import AbstractAuthenticationMiddleware, AuthenticationResult

from bijlighar.controlroom.errors import Refusal
from bijlighar.controlroom.roles import Permission, allowed
from bijlighar.controlroom.sessions import COOKIE, Sessions
from bijlighar.records.people import People, Person

NEEDS = "needs"
_AnyConnection = ASGIConnection[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A signed-in person and the session that says so."""

    person: Person
    session_id: str

    def may(self, permission: Permission) -> bool:
        """True when one of the person's roles allows it."""
        return allowed(self.person.roles, permission)


def credential_of(person: Person) -> str:
    """A fingerprint of the kept hash: it changes with the password and tells nothing of it."""
    return hashlib.sha256(person.password_hash.encode()).hexdigest()[:32]


async def identify(sessions: Sessions, people: People, session_id: str | None, *, touch: bool) -> Identity | None:
    """The person behind a cookie, or None when there is none, is disabled, or has another password since."""
    session = await sessions.find(session_id, now_s=time.time(), touch=touch)
    if session is None or session_id is None:
        return None
    person = await asyncio.to_thread(people.find, session.name)
    if person is None or person.disabled or credential_of(person) != session.credential:
        await sessions.end(session_id)
        return None
    return Identity(person=person, session_id=session_id)


class SignedIn(AbstractAuthenticationMiddleware):
    """Sets ``connection.user`` to an Identity or None."""

    async def authenticate_request(self, connection: _AnyConnection) -> AuthenticationResult:
        """Look the cookie up; the guard decides what its absence means."""
        room = connection.app.state.room
        session_id = connection.cookies.get(COOKIE)
        identity = await identify(room.sessions, room.records.people, session_id, touch=True)
        return AuthenticationResult(user=identity, auth=session_id)


def guard(connection: _AnyConnection, handler: BaseRouteHandler) -> None:
    """Let through who may. Raises Refusal 401 or 403."""
    needed = handler.opt.get(NEEDS)
    if not isinstance(needed, Permission):
        raise Refusal(403, "not-allowed", "This address is closed.")
    if needed is Permission.ANYBODY:
        return
    identity: Identity | None = connection.user
    if identity is None:
        raise Refusal(401, "not-signed-in", "Sign in first.")
    if not identity.may(needed):
        raise Refusal(403, "not-allowed", "Your role does not allow this.")
