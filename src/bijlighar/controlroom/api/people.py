"""The people who may sign in: an administrator's business, each change on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import anyio.to_thread
import msgspec
from litestar import get, patch, post, put
from litestar.params import JSONBody, PathParameter

from bijlighar.cim.period import civil_day
from bijlighar.controlroom import passwords
from bijlighar.controlroom.api.asking import AnyRequest, room_of
from bijlighar.controlroom.errors import Refusal, not_found, not_valid
from bijlighar.controlroom.instants import NotAnInstant, parse_day
from bijlighar.controlroom.roles import Permission, Role
from bijlighar.controlroom.room import ControlRoom
from bijlighar.records.consumers import ConsumerPoint, NotTied
from bijlighar.records.people import Person

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"
MOST_POINTS = 100
"""A landlord with a house of flats; whoever has more is served by the billing department."""
_Name = Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]
_NamePart = Annotated[str, PathParameter(max_length=63)]
_Shown = Annotated[str, msgspec.Meta(max_length=100)]
_Password = Annotated[str, msgspec.Meta(max_length=passwords.MOST_CHARACTERS)]
_Roles = Annotated[list[Role], msgspec.Meta(max_length=len(Role))]
_Points = Annotated[list[str], msgspec.Meta(max_length=MOST_POINTS)]
_Since = Annotated[str, msgspec.Meta(max_length=40)]


class NewPerson(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Somebody new. ``usage_points`` what a consumer may see, from the day ``since`` on; "": all that is kept."""

    name: _Name
    password: _Password
    roles: _Roles
    display_name: _Shown = ""
    display_name_hi: _Shown = ""
    language: Literal["en", "hi"] = "en"
    usage_points: _Points = []
    since: _Since = ""


class ChangedPerson(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What changes; what is left out stays. ``since`` is of usage points that are new."""

    roles: _Roles | None = None
    display_name: _Shown | None = None
    display_name_hi: _Shown | None = None
    language: Literal["en", "hi"] | None = None
    disabled: bool | None = None
    usage_points: _Points | None = None
    since: _Since = ""


class NewPassword(msgspec.Struct, forbid_unknown_fields=True):
    """A new password; it ends the person's sessions."""

    password: _Password


class PersonView(msgspec.Struct, frozen=True, kw_only=True):
    """One person, without anything of the password."""

    name: str
    display_name: str
    display_name_hi: str
    roles: list[str]
    language: str
    disabled: bool
    usage_points: list[str]


class PersonList(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody, by name."""

    rows: list[PersonView]


def _view(person: Person, points: Sequence[ConsumerPoint]) -> PersonView:
    return PersonView(
        name=person.name,
        display_name=person.display_name,
        display_name_hi=person.display_name_hi,
        roles=list(person.roles),
        language=person.language,
        disabled=person.disabled,
        usage_points=[each.usage_point for each in points],
    )


async def _found(room: ControlRoom, name: str) -> Person:
    person = await room.in_thread(room.records.people.find, name)
    if person is None:
        raise not_found("person")
    return person


async def _hashed(password: str) -> str:
    try:
        return await anyio.to_thread.run_sync(passwords.hashed, password)
    except passwords.PasswordRefused as problem:
        raise not_valid("password", str(problem)) from problem


@get("/people", opt={"needs": Permission.MANAGE_PEOPLE})
async def people(request: AnyRequest) -> PersonList:
    """Everybody who may sign in, or might."""
    room = room_of(request)
    ties = await room.in_thread(room.records.consumers.everybody)
    everybody = await room.in_thread(room.records.people.all)
    return PersonList(rows=[_view(person, ties.get(person.name, ())) for person in everybody])


@post("/people", opt={"needs": Permission.MANAGE_PEOPLE})
async def add_person(request: AnyRequest, data: JSONBody[NewPerson]) -> PersonView:
    """Add somebody."""
    room = room_of(request)
    if await room.in_thread(room.records.people.find, data.name) is not None:
        raise Refusal(409, "name-taken", "Somebody has that name.", fields={"name": "is taken"})
    person = Person(
        name=data.name,
        display_name=data.display_name or data.name,
        display_name_hi=data.display_name_hi,
        password_hash=await _hashed(data.password),
        roles=tuple(role.value for role in dict.fromkeys(data.roles)),
        language=data.language,
    )
    since_s = await _checked_points(request, person, data.usage_points, data.since)
    await _keep(request, person, "added-person")
    return await _tied(request, person, data.usage_points, since_s)


@patch("/people/{name:str}", opt={"needs": Permission.MANAGE_PEOPLE})
async def change_person(request: AnyRequest, name: _NamePart, data: JSONBody[ChangedPerson]) -> PersonView:
    """Change roles, names, language, or close the account."""
    room = room_of(request)
    before = await _found(room, name)
    changes: dict[str, Any] = {
        field: tuple(role.value for role in value) if field == "roles" else value
        for field, value in msgspec.structs.asdict(data).items()
        if value is not None and field not in ("usage_points", "since")
    }
    person = replace(before, **changes)
    mine = name == request.user.person.name
    if mine and (person.disabled or Role.ADMINISTRATOR.value not in person.roles):
        raise Refusal(409, "own-account", "Another administrator must take this right from you.")
    since_s = await _checked_points(request, person, data.usage_points, data.since)
    await _keep(request, person, "changed-person")
    return await _tied(request, person, data.usage_points, since_s)


@put("/people/{name:str}/password", status_code=204, opt={"needs": Permission.MANAGE_PEOPLE})
async def set_password(request: AnyRequest, name: _NamePart, data: JSONBody[NewPassword]) -> None:
    """Set a person's password."""
    room = room_of(request)
    before = await _found(room, name)
    person = replace(before, password_hash=await _hashed(data.password))
    await _keep(request, person, "set-password")


async def _checked_points(request: AnyRequest, person: Person, usage_points: list[str] | None, since: str) -> int:
    """The instant of ``since``. Raises Refusal 400, for a usage point that is no consumer's too."""
    room = room_of(request)
    if usage_points and Role.CONSUMER.value not in person.roles:
        raise not_valid("usage_points", "are for the role consumer")
    try:
        await room.in_thread(room.records.consumers.check, usage_points or [])
    except NotTied as problem:
        raise not_valid("usage_points", problem.reason) from problem
    if not since:
        return 0
    try:
        return civil_day(parse_day(since, now_s=room.now())).start_s
    except NotAnInstant as problem:
        raise not_valid("since", str(problem)) from problem


async def _tied(request: AnyRequest, person: Person, usage_points: list[str] | None, since_s: int) -> PersonView:
    """Tie the person to exactly these usage points; None leaves as it is. They are checked."""
    room, who = room_of(request), request.user.person.name
    consumers = room.records.consumers
    before = await room.in_thread(consumers.points, person.name)
    if usage_points is None or (not usage_points and not before):
        return _view(person, before)
    await room.in_thread(consumers.set_points, person.name, usage_points, since_s=since_s, tied_by=who)
    await room.audit(
        who=who,
        what="tied-usage-points",
        subject=f"person:{person.name}",
        detail={"usage_points": usage_points, "since_s": since_s},
    )
    return _view(person, await room.in_thread(consumers.points, person.name))


async def _keep(request: AnyRequest, person: Person, what: str) -> None:
    room = room_of(request)
    await room.in_thread(room.records.people.put, person)
    await room.audit(
        who=request.user.person.name,
        what=what,
        subject=f"person:{person.name}",
        detail={"roles": list(person.roles), "disabled": person.disabled},
    )


HANDLERS = (people, add_person, change_person, set_password)
