"""What was done before a head-end began."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.exchange import Nameplate
from bijlighar.cim.period import Period
from bijlighar.cim.readings import ReadingBatch
from bijlighar.records import Records

PLATE = Nameplate(
    meter_id=1,
    serial="BJ0001",
    device_id="",
    manufacturer="",
    firmware="1.0",
    meter_type=None,
    category="D1",
    current_rating="",
    year=None,
    read_s=1,
)


def contact(meter_id: int, started_s: int, purpose: str, outcome: Outcome = Outcome.OK) -> Contact:
    return Contact(meter_id=meter_id, started_ms=started_s * 1000, purpose=purpose, outcome=outcome)


def test_the_newest_success_of_each_purpose_is_told(records: Records, day_s: int) -> None:
    records.landing.land([], [contact(1, day_s + 10, "daily"), contact(2, day_s + 20, "daily")])
    records.landing.land([], [contact(1, day_s + 500, "daily"), contact(1, day_s + 400, "daily+event")])
    records.landing.land([], [contact(1, day_s + 900, "daily", Outcome.HUNG), contact(2, day_s - 5, "event")])
    told = {
        (purpose, int(meter)): float(started_s)
        for purpose, meters, starts_s in records.past.last_successes(day_s)
        for meter, started_s in zip(meters, starts_s, strict=True)
        if started_s >= day_s + 20
    }
    assert told == {("daily", 1): day_s + 500, ("daily", 2): day_s + 20, ("daily+event", 1): day_s + 400}
    assert list(records.past.last_successes(day_s + 5000)) == []


def test_held_rows_are_told_in_parts(
    records: Records, day_s: int, block_load: Callable[..., ReadingBatch]
) -> None:
    records.landing.land([block_load(range(1, 5), range(10))], [])
    records.landing.land([block_load(range(1, 5), range(5, 20))], [])
    period = Period(start_s=day_s + 3600, end_s=day_s + 8 * 3600)

    def told(meter_ids: list[int] | None) -> set[tuple[int, int]]:
        wanted = None if meter_ids is None else np.array(meter_ids, np.int32)
        return {
            (int(meter), int(start_s))
            for meters, starts_s in records.past.held_parts(ProfileKind.BLOCK_LOAD, period, wanted)
            for meter, start_s in zip(meters, starts_s, strict=True)
        }

    slots = [day_s + 1800 * slot for slot in range(2, 16)]
    assert told(None) == {(meter, slot) for meter in range(1, 5) for slot in slots}
    assert told([2, 4]) == {(meter, slot) for meter in (2, 4) for slot in slots}
    assert told([]) == set()


def test_the_newest_firmware_of_every_meter(trial: Records) -> None:
    for firmware in ("1.0", "1.1"):
        trial.nameplates.put_nameplate(replace(PLATE, firmware=firmware))
    trial.nameplates.put_nameplate(replace(PLATE, meter_id=3, firmware="2.0"))
    assert trial.past.firmware() == {1: "1.1", 3: "2.0"}
