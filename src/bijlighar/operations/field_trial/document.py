"""The scorecard as a document (for pages and programs) and as a sheet (CSV for a spreadsheet)."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

from bijlighar.operations.field_trial.figures import Kept, Sessions
from bijlighar.operations.field_trial.gaps import Gap
from bijlighar.operations.field_trial.scorecard import MeterScore, Scorecard
from bijlighar.operations.field_trial.wording import CAUSES, Finding

_SHEET_COLUMNS = (
    "serial",
    "name",
    "group",
    "verdict",
    "sessions_tried",
    "sessions_succeeded",
    "sessions_excused",
    "success_rate",
    "latency_ms_p50",
    "latency_ms_p90",
    "latency_ms_p99",
    "signal_dbm_median",
    "slots_expected",
    "slots_held",
    "clock_offset_s",
    "clock_drift_s_per_day",
    "clock_set_times",
    "values_compared",
    "values_wrong",
    "register_days_compared",
    "register_days_off",
    "findings",
)

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""Cells that a spreadsheet would run as a formula (OWASP, CSV injection)."""


def document(card: Scorecard) -> dict[str, Any]:
    """The scorecard as plain values; instants as ISO 8601 UTC, shares from 0 to 1."""
    evidence = card.evidence
    return {
        "trial": {
            "name": evidence.name,
            "name_hi": evidence.name_hi,
            "division": evidence.division,
            "place": evidence.place,
            "started": None if evidence.started_s is None else _iso(evidence.started_s),
            "now": _iso(evidence.now_s),
            "data_from": _iso(evidence.data.start_s),
            "data_to": _iso(evidence.data.end_s),
            "days": card.days,
        },
        "verdict": card.verdict,
        "limits": list(card.limits),
        "totals": _figures(card.sessions, card.kept),
        "meters": [_meter(score) for score in card.meters],
        "findings": [_finding(found) for found in card.findings],
        "outages": [
            {
                "group": outage.group,
                "start": _iso(outage.period.start_s),
                "end": _iso(outage.period.end_s),
                "meters": outage.meters,
            }
            for outage in card.outages
        ],
    }


def sheet(card: Scorecard) -> str:
    """The meters' lines as CSV text, header first. Cells a spreadsheet would run get an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_SHEET_COLUMNS)
    for score in card.meters:
        row = _meter(score)
        row["findings"] = " ".join(found.detail_en for found in score.findings)
        writer.writerow([_cell(row[column]) for column in _SHEET_COLUMNS])
    return text.getvalue()


def _meter(score: MeterScore) -> dict[str, Any]:
    return {
        "meter_id": score.meter.meter_id,
        "serial": score.meter.serial,
        "name": score.meter.name,
        "group": score.meter.group,
        "verdict": score.verdict,
        **_figures(score.sessions, score.kept),
        "clock_offset_s": score.clock.offset_s,
        "clock_drift_s_per_day": score.clock.drift_s_per_day,
        "clock_set_times": score.clock.jumps,
        "gaps": [_gap(gap) for gap in score.gaps],
        "findings": [_finding(found) for found in score.findings],
    }


def _figures(sessions: Sessions, kept: Kept) -> dict[str, Any]:
    return {
        "sessions_tried": sessions.tried,
        "sessions_succeeded": sessions.succeeded,
        "sessions_excused": sessions.excused,
        "success_rate": sessions.success_rate,
        "latency_ms_p50": sessions.latency_ms_p50,
        "latency_ms_p90": sessions.latency_ms_p90,
        "latency_ms_p99": sessions.latency_ms_p99,
        "signal_dbm_median": sessions.signal_dbm_median,
        "slots_expected": kept.slots_expected,
        "slots_held": kept.slots_held,
        "values_compared": kept.values_compared,
        "values_wrong": kept.values_wrong,
        "register_days_compared": kept.register_days_compared,
        "register_days_off": kept.register_days_off,
    }


def _gap(gap: Gap) -> dict[str, Any]:
    english, hindi = CAUSES[gap.cause]
    return {
        "start": _iso(gap.period.start_s),
        "end": _iso(gap.period.end_s),
        "slots": gap.slots,
        "cause": gap.cause,
        "detail_en": english,
        "detail_hi": hindi,
    }


def _finding(found: Finding) -> dict[str, Any]:
    return {
        "code": found.code,
        "meter_id": found.meter_id,
        "detail_en": found.detail_en,
        "detail_hi": found.detail_hi,
    }


def _cell(value: object) -> object:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return "'" + value
    return value


def _iso(instant_s: int) -> str:
    return datetime.fromtimestamp(instant_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
