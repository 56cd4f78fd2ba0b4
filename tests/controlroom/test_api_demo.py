from __future__ import annotations

from pathlib import Path

import msgspec
from litestar.testing import TestClient

from bijlighar.controlroom.app import build_app
from bijlighar.controlroom.demo_people import DEMO_PEOPLE
from bijlighar.controlroom.roles import Role
from bijlighar.controlroom.room import ControlRoom, open_room
from bijlighar.headend.clock import TownClock
from bijlighar.records import Records


def test_a_real_utility_tells_nobody_as_whom_to_sign_in(room: ControlRoom) -> None:
    with TestClient(build_app(room, pages={}), base_url="http://127.0.0.1") as client:
        answer = client.get("/api/demo")
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_demo_names_its_people_who_sees_most_first(
    room: ControlRoom, records: Records, clock: TownClock, tmp_path: Path
) -> None:
    settings = msgspec.structs.replace(room.settings, town="trial", clock_file=str(tmp_path / "town.clock"))
    with TestClient(
        build_app(open_room(settings, records, clock), pages={}), base_url="http://127.0.0.1"
    ) as client:
        told = client.get("/api/demo").json()
    assert told["town"] == "trial"
    assert [each["name"] for each in told["people"]] == list(DEMO_PEOPLE)
    assert told["people"][0]["role"] == Role.SUPERVISOR
