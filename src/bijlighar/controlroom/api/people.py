"""The people who may sign in: an administrator's business, each change on record."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

import anyio.to_thread
import msgspec
from litestar import get, patch, post, put
from litestar.params import JSONBody, PathParameter

from bijlighar.controlroom import passwords
from bijlighar.controlroom.api.asking import AnyRequest, room_of
from bijlighar.controlroom.errors import Refusal, not_found, not_valid
from bijlighar.controlroom.roles import Permission, Role
from bijlighar.controlroom.room import ControlRoom
from bijlighar.records.people import Person

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"
_Name = Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]
_NamePart = Annotated[str, PathParameter(max_length=63)]
_Shown = Annotated[str, msgspec.Meta(max_length=100)]
_Password = Annotated[str, msgspec.Meta(max_length=passwords.MOST_CHARACTERS)]
_Roles = Annotated[list[Role], msgspec.Meta(max_length=len(Role))]


class NewPerson(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Somebody new."""

    name: _Name
    password: _Password
    roles: _Roles
    display_name: _Shown = ""
    display_name_hi: _Shown = ""
    language: Literal["en", "hi"] = "en"


class ChangedPerson(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What changes; what is left out stays."""

    roles: _Roles | None = None
    display_name: _Shown | None = None
    display_name_hi: _Shown | None = None
    language: Literal["en", "hi"] | None = None
    disabled: bool | None = None


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


class PersonList(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody, by name."""

    rows: list[PersonView]


def _view(person: Person) -> PersonView:
    return PersonView(
        name=person.name,
        display_name=person.display_name,
        display_name_hi=person.display_name_hi,
        roles=list(person.roles),
        language=person.language,
        disabled=person.disabled,
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
    return PersonList(rows=[_view(person) for person in await room.in_thread(room.records.people.all)])


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
    await _keep(request, person, "added-person")
    return _view(person)


@patch("/people/{name:str}", opt={"needs": Permission.MANAGE_PEOPLE})
async def change_person(request: AnyRequest, name: _NamePart, data: JSONBody[ChangedPerson]) -> PersonView:
    """Change roles, names, language, or close the account."""
    room = room_of(request)
    before = await _found(room, name)
    changes: dict[str, Any] = {
        field: tuple(role.value for role in value) if field == "roles" else value
        for field, value in msgspec.structs.asdict(data).items()
        if value is not None
    }
    person = replace(before, **changes)
    mine = name == request.user.person.name
    if mine and (person.disabled or Role.ADMINISTRATOR.value not in person.roles):
        raise Refusal(409, "own-account", "Another administrator must take this right from you.")
    await _keep(request, person, "changed-person")
    return _view(person)


@put("/people/{name:str}/password", status_code=204, opt={"needs": Permission.MANAGE_PEOPLE})
async def set_password(request: AnyRequest, name: _NamePart, data: JSONBody[NewPassword]) -> None:
    """Set a person's password."""
    room = room_of(request)
    before = await _found(room, name)
    person = replace(before, password_hash=await _hashed(data.password))
    await _keep(request, person, "set-password")


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
