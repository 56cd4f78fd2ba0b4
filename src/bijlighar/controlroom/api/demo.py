"""What the sign-in page of a demo shows: the town, and as whom one may sign in. A real utility tells nothing."""

from __future__ import annotations

import msgspec
from litestar import Response, get

from bijlighar.controlroom.api.asking import AnyRequest, room_of
from bijlighar.controlroom.demo_people import DEMO_PEOPLE
from bijlighar.controlroom.roles import Permission


class DemoSignIn(msgspec.Struct, frozen=True, kw_only=True):
    """A person of the demo; the passwords stand in the source and on the terminal too."""

    name: str
    password: str
    display_name: str
    display_name_hi: str
    role: str


class DemoView(msgspec.Struct, frozen=True, kw_only=True):
    """The demo's ``town`` and its people."""

    town: str
    people: list[DemoSignIn]


@get("/demo", opt={"needs": Permission.ANYBODY})
async def demo(request: AnyRequest) -> Response[DemoView | None]:
    """The demo, 204 where this is none: a name of the town and its clock are set by ``bijlighar demo`` alone."""
    settings = room_of(request).settings
    if not settings.town or not settings.clock_file:
        return Response(None, status_code=204)
    people = [
        DemoSignIn(name=name, password=password, display_name=shown, display_name_hi=shown_hi, role=role.value)
        for name, (password, shown, shown_hi, role) in DEMO_PEOPLE.items()
    ]
    return Response(DemoView(town=settings.town, people=people))


HANDLERS = (demo,)
