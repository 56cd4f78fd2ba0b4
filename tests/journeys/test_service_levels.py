"""Journey 7, the day's service levels: a mohalla is read by radio, and one tower is silent around midnight.

By 08:00 the office asks whether the day's data is there and what was wrong. Radio and its faults are the virtual
town's, the rule of trying again is the head-end's; what a visit brings is landed without the protocol in between.
Records, judgement and report are the product's.
"""

from __future__ import annotations

import heapq
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.readings import ReadingBatch
from bijlighar.controlroom.cli import app
from bijlighar.headend.clock import TownClock
from bijlighar.headend.retry import Backoff, fraction
from bijlighar.records import Records
from meterlab import town as towns
from meterlab.radio import Fate, Outage, Radio, RadioKind
from operations.levels_town import (
    HOUR,
    METERS,
    MIDNIGHT,
    PERIOD,
    joined,
    rows_of_visit,
    tower,
    write_registry,
)

HALF_S = 1800
SPREAD_S = 900
SILENT = range(PERIOD.end_s - 2 * HOUR, PERIOD.end_s + HOUR)
SILENT_TOWER = 1
MORNING, NEXT_MIDNIGHT = PERIOD.end_s + 8 * HOUR + 300, PERIOD.end_s + 24 * HOUR + 300
_OUTCOMES = {Fate.GOES_THROUGH: Outcome.OK, Fate.RESET: Outcome.RESET, Fate.SILENCE: Outcome.HUNG}


class Mohalla:
    """Sixty meters behind three towers, and a head-end that tries again as the product's does."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.clock = TownClock.create(folder / "clock", start_s=MIDNIGHT - HOUR, speed=0)
        carried = frozenset(meter for meter in range(METERS) if tower(meter) == SILENT_TOWER)
        self.radio = Radio(
            town=towns.mohalla(seed, METERS),
            kind=RadioKind.LTE,
            outages=[Outage(begin_s=SILENT.start, end_s=SILENT.stop, meters=carried)],
        )
        self.backoff = Backoff()
        self.due = [(MIDNIGHT + fraction(meter, 1) * SPREAD_S, meter, 1) for meter in range(METERS)]
        heapq.heapify(self.due)
        self.read_to = [0] * METERS
        self.config = folder / "settings.toml"
        self.config.write_text(f'data_dir = "{folder / "data"}"\nclock_file = "{folder / "clock"}"\n')
        with self._records() as records:
            assert records.registry.import_folder(write_registry(folder / "sheets")).error_count == 0

    def _records(self) -> Records:
        return Records(None, self.folder / "data", now=self.clock.now)

    def read_until(self, end_s: int) -> None:
        """A visit to each meter in each half hour, again after a failure; everything is landed."""
        due, read_to = self.due, self.read_to
        batches: list[ReadingBatch] = []
        contacts: list[Contact] = []
        while due[0][0] < end_s:
            at_s, meter, attempt = heapq.heappop(due)
            outcome = _OUTCOMES[self.radio.fate(meter, at_s)]
            half = int(at_s - MIDNIGHT) // HALF_S
            contacts.append(
                Contact(
                    meter_id=meter + 1,
                    started_ms=int(at_s * 1000),
                    purpose="block-load",
                    outcome=outcome,
                    attempt=attempt,
                )
            )
            next_slot_s = MIDNIGHT + (half + 1) * HALF_S + fraction(meter, 1) * SPREAD_S
            if outcome is Outcome.OK:
                batches += rows_of_visit(meter + 1, read_to[meter], half, int(at_s))
                read_to[meter] = half
                heapq.heappush(due, (next_slot_s, meter, 1))
            elif attempt < self.backoff.attempts:
                again_s = at_s + self.backoff.delay_s(meter, attempt)
                heapq.heappush(due, (again_s, meter, attempt + 1))
            else:
                heapq.heappush(due, (next_slot_s, meter, 1))
        with self._records() as records:
            records.landing.land(joined(batches), contacts)

    def report(self, now_s: int, told_as: str = "json") -> str:
        """What ``bijlighar report service-levels`` says at a moment."""
        clock = TownClock.create(self.folder / "clock", start_s=now_s, speed=0)
        assert clock.now() == now_s
        asked = [
            "report",
            "service-levels",
            "--day",
            "2026-06-01",
            "--format",
            told_as,
            "--config",
            str(self.config),
        ]
        told = CliRunner().invoke(app, asked)
        assert told.exit_code == 0, told.output
        return told.stdout


def bars(report: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The bars of a kind of rows by name."""
    return {bar["code"]: bar for each in report["kinds"] if each["kind"] == kind for bar in each["bars"]}


@pytest.mark.parametrize("seed", [1, 7])
def test_the_office_knows_in_the_morning_what_is_there_and_which_tower_failed(tmp_path: Path, seed: int) -> None:
    mohalla = Mohalla(tmp_path, seed)
    mohalla.read_until(MORNING)

    morning = json.loads(mohalla.report(MORNING))
    assert morning["meters"] == METERS
    for kind in ("block-load", "daily"):
        told = bars(morning, kind)
        assert told["morning"]["measured"] >= 0.95
        assert (told["morning"]["kept"], told["day"]["kept"]) == (True, None)

    first = morning["faults"][0]
    assert (first["scope"], first["name"], first["cause"]) == ("tower", "tower-1", "tower-outage")
    assert (first["start"], first["end"]) == ("2026-06-01T16:30:00Z", "2026-06-01T19:30:00Z")
    assert "20 of its 20 meters in the same hours, so the tower, not the meters" in first["detail_en"]
    assert "टावर tower-1" in first["detail_hi"]
    assert {fault["name"] for fault in morning["faults"] if fault["scope"] == "tower"} == {"tower-1"}

    mohalla.read_until(NEXT_MIDNIGHT)
    later = json.loads(mohalla.report(NEXT_MIDNIGHT))
    for kind in ("block-load", "daily"):
        told = bars(later, kind)
        assert told["day"]["measured"] >= 0.99
        assert (told["day"]["kept"], told["backfill"]["kept"]) == (True, None)
    text = mohalla.report(NEXT_MIDNIGHT, "text")
    assert "  1.     60.0 h  Tower tower-1 was silent in 01-06-2026 22:00–02-06-2026 01:00" in text
