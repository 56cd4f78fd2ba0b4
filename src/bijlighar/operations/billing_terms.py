"""What a usage point is billed by, day by day: its tariff and sanctioned load, and whether it is billed at all.

The billing server's word on an account stands before the setting and the registry. Days in which anything changes
are cut, for each usage point by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from bijlighar.cim.accounts import AccountChange, AccountStatus, account_on
from bijlighar.cim.period import KOLKATA, civil_date, civil_day
from bijlighar.mdm.billing import Tariff, TariffVersion
from bijlighar.operations.tariffs import DEFAULT_TARIFF, TARIFF_KEY, tariff
from bijlighar.records import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds on the days from ``first`` to ``last``, both inclusive."""

    first: date
    last: date
    tariff: Tariff
    version: TariffVersion
    sanctioned_load_w: int
    status: AccountStatus


def terms_of_period(
    records: Records,
    first: date,
    last: date,
    *,
    tariffs: Path | None = None,
    usage_points: Collection[str] | None = None,
    zone: ZoneInfo = KOLKATA,
) -> dict[str, tuple[Terms, ...]]:
    """Terms of usage points (None: of all) in the order of their days, by code.

    Raises UnknownTariff, TariffRefused where no version holds, Unavailable.
    """
    chosen = None if usage_points is None else set(usage_points)
    changes = records.accounts.changes(last, None if chosen is None else sorted(chosen))
    book = _Book(tariffs)
    setting = _Setting.of(records, first, last, zone)
    alike: dict[int, tuple[Terms, ...]] = {}
    found = {}
    for point in records.registry.usage_points():
        if chosen is not None and point.code not in chosen:
            continue
        load_w = point.sanctioned_load_w
        if point.code in changes:
            found[point.code] = tuple(_terms(first, last, changes[point.code], load_w, setting, book))
            continue
        if load_w not in alike:
            alike[load_w] = tuple(_terms(first, last, (), load_w, setting, book))
        found[point.code] = alike[load_w]
    return found


def is_billed(terms: Sequence[Terms]) -> bool:
    """Whether somebody is billed on any of the days."""
    return any(each.status is not AccountStatus.CLOSED for each in terms)


_TOLD = ("tariff", "version", "sanctioned_load_w", "status")


class _Book:
    """Tariffs, each read once."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._read: dict[str, Tariff] = {}

    def __getitem__(self, code: str) -> Tariff:
        if code not in self._read:
            self._read[code] = tariff(code, self._folder)
        return self._read[code]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """The code that the setting names from each of some days on, the first day's first."""

    codes: dict[date, str]

    @classmethod
    def of(cls, records: Records, first: date, last: date, zone: ZoneInfo) -> _Setting:
        codes: dict[date, str] = {}
        days = {first}
        for row in records.settings.history(TARIFF_KEY):
            day = civil_date(row.valid_from_s, zone)
            day += timedelta(days=civil_day(day, zone).start_s < row.valid_from_s)  # a day has one tariff
            if first < day <= last:
                days.add(day)
        for day in sorted(days):
            setting = records.settings.setting(TARIFF_KEY, civil_day(day, zone).start_s)
            codes[day] = DEFAULT_TARIFF if setting is None else str(setting.value)
        return cls(codes=codes)

    def on(self, day: date) -> str:
        return self.codes[max(each for each in self.codes if each <= day)]


def _terms(
    first: date, last: date, changes: Sequence[AccountChange], load_w: int, setting: _Setting, book: _Book
) -> Iterator[Terms]:
    days = sorted({*setting.codes, *(each.valid_from for each in changes if first < each.valid_from <= last)})
    before: Terms | None = None
    for begin, end in zip(days, [*(day - timedelta(days=1) for day in days[1:]), last], strict=True):
        account = account_on(changes, begin)
        told_load_w = None if account is None else account.sanctioned_load_w
        held = book[(None if account is None else account.tariff) or setting.on(begin)]
        for since, until, version in held.parts(begin, end):
            now = Terms(
                first=since,
                last=until,
                tariff=held,
                version=version,
                sanctioned_load_w=load_w if told_load_w is None else told_load_w,
                status=AccountStatus.ACTIVE if account is None else account.status,
            )
            if before is not None and _says_the_same(before, now):
                now = replace(now, first=before.first)
            elif before is not None:
                yield before
            before = now
    assert before is not None, "a period has a day"
    yield before


def _says_the_same(one: Terms, other: Terms) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in _TOLD)
