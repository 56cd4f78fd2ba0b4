"""Signing in, who is signed in, signing out, and the language of the pages."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Annotated, Literal

import anyio.to_thread
import msgspec
from litestar import Response, delete, get, post, put
from litestar.datastructures import Cookie
from litestar.params import JSONBody
from litestar.utils.scope.state import ScopeState

from bijlighar.controlroom import passwords
from bijlighar.controlroom.api.asking import AnyRequest, room_of
from bijlighar.controlroom.errors import Refusal
from bijlighar.controlroom.identity import Identity, credential_of
from bijlighar.controlroom.roles import Permission
from bijlighar.controlroom.room import ControlRoom
from bijlighar.controlroom.sessions import COOKIE
from bijlighar.records.people import Person


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """A sign-in."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=passwords.MOST_CHARACTERS)]


class ChosenLanguage(msgspec.Struct, forbid_unknown_fields=True):
    """The language of the pages."""

    language: Literal["en", "hi"]


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """Who is signed in. ``permissions`` is what the roles allow, so that a page shows no dead buttons."""

    name: str
    display_name: str
    display_name_hi: str
    roles: list[str]
    permissions: list[str]
    language: str
    csrf_token: str


def _view(request: AnyRequest, person: Person) -> SessionView:
    token = ScopeState.from_scope(request.scope).csrf_token
    identity = Identity(person=person, session_id="")
    return SessionView(
        name=person.name,
        display_name=person.display_name,
        display_name_hi=person.display_name_hi,
        roles=list(person.roles),
        permissions=[each.value for each in Permission if identity.may(each)],
        language=person.language,
        csrf_token=token if isinstance(token, str) else "",
    )


def _cookie(room: ControlRoom, session_id: str, *, max_age_s: int) -> Cookie:
    return Cookie(
        key=COOKIE,
        value=session_id,
        path="/",
        httponly=True,
        samesite="strict",
        secure=room.settings.secure_cookies,
        max_age=max_age_s,
    )


async def _checked(room: ControlRoom, name: str, password: str, address: str) -> Person:
    wait_s = room.throttle.wait_s(name, address, now_s=time.monotonic())
    if wait_s > 0:
        room.measured.sign_ins.labels("throttled").inc()
        raise Refusal(
            429, "too-many-tries", "Too many failed sign-ins; wait a little.", retry_after_s=int(wait_s) + 1
        )
    room.throttle.began(name, address, now_s=time.monotonic())
    person = await asyncio.to_thread(room.records.people.find, name)
    kept = None if person is None or person.disabled else person.password_hash
    right = await anyio.to_thread.run_sync(passwords.matches, password, kept, limiter=room.password_checks)
    if person is None or not right:
        room.measured.sign_ins.labels("refused").inc()
        raise Refusal(401, "sign-in-refused", "Name or password is wrong.")
    room.throttle.succeeded(name, address)
    room.measured.sign_ins.labels("ok").inc()
    return person


@post("/session", status_code=200, opt={"needs": Permission.ANYBODY})
async def sign_in(request: AnyRequest, data: JSONBody[SignIn]) -> Response[SessionView]:
    """Sign in: a fresh session cookie, whatever cookie came along."""
    room = room_of(request)
    address = request.client.host if request.client is not None else ""
    person = await _checked(room, data.name, data.password, address)
    await room.sessions.end(request.cookies.get(COOKIE))
    session_id = await room.sessions.open(person.name, credential_of(person), now_s=time.time())
    await room.audit(who=person.name, what="signed-in", subject=f"person:{person.name}")
    answer = Response(_view(request, person))
    answer.set_cookie(_cookie(room, session_id, max_age_s=room.settings.session_absolute_s))
    return answer


@get("/session", opt={"needs": Permission.ANYBODY})
async def session(request: AnyRequest) -> Response[SessionView | None]:
    """Who is signed in; 204 when nobody is: to ask is no fault, and a browser would log one as an error."""
    if request.scope.get("user") is None:
        return Response(None, status_code=204)
    return Response(_view(request, request.user.person))


@delete("/session", status_code=204, opt={"needs": Permission.SIGNED_IN})
async def sign_out(request: AnyRequest) -> Response[None]:
    """Sign out: the session is forgotten on the server, the cookie in the browser."""
    room = room_of(request)
    await room.sessions.end(request.user.session_id)
    await room.audit(who=request.user.person.name, what="signed-out", subject=f"person:{request.user.person.name}")
    answer: Response[None] = Response(None, status_code=204)
    answer.set_cookie(_cookie(room, "", max_age_s=0))
    return answer


@put("/session/language", opt={"needs": Permission.SIGNED_IN})
async def choose_language(request: AnyRequest, data: JSONBody[ChosenLanguage]) -> SessionView:
    """Keep the language of the pages with the person."""
    room = room_of(request)
    person = replace(request.user.person, language=data.language)
    await asyncio.to_thread(room.records.people.put, person)
    return _view(request, person)


HANDLERS = (sign_in, session, sign_out, choose_language)
