"""Dated settings by name: what each is for, what it may be, and how it is set; a wrong one is never kept.

Limits of the law, of service levels and of validation change with orders and years; the past keeps what held then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bijlighar.mdm.billing import TariffRefused
from bijlighar.mdm.day_summary_limits import LimitsRow as VoltageLimitsRow
from bijlighar.mdm.day_summary_limits import UnknownVoltageLimit
from bijlighar.mdm.day_summary_limits import limits_on as voltage_limits_on
from bijlighar.mdm.service_levels.limits import LimitsRow as ServiceLimitsRow
from bijlighar.mdm.service_levels.limits import UnknownServiceLimit
from bijlighar.mdm.service_levels.limits import limits_on as service_limits_on
from bijlighar.mdm.validation.limits import LimitsRow, UnknownLimit, limits_on
from bijlighar.operations.billing_exchange.rounds import CYCLE_KEY, CYCLES
from bijlighar.operations.day_evidence import LIMITS_KEY as VALIDATION_KEY
from bijlighar.operations.day_keep import BACKFILL_DAYS, KEEP_DAYS
from bijlighar.operations.day_report.totals import LIMITS_KEY as VOLTAGE_KEY
from bijlighar.operations.estimation_order import ORDER_KEY, OrderRefused, groups_of
from bijlighar.operations.service_levels.judged import LIMITS_KEY as SERVICE_KEY
from bijlighar.operations.tariffs import TARIFF_KEY, UnknownTariff, tariff
from bijlighar.records import Records
from bijlighar.records.settings import Setting


class SettingRefused(ValueError):
    """A dated setting is not known, or cannot be that. The text is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedSetting:
    """``tells`` what it is for; ``check`` raises SettingRefused for what it cannot be."""

    key: str
    tells: str
    check: Callable[[Any, Path | None], None]


def _cycle(value: Any, _tariffs: Path | None) -> None:  # noqa: ANN401 - whatever JSON can say
    if value not in CYCLES:
        raise SettingRefused(f"{CYCLE_KEY}: {value!r} is none of {', '.join(CYCLES)}")


def _tariff(value: Any, tariffs: Path | None) -> None:  # noqa: ANN401
    try:
        tariff(str(value), tariffs)
    except (UnknownTariff, TariffRefused) as refused:
        raise SettingRefused(f"{TARIFF_KEY}: {refused}") from refused


def _validation(value: Any, _tariffs: Path | None) -> None:  # noqa: ANN401
    if not isinstance(value, dict):
        raise SettingRefused(f'{VALIDATION_KEY}: an object of limits, such as {{"spike_ratio": 2.0}}')
    try:
        limits_on(0, [LimitsRow(valid_from_s=0, changes=value)])
    except UnknownLimit as refused:
        raise SettingRefused(f"{VALIDATION_KEY}: {refused}") from refused


def _order(value: Any, _tariffs: Path | None) -> None:  # noqa: ANN401
    try:
        groups_of(value)
    except OrderRefused as refused:
        raise SettingRefused(f"{ORDER_KEY}: {refused}") from refused


def _service(value: Any, _tariffs: Path | None) -> None:  # noqa: ANN401
    if not isinstance(value, dict):
        raise SettingRefused(f'{SERVICE_KEY}: an object of limits, such as {{"morning_share": 0.95}}')
    try:
        service_limits_on(0, [ServiceLimitsRow(valid_from_s=0, changes=value)])
    except UnknownServiceLimit as refused:
        raise SettingRefused(f"{SERVICE_KEY}: {refused}") from refused


def _voltage(value: Any, _tariffs: Path | None) -> None:  # noqa: ANN401
    if not isinstance(value, dict):
        raise SettingRefused(f'{VOLTAGE_KEY}: an object of limits, such as {{"low_share": 0.06}}')
    try:
        voltage_limits_on(0, [VoltageLimitsRow(valid_from_s=0, changes=value)])
    except UnknownVoltageLimit as refused:
        raise SettingRefused(f"{VOLTAGE_KEY}: {refused}") from refused


def _days(value: Any, _tariffs: Path | None) -> None:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, int) or value < 2 * BACKFILL_DAYS:
        raise SettingRefused(f"{value!r} is no number of days from {2 * BACKFILL_DAYS} on: readings may come late")


SETTINGS = {
    each.key: each
    for each in (
        DatedSetting(
            key=CYCLE_KEY,
            tells="which periods are stated to the billing server: monthly, daily or none; monthly unless set",
            check=_cycle,
        ),
        DatedSetting(
            key=TARIFF_KEY,
            tells="code of the tariff for usage points that have none of their own; up-lmv-1-urban unless set",
            check=_tariff,
        ),
        DatedSetting(
            key=VALIDATION_KEY, tells="limits of validation that differ from the defaults", check=_validation
        ),
        DatedSetting(key=ORDER_KEY, tells="rules of estimation and their order, by group of meters", check=_order),
        DatedSetting(
            key=SERVICE_KEY, tells="bars of service levels that differ from the defaults", check=_service
        ),
        DatedSetting(
            key=VOLTAGE_KEY, tells="limits of the voltage that differ from 230 V and 6 %", check=_voltage
        ),
        *(
            DatedSetting(
                key=f"keep.{kind.value}",
                tells=f"how many days {kind.value} readings are kept; {days} unless set",
                check=_days,
            )
            for kind, days in KEEP_DAYS.items()
        ),
    )
}


def set_dated(
    records: Records,
    key: str,
    value: Any,  # noqa: ANN401 - whatever JSON can say
    *,
    valid_from_s: int,
    by: str,
    now_s: int,
    tariffs: Path | None = None,
) -> None:
    """Keep a setting that holds from an instant on, and who set it. Raises SettingRefused, Unavailable."""
    if key not in SETTINGS:
        raise SettingRefused(f"no dated setting is called {key!r}; there are {', '.join(SETTINGS)}")
    SETTINGS[key].check(value, tariffs)
    records.settings.put(Setting(key=key, value=value, valid_from_s=valid_from_s, changed_by=by, changed_s=now_s))
    detail = {"value": value, "valid_from_s": valid_from_s}
    records.audit.append(who=by, what="changed-setting", subject=f"setting:{key}", detail=detail, at_s=now_s)
