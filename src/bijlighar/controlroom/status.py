"""How the whole stands now, for the status line of every page."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from bijlighar.controlroom.alarm_texts import in_hindi
from bijlighar.controlroom.headend_watch import HeadEndWatch
from bijlighar.controlroom.instants import iso
from bijlighar.controlroom.live import LiveColumns
from bijlighar.controlroom.registry_index import RegistryIndex
from bijlighar.headend.alarms import Alarm
from bijlighar.records.landing import Alarm as StoreAlarm


class HeadEndStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One head-end. ``last_seen`` ISO 8601 of the utility's clock.

    ``groups`` communication groups of which it holds the lease, ``meters`` in them
    """

    id: str
    alive: bool
    last_seen: str | None
    lag_s: float
    groups: int
    meters: int


class AlarmStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Something the operator must see. ``detail`` English, ``detail_hi`` "" where there is no Hindi for it."""

    code: str
    since: str | None
    detail: str
    detail_hi: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of this civil day; ``lag_s`` None while no head-end speaks; ``speed`` 1 except in a demo."""

    now: str | None
    speed: float
    town: str
    version: str
    meters: int
    meters_heard_today: int
    readings_today: int
    contacts_today: int
    success_rate_today: float | None
    headends: list[HeadEndStatus]
    alarms: list[AlarmStatus]
    lag_s: float | None


def status_of(
    *,
    index: RegistryIndex,
    live: LiveColumns,
    watch: HeadEndWatch,
    now_s: float,
    wall_s: float,
    speed: float,
    town: str,
    version: str,
    stored: Sequence[StoreAlarm] = (),
) -> Status:
    """The status at one moment. ``now_s`` of the utility's clock, ``wall_s`` monotonic, ``stored`` the store's."""
    meters = index.meter_id
    alarms: list[Alarm | StoreAlarm] = [*watch.alarms(wall_s=wall_s, now_s=now_s), *stored]
    heard = np.count_nonzero(live.last_contact_ms[meters] >= live.day.start_s * 1000)
    tried = int(live.tried_today[meters].sum())
    succeeded = int(live.succeeded_today[meters].sum())
    return Status(
        now=iso(now_s),
        speed=round(speed, 3),
        town=town,
        version=version,
        meters=len(meters),
        meters_heard_today=int(heard),
        readings_today=live.readings_today,
        contacts_today=tried,
        success_rate_today=round(succeeded / tried, 4) if tried else None,
        headends=[
            HeadEndStatus(
                id=beat.owner,
                alive=alive,
                last_seen=iso(beat.now_s),
                lag_s=round(beat.lag_s, 1),
                groups=beat.groups if alive else 0,
                meters=beat.meters if alive else 0,
            )
            for beat, alive in watch.beats(wall_s=wall_s)
        ],
        alarms=[
            AlarmStatus(
                code=alarm.code,
                since=iso(alarm.since_s),
                detail=alarm.detail,
                detail_hi=in_hindi(alarm.detail),
            )
            for alarm in alarms
        ],
        lag_s=watch.lag_s(wall_s=wall_s),
    )
