"""What the registry agreed with each meter, and what the meter states itself: columns for the rules of a day.

Ratios: bills and rules take what the meter counts, times the ratio of the transformers in the registry, over the
ratio that the meter states on its nameplate. A meter that counts on the primary side states the ratio; one that
counts on the secondary side states 1 or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.contacts import Outcome
from bijlighar.cim.network import Meter, MeterCategory
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING
from bijlighar.headend.stated import BLOCK_LOAD, Stated, stated_by_meter, stated_by_model
from bijlighar.operations.day_seal import EXPECTED_PERIOD_S
from bijlighar.operations.day_service import Stay
from bijlighar.records import Records
from bijlighar.records.nameplates import Plate

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

CARRIES = Fraction(6, 5)
"""A current transformer for metering carries 120 % of its rating (IEC 61869-2)."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, kw_only=True)
class MeterColumns:
    """Columns by meter; ``meter_id`` ascending. Names and units are those of ``mdm.validation.Evidence``."""

    meter_id: NDArray[np.int32]
    sanctioned_load_w: Integers
    phases: Integers
    greatest_current_ma: Integers
    register_wraps_at: Integers
    expected_period_s: Integers
    told_period_s: Integers
    expected_unit: Integers
    told_unit: Integers
    expected_scaler: Integers
    told_scaler: Integers
    expected_ratio: Floats
    told_ratio: Floats
    multiplier: Floats
    another_meter: NDArray[np.bool_]

    def only(self, meter_id: NDArray[np.int32]) -> MeterColumns:
        """Those of the meters that are here."""
        mine = np.isin(self.meter_id, meter_id)
        return MeterColumns(**{name: getattr(self, name)[mine] for name in self.__dataclass_fields__})

    def of(self, meter_id: NDArray[np.int32]) -> dict[str, NDArray]:  # type: ignore[type-arg]  # of many types
        """The columns for these meters; of one that is not here nothing is known."""
        place = np.searchsorted(self.meter_id, meter_id)
        place[place == len(self.meter_id)] = 0
        known = self.meter_id[place] == meter_id if len(self.meter_id) else np.zeros(len(meter_id), dtype=bool)
        result = {}
        for name, nothing in _NOTHING.items():
            column = getattr(self, name)
            told = column[place] if len(column) else np.zeros(len(meter_id), dtype=column.dtype)
            result[name] = np.where(known, told, np.asarray(nothing, dtype=column.dtype))
        return result


_NOTHING: dict[str, float] = {
    "sanctioned_load_w": 0,
    "phases": 1,
    "greatest_current_ma": 0,
    "register_wraps_at": 0,
    "expected_period_s": EXPECTED_PERIOD_S[MeterCategory.D1],
    "told_period_s": 0,
    "expected_unit": 0,
    "told_unit": 0,
    "expected_scaler": MISSING,
    "told_scaler": MISSING,
    "expected_ratio": np.nan,
    "told_ratio": np.nan,
    "multiplier": np.nan,
    "another_meter": False,
}


def multiplier(ratio: Fraction | None, told: int | None) -> Fraction:
    """What a meter's count is multiplied with: registry's ratio over the meter's own; 1 where none was agreed."""
    return Fraction(1) if ratio is None else ratio / (told or 1)


def told_ratio(plate: Plate | None) -> int | None:
    """Ratio of current times voltage transformers that a nameplate states; None: it states none."""
    if plate is None or (plate.ct_ratio is None and plate.pt_ratio is None):
        return None
    return (plate.ct_ratio or 1) * (plate.pt_ratio or 1)


def wraps_at_wh(digits: int | None) -> int:
    """Where a register of so many digits of kilowatt-hours begins anew; 0: not known."""
    return 0 if digits is None else 1000 * 10**digits


def meter_columns(
    records: Records, period: Period, meters: list[Meter], stays: Iterable[Stay], load_w: Mapping[int, int]
) -> MeterColumns:
    """Ask the records what is known of meters in service. Raises Unavailable."""
    plates = records.nameplates.plates(period.end_s)
    ratio_of = {
        stay.meter_id: stay.ratio for stay in sorted(stays, key=lambda s: s.start_s) if stay.touches(period)
    }
    contacts = records.readings.contact_columns(period)
    others = set(contacts.meter_id[contacts.outcome == Outcome.WRONG_METER].tolist())
    layouts: dict[tuple[str, str], Stated | None] = {}
    rows = []
    for meter in meters:
        plate = plates.get(meter.meter_id)
        told = None
        if plate is not None:
            key = (meter.model, plate.firmware)
            if key not in layouts:
                octets = records.layouts.layout(*key, BLOCK_LOAD)
                layouts[key] = None if octets is None else stated_by_meter(octets)
            told = layouts[key]
            if plate.serial not in ("", meter.serial):
                others.add(meter.meter_id)
        rows.append(_row(meter, plate, told, ratio_of.get(meter.meter_id), load_w.get(meter.meter_id, 0)))
    columns = list(zip(*rows, strict=True)) or [()] * (len(_NOTHING) - 1)
    meter_id = np.array([meter.meter_id for meter in meters], dtype=np.int32)
    named: dict[str, Any] = {
        name: np.array(column, dtype=np.float64 if np.isnan(nothing) else np.int64)
        for (name, nothing), column in zip(_NOTHING.items(), columns, strict=False)
    }
    another = np.isin(meter_id, np.array(sorted(others), dtype=np.int32))
    return MeterColumns(meter_id=meter_id, another_meter=another, **named)


def _row(
    meter: Meter, plate: Plate | None, told: Stated | None, ratio: Fraction | None, load_w: int
) -> tuple[float, ...]:
    """In the order of ``_NOTHING``, without its last."""
    agreed = _agreed(meter.model)
    stated = told_ratio(plate)
    on_primary = stated is not None and stated > 1
    return (
        load_w,
        1 if meter.category is MeterCategory.D1 else 3,
        0 if plate is None else _greatest_current_ma(plate, ratio),
        wraps_at_wh(meter.register_digits),
        EXPECTED_PERIOD_S[meter.category],
        0 if told is None else told.period_s,
        0 if agreed is None or agreed.unit is None else agreed.unit,
        0 if told is None or told.unit is None else told.unit,
        MISSING if agreed is None or agreed.exponent is None else agreed.exponent,
        MISSING if told is None or told.exponent is None else told.exponent,
        np.nan if ratio is None else float(ratio),
        float(stated) if stated is not None and on_primary else np.nan,
        float(multiplier(ratio, stated)),
    )


@cache
def _agreed(model: str) -> Stated | None:
    return stated_by_model(model)


def _greatest_current_ma(plate: Plate, ratio: Fraction | None) -> int:
    """In the meter's own count; 0: not known. A meter behind transformers is judged when its ratio is agreed."""
    largest, is_behind = rated(plate.current_rating)
    if not is_behind:
        return largest
    if ratio is None or (plate.pt_ratio or 1) > 1:
        return 0
    return int(largest * CARRIES * (plate.ct_ratio or 1))


@cache
def rated(current_rating: str) -> tuple[int, bool]:
    """Greatest current of a rating in mA, 0 where it tells none, and whether it is behind transformers.

    "5-60A" and "10(60)A" carry 60 A; "-/5A" is rated for 5 A of its transformers.
    """
    numbers = [Fraction(number) for number in _NUMBER.findall(current_rating)]
    if "/" in current_rating:
        return (int(1000 * numbers[-1]), True) if numbers else (0, True)
    return (int(1000 * max(numbers)), False) if len(numbers) > 1 else (0, False)
