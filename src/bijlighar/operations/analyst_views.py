"""The views that analysts ask: SQL over the pinned files. Their columns are told in docs/analysts.md.

Instants end in ``_s`` (epoch seconds UTC); ``start``, ``received`` and their like are the same in civil time.
"""

from __future__ import annotations

from dataclasses import dataclass

from bijlighar.cim.channels import ProfileKind
from bijlighar.operations.analyst_files import PERIODS_S, block_channels, channels_of
from bijlighar.records.copied_tables import NAMES

ZONE = "Asia/Kolkata"

READINGS = {
    "readings_block_load": ProfileKind.BLOCK_LOAD,
    "readings_daily": ProfileKind.DAILY,
    "readings_instantaneous": ProfileKind.INSTANTANEOUS,
    "events": ProfileKind.EVENT,
}

_INSTANTS = {
    "meters": ("installed_s",),
    "installations": ("installed_s", "removed_s"),
    "validation_exceptions": ("found_s", "judged_s", "resolved_s"),
    "statements": ("created_s", "tried_s", "answered_s"),
    "bills": ("billed_s",),
}
_DAYS = {"validation_exceptions": ("day",), "statements": ("first_day", "last_day")}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """``sql`` of a view over ``sources``: names under which datasets and tables are registered."""

    name: str
    sql: str
    sources: tuple[str, ...]


def _local(instant_s: str) -> str:
    return f"timezone('{ZONE}', to_timestamp({instant_s}))"


def _readings(name: str, kind: ProfileKind, start_s: int, end_s: int) -> View:
    """Of several rows for one meter and start (and event) the newest received stands, as everywhere."""
    keys = "meter_id, start_s" + (", event_code, event_log" if kind is ProfileKind.EVENT else "")
    length = "period_s, " if kind is ProfileKind.BLOCK_LOAD else ""
    source = f"landed_{name}"
    sql = (
        f"SELECT meter_id, {_local('start_s')} AS start, start_s, {length}{_local('received_s')} AS received, "
        f"received_s, {', '.join(channels_of(kind))} FROM {source} "
        f"WHERE start_s >= {start_s} AND start_s < {end_s} "
        f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY received_s DESC, landing_order DESC) = 1"
    )
    return View(name=name, sql=sql, sources=(source,))


def _contacts(start_s: int, end_s: int) -> View:
    sql = (
        f"SELECT meter_id, {_local('started_ms / 1000.0')} AS started, started_ms, purpose, outcome, attempt, "
        "latency_ms, clock_offset_ms, signal_dbm, octets_sent, octets_received, rows, detail FROM landed_contacts "
        f"WHERE started_ms >= {start_s * 1000} AND started_ms < {end_s * 1000}"
    )
    return View(name="contacts", sql=sql, sources=("landed_contacts",))


def _day_blocks(first: str, last: str) -> View:
    parts = []
    for period_s in PERIODS_S:
        values = ", ".join(
            f"unnest({name}::BIGINT[]) * step_{name} AS {name}" for name in ("received_after_s", *block_channels())
        ).replace(" * step_received_after_s", "")
        slots = 86_400 // period_s
        parts.append(
            f"SELECT meter_id, day, transformer, {period_s} AS period_s, unnest(range({slots})) AS slot, "
            f"unnest(flags::UTINYINT[]) AS flags, {values} FROM blocks_{period_s} "
            f"WHERE version = 0 AND day >= DATE '{first}' AND day <= DATE '{last}' "
            "AND NOT EXISTS (FROM overtaken WHERE overtaken.block = "
            f"blocks_{period_s}.block AND overtaken.day = blocks_{period_s}.day)"
        )
    day_s = f"epoch(timezone('{ZONE}', day::TIMESTAMP))::BIGINT"
    sql = (
        "SELECT meter_id, day, slot::INTEGER AS slot, day::TIMESTAMP + to_seconds(slot * period_s) AS start, "
        f"{day_s} + slot * period_s AS start_s, period_s, transformer, {day_s} + received_after_s AS received_s, "
        f"flags, {', '.join(block_channels())} FROM ({' UNION ALL '.join(parts)})"
    )
    sources = ("overtaken", *(f"blocks_{period_s}" for period_s in PERIODS_S))
    return View(name="day_blocks", sql=sql, sources=sources)


def _final() -> View:
    day_s = f"epoch(timezone('{ZONE}', day::TIMESTAMP))::BIGINT"
    lists = ("value", "source", "quality", "rule", "since_s", "locked")
    sql = (
        "SELECT meter_id, day, slot::INTEGER AS slot, day::TIMESTAMP + to_seconds(slot * period_s) AS start, "
        f"{day_s} + slot * period_s AS start_s, period_s, channel, value, "
        "CASE source WHEN 1 THEN 'reading' WHEN 2 THEN 'estimate' WHEN 3 THEN 'edit' END AS source, "
        "quality, rule, since_s, locked FROM (SELECT meter_id, day, period_s, channel, "
        "unnest(range(86400 // period_s)) AS slot, "
        f"{', '.join(f'unnest({name}) AS {name}' for name in lists)} FROM final_files)"
    )
    return View(name="final_measurements", sql=sql, sources=("final_files",))


def _copied(name: str) -> View:
    instants, days = _INSTANTS.get(name, ()), _DAYS.get(name, ())
    more = [f"{_local(each)} AS {each.removesuffix('_s')}" for each in instants]
    casts = [f"{each}::DATE AS {each}" for each in days]
    everything = f"* REPLACE ({', '.join(casts)})" if casts else "*"
    sql = f"SELECT {', '.join([everything, *more])} FROM copied_{name}"
    return View(name=name, sql=sql, sources=(f"copied_{name}",))


def views(first: str, last: str, start_s: int, end_s: int) -> dict[str, View]:
    """All of them by name, for the days ``[first, last]``, which are the instants ``[start_s, end_s)``."""
    every = [
        *(_readings(name, kind, start_s, end_s) for name, kind in READINGS.items()),
        _contacts(start_s, end_s),
        _day_blocks(first, last),
        _final(),
        *(_copied(name) for name in NAMES),
    ]
    return {view.name: view for view in every}
