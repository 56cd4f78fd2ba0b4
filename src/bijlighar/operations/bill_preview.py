"""Bills as the tariff makes them: for the consumer's preview and to check the billing server."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

from bijlighar.cim.period import KOLKATA
from bijlighar.cim.readings import MISSING
from bijlighar.mdm.billing import (
    BillPart,
    PreviewedBill,
    Tariff,
    TariffRefused,
    TariffVersion,
    parse_tariff,
    preview,
)
from bijlighar.operations.billing_period import BilledPeriod, determine_period
from bijlighar.records import Records

TARIFF_KEY = "billing.tariff"
"""Dated setting: the code of the tariff for usage points that have none of their own."""
DEFAULT_TARIFF = "up-lmv-1-urban"
_SUFFIX = ".toml"


class UnknownTariff(LookupError):
    """No tariff of this code is known. ``code``."""

    def __init__(self, code: str, known: list[str]) -> None:
        super().__init__(f"no tariff is called {code!r}; there are {', '.join(known)}")
        self.code = code


@dataclass(frozen=True, kw_only=True)
class BilledPart:
    """Determinants of the days in which one version of the tariff held."""

    version: TariffVersion
    billed: BilledPeriod


def tariff(code: str, folder: Path | None = None) -> Tariff:
    """A tariff of the utility's own folder, else a shipped one. Raises UnknownTariff, TariffRefused."""
    texts = {**_shipped(), **_own(folder)}
    if code not in texts:
        raise UnknownTariff(code, sorted(texts))
    found = parse_tariff(texts[code])
    if found.code != code:
        raise TariffRefused("code", f"the file {code}{_SUFFIX} holds the tariff {found.code!r}")
    return found


def tariff_in_force(records: Records, at_s: int, folder: Path | None = None) -> Tariff:
    """The tariff that the setting names at an instant."""
    setting = records.settings.setting(TARIFF_KEY, at_s)
    return tariff(DEFAULT_TARIFF if setting is None else str(setting.value), folder)


def determine_by_version(
    records: Records, held: Tariff, first_day: date, last_day: date, *, at_s: int, zone: ZoneInfo = KOLKATA
) -> list[BilledPart]:
    """The days determined, cut where the tariff changes. Raises as ``determine_period``, and TariffRefused."""
    return [
        BilledPart(
            version=version,
            billed=determine_period(records, first, last, at_s=at_s, bands=version.bands, zone=zone),
        )
        for first, last, version in held.parts(first_day, last_day)
    ]


def bills(records: Records, parts: list[BilledPart]) -> dict[str, PreviewedBill]:
    """The bill of every usage point whose energy is known in all parts, by its code."""
    load_w = {point.code: point.sanctioned_load_w for point in records.registry.usage_points()}
    pieces: dict[str, list[BillPart]] = {}
    unknown: set[str] = set()
    for part in parts:
        for number, code in enumerate(part.billed.usage_points):
            piece = _piece(part, number, load_w.get(code, 0))
            if piece is None:
                unknown.add(code)
            else:
                pieces.setdefault(code, []).append(piece)
    return {code: preview(found) for code, found in pieces.items() if code not in unknown}


def _piece(part: BilledPart, number: int, sanctioned_load_w: int) -> BillPart | None:
    found = part.billed.determinants
    energy_wh = int(found.billed["import_wh"][number])
    if energy_wh == MISSING:
        return None
    demand_w = int(found.demand_w[number])
    last = part.billed.last_day
    return BillPart(
        version=part.version,
        energy_wh=energy_wh,
        band_wh=tuple(found.band_wh[number].tolist()) if part.version.bands else (),
        demand_w=None if demand_w == MISSING else demand_w,
        sanctioned_load_w=sanctioned_load_w,
        days=(last - part.billed.first_day).days + 1,
        days_in_month=monthrange(last.year, last.month)[1],
    )


@cache
def _shipped() -> dict[str, str]:
    folder = files("bijlighar.mdm.billing") / "tariffs"
    return {
        entry.name.removesuffix(_SUFFIX): entry.read_text("utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(_SUFFIX)
    }


def _own(folder: Path | None) -> dict[str, str]:
    if folder is None or not folder.is_dir():
        return {}
    return {file.stem: file.read_text("utf-8") for file in sorted(folder.glob(f"*{_SUFFIX}"))}
