"""A control room on real records in a temporary folder: three meters, a day of readings, four people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from bijlighar.controlroom.app import build_app
from bijlighar.controlroom.built_pages import PageFile
from bijlighar.controlroom.room import ControlRoom, open_room
from bijlighar.controlroom.settings import Settings
from bijlighar.headend.clock import TownClock
from bijlighar.records import Records
from controlroom.utility import NOW, PAGES, add_people, fill, write_registry

Client = TestClient[Any]


@pytest.fixture
def clock(tmp_path: Path) -> TownClock:
    return TownClock.create(tmp_path / "town.clock", start_s=NOW, speed=0)


@pytest.fixture
def records(records_url: str, tmp_path: Path, clock: TownClock) -> Iterator[Records]:
    with Records(records_url, tmp_path, now=clock.now) as opened:
        assert opened.registry.import_folder(write_registry(tmp_path / "sheets")).error_count == 0
        fill(opened)
        add_people(opened)
        yield opened


@pytest.fixture
def room(tmp_path: Path, records: Records, clock: TownClock) -> ControlRoom:
    settings = Settings(data_dir=str(tmp_path), sign_in_failures=3, live_clients=2)
    return open_room(settings, records, clock)


@pytest.fixture
def pages() -> dict[str, PageFile]:
    return dict(PAGES)


@pytest.fixture
def open_client(room: ControlRoom, pages: dict[str, PageFile]) -> Callable[..., AbstractContextManager[Client]]:
    @contextmanager
    def opened(base_url: str = "http://127.0.0.1") -> Iterator[Client]:
        with TestClient(build_app(room, pages=pages), base_url=base_url) as client:
            yield client

    return opened


@pytest.fixture
def client(open_client: Callable[..., AbstractContextManager[Client]]) -> Iterator[Client]:
    with open_client() as opened:
        yield opened
