from __future__ import annotations

import io

import pytest
from rich.console import Console

from bijlighar.controlroom import telling as telling_module
from bijlighar.controlroom.first_reading import STANDS_STILL_S
from bijlighar.controlroom.health import Health
from bijlighar.controlroom.telling import Teller


def _health(readings: int, share: float | None, lag_s: float | None = 0.0) -> Health:
    return Health(
        status="ok",
        now=None,
        headends_alive=1,
        lag_s=lag_s,
        silent_for_s=0.2,
        readings=readings,
        history_share=share,
    )


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(telling_module.time, "monotonic", lambda: now[0])
    return now


def _teller() -> tuple[Teller, io.StringIO]:
    written = io.StringIO()
    console = Console(file=written, force_terminal=False, width=200)
    return Teller(
        console, address="http://localhost:8460", sign_ins={"operator": "secret"}, town=True, days=35
    ), written


def test_the_address_and_the_sign_in_are_told(wall: list[float]) -> None:
    teller, written = _teller()
    wall[0] += 4.25
    teller.ready()
    told = written.getvalue()
    assert "http://localhost:8460" in told
    assert "4.2 s" in told
    assert "operator with the password secret" in told


def test_progress_is_told_now_and_then_until_the_history_is_read(wall: list[float]) -> None:
    teller, written = _teller()
    for share in (0.1, 0.2, 0.5, 0.99, 0.99):
        wall[0] += 3
        teller.progress(_health(int(share * 10_000), share), speed=30)
    lines = written.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "Reading the meters' history",
        "Reading the meters' history",
        "The meters' history is read",
    ]
    assert "10% of 35 days; the town runs at 30 times real time" in lines[0]


def test_a_history_that_has_stopped_growing_is_all_there_is(wall: list[float]) -> None:
    teller, written = _teller()
    teller.progress(_health(9_000, 0.9), speed=1)
    wall[0] += STANDS_STILL_S + 1
    teller.progress(_health(9_000, 0.9, lag_s=90_000), speed=1)
    assert "is read" not in written.getvalue()
    teller.progress(_health(9_000, 0.9), speed=1)
    assert "90.0% of 35 days' blocks" in written.getvalue()


def test_in_the_first_seconds_nothing_late_is_no_history_read(wall: list[float]) -> None:
    teller, written = _teller()
    wall[0] += STANDS_STILL_S + 1  # a busy machine starts slowly
    teller.ready()
    for readings in (21, 95):
        wall[0] += 2
        teller.progress(_health(readings, None), speed=240)
    assert "is read" not in written.getvalue()
    wall[0] += STANDS_STILL_S
    teller.progress(_health(95, None), speed=240)
    assert "is read: 95 rows" in written.getvalue()


def test_before_any_reading_nothing_is_called_read(wall: list[float]) -> None:
    teller, written = _teller()
    wall[0] += STANDS_STILL_S + 1
    teller.progress(_health(0, None), speed=1)
    teller.progress(None, speed=1)
    assert "is read" not in written.getvalue()
