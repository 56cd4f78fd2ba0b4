"""Tariffs as dated data: slabs, fixed charge and time-of-day bands, parsed from TOML.

Rates are in paise. Whatever an order of the commission changes is a new version with its first day; old bills are
previewed again with the version of their time.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

MINUTES_A_DAY = 1440
MOST_BANDS = 8
"""Zones that a meter of IS 15959 can hold."""


class TariffRefused(ValueError):
    """A tariff says something that cannot be. ``where`` names the key."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where = where


@dataclass(frozen=True, slots=True, kw_only=True)
class Slab:
    """Energy up to ``to_kwh`` a month (None: all the rest) costs ``paise_per_kwh``."""

    to_kwh: int | None
    paise_per_kwh: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A time-of-day band ``[from_min, to_min)`` of the civil day; it may run over midnight.

    ``percent`` is added to or taken off the energy charge of what was used in it.
    """

    name: str
    from_min: int
    to_min: int
    percent: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffVersion:
    """What holds from a civil day on.

    ``fixed_paise_per_kw_month`` is charged on the greater of sanctioned load and demand (Electricity (Rights of
    Consumers) Rules as amended in 2023: demand above the sanctioned load is billed as it was in that month).
    """

    valid_from: date
    source: str
    slabs: tuple[Slab, ...]
    fixed_paise_per_kw_month: Decimal
    bands: tuple[Band, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """A tariff and its versions, oldest first."""

    code: str
    name: str
    name_hi: str
    versions: tuple[TariffVersion, ...]

    def on(self, day: date) -> TariffVersion:
        """The version of a day. Raises TariffRefused before the first one."""
        held = [version for version in self.versions if version.valid_from <= day]
        if not held:
            raise TariffRefused(self.code, f"no version holds on {day}")
        return held[-1]

    def parts(self, first: date, last: date) -> list[tuple[date, date, TariffVersion]]:
        """A span of days cut where the version changes: first day, last day, version."""
        cuts = [version.valid_from for version in self.versions if first < version.valid_from <= last]
        begins = [first, *cuts]
        ends = [*(cut - timedelta(days=1) for cut in cuts), last]
        return [(begin, end, self.on(begin)) for begin, end in zip(begins, ends, strict=True)]


def parse_tariff(text: str) -> Tariff:
    """A tariff from TOML, checked: slabs rise and end open, bands cover the day once. Raises TariffRefused."""
    try:
        told = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as fault:
        raise TariffRefused("tariff", str(fault)) from fault
    _only(told, "tariff", {"code", "name", "name_hi", "versions"})
    versions = tuple(_version(each, f"versions[{n}]") for n, each in enumerate(told.get("versions", [])))
    days = [version.valid_from for version in versions]
    if not days or days != sorted(set(days)):
        raise TariffRefused("versions", "one or more, each with a later first day than the one before")
    return Tariff(code=told["code"], name=told["name"], name_hi=told["name_hi"], versions=versions)


def band_of(bands: Sequence[Band], start_s: NDArray[np.int64], utc_offset_s: int) -> NDArray[np.int64]:
    """int64[slot]: which band each block begins in; 0 for all when there is none."""
    result = np.zeros(len(start_s), dtype=np.int64)
    minute = (start_s + utc_offset_s) % 86_400 // 60
    for number, band in enumerate(bands):
        length = (band.to_min - band.from_min) % MINUTES_A_DAY or MINUTES_A_DAY
        result[(minute - band.from_min) % MINUTES_A_DAY < length] = number
    return result


def _version(told: dict[str, Any], where: str) -> TariffVersion:
    _only(told, where, {"valid_from", "source", "slabs", "fixed_paise_per_kw_month"}, {"bands"})
    if not isinstance(told["valid_from"], date):
        raise TariffRefused(f"{where}.valid_from", "a day such as 2022-04-01")
    slabs = tuple(
        Slab(to_kwh=each.get("to_kwh"), paise_per_kwh=_rate(each.get("paise_per_kwh"), f"{where}.slabs[{n}]"))
        for n, each in enumerate(told["slabs"])
    )
    tops = [slab.to_kwh if isinstance(slab.to_kwh, int) else 0 for slab in slabs[:-1]]
    if not slabs or slabs[-1].to_kwh is not None:
        raise TariffRefused(f"{where}.slabs", "the last slab has no to_kwh: it takes all the rest")
    if any(top <= 0 for top in tops) or tops != sorted(set(tops)):
        raise TariffRefused(f"{where}.slabs", "to_kwh rises from slab to slab, and only the last has none")
    bands = tuple(_band(each, f"{where}.bands[{n}]") for n, each in enumerate(told.get("bands", [])))
    _cover_the_day(bands, f"{where}.bands")
    return TariffVersion(
        valid_from=told["valid_from"],
        source=told["source"],
        slabs=slabs,
        fixed_paise_per_kw_month=_rate(told["fixed_paise_per_kw_month"], f"{where}.fixed_paise_per_kw_month"),
        bands=bands,
    )


def _band(told: dict[str, Any], where: str) -> Band:
    _only(told, where, {"name", "from", "to", "percent"})
    percent = told["percent"]
    if isinstance(percent, bool) or not isinstance(percent, int | Decimal):
        raise TariffRefused(f"{where}.percent", "a number")
    return Band(
        name=told["name"],
        from_min=_minute(told["from"], f"{where}.from"),
        to_min=_minute(told["to"], f"{where}.to"),
        percent=Decimal(percent),
    )


def _minute(told: object, where: str) -> int:
    hours, _, minutes = str(told).partition(":")
    if not (hours.isdigit() and minutes.isdigit()) or not (0 <= int(hours) <= 24 and 0 <= int(minutes) < 60):
        raise TariffRefused(where, f"{told!r} is no time of day such as 17:30")
    return (int(hours) * 60 + int(minutes)) % MINUTES_A_DAY


def _cover_the_day(bands: Sequence[Band], where: str) -> None:
    if not bands:
        return
    if len(bands) > MOST_BANDS:
        raise TariffRefused(where, f"{len(bands)} bands, more than {MOST_BANDS}")
    lengths = [(band.to_min - band.from_min) % MINUTES_A_DAY or MINUTES_A_DAY for band in bands]
    follow = all(one.to_min == other.from_min for one, other in zip(bands, [*bands[1:], bands[0]], strict=True))
    if sum(lengths) != MINUTES_A_DAY or not follow:
        raise TariffRefused(where, "bands follow each other and cover the day once")


def _rate(told: object, where: str) -> Decimal:
    if isinstance(told, bool) or not isinstance(told, int | Decimal) or told < 0:
        raise TariffRefused(where, f"{told!r} is no rate in paise")
    return Decimal(told)


def _only(told: dict[str, Any], where: str, needed: set[str], allowed: set[str] | None = None) -> None:
    missing, unknown = needed - told.keys(), told.keys() - needed - (allowed or set())
    if missing or unknown:
        raise TariffRefused(where, f"missing {sorted(missing)}, unknown {sorted(unknown)}")
