"""Every rule fires from records alone: something is landed, the day is sealed and validated, the queue has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.exchange import Nameplate
from bijlighar.cim.period import civil_day
from bijlighar.cim.readings import ReadingBatch
from bijlighar.dlms.profile import ProfileLayout, Scaler
from bijlighar.headend.layouts import KeptLayout, default_layout
from bijlighar.headend.model_files import model_of
from bijlighar.mdm.measurements import Bill
from bijlighar.mdm.validation import RULES
from bijlighar.operations.day_estimate import estimate_day
from bijlighar.operations.day_evidence import LIMITS_KEY
from bijlighar.operations.day_round import exceptions_of
from bijlighar.operations.day_seal import seal_day
from bijlighar.operations.day_validate import validate_day
from bijlighar.records import Records
from bijlighar.records.exceptions import Choice
from bijlighar.records.settings import Setting
from operations.day_town import JUNE, NOW_S, block_load, events, registers, town

DAY = civil_day(JUNE)
NUMBER = {rule.id: rule.number for rule in RULES}
FIRMWARE = "F1"
QUIET_WH = 400
"""800 W: below the sanctioned load, above a register's step."""

Tell = Callable[[Records], None]


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Four consumers under two transformers and one transformer meter."""
    yield from town(tmp_path, records_url)


def quiet(values: Sequence[int] | None = None, **channels: int | Sequence[int]) -> ReadingBatch:
    """A day of meter 1, by slot; other channels of the same rows besides."""
    rows = block_load([1], value=QUIET_WH)
    told = {} if values is None else {"import_wh": np.array(values, dtype=np.int64)}
    for name, value in channels.items():
        told[name] = np.full(48, value, dtype=np.int64) if isinstance(value, int) else np.array(value, np.int64)
    return ReadingBatch(
        kind=rows.kind,
        period_s=rows.period_s,
        meter_id=rows.meter_id,
        start_s=rows.start_s,
        received_s=rows.received_s,
        channels=rows.channels | told,
    )


def landed(*batches: ReadingBatch, contacts: Sequence[Contact] = ()) -> Tell:
    return lambda records: records.landing.land(list(batches), list(contacts))


def contact(outcome: Outcome, clock_offset_ms: int | None = None) -> Contact:
    return Contact(
        meter_id=1,
        started_ms=1000 * (DAY.start_s + 60),
        purpose="block-load",
        outcome=outcome,
        clock_offset_ms=clock_offset_ms,
    )


def plate(records: Records, serial: str = "BJ0001", rating: str = "5-60A", ct_ratio: int | None = None) -> None:
    records.nameplates.put_nameplate(
        Nameplate(
            meter_id=1,
            serial=serial,
            device_id="",
            manufacturer="Bijli",
            firmware=FIRMWARE,
            meter_type=6,
            category="D1",
            current_rating=rating,
            year=2025,
            read_s=DAY.start_s,
            ct_ratio=ct_ratio,
        )
    )


def layout(records: Records, *, scaler: Scaler | None = None, period_s: int | None = None) -> None:
    """The meter tells its columns as its model does, but for the energy's scaler or the block length."""
    model = default_layout(model_of("is15959-d1"), "block-load")
    columns = model.columns.capture_objects
    scalers = tuple(
        scaler if scaler is not None and str(column.obis) == "1.0.1.29.0.255" else own
        for column, own in zip(columns, model.columns.scalers, strict=True)
    )
    told = KeptLayout(
        columns=ProfileLayout(capture_objects=columns, scalers=scalers),
        period_s=model.period_s if period_s is None else period_s,
        stamps_end=True,
        newest_first=False,
        from_meter=True,
    )
    records.layouts.put_layout("is15959-d1", FIRMWARE, "block-load", told.to_octets())


def limits(**changes: object) -> Tell:
    setting = Setting(key=LIMITS_KEY, value=changes, valid_from_s=0, changed_by="meera", changed_s=0)
    return lambda records: records.settings.put(setting)


def sheet(columns: str, cells: str) -> Tell:
    """More columns of meter 1 in the sheet of meters."""

    def told(records: Records) -> None:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "meters.csv"
            file.write_text(
                f"serial,system_title,category,model,usage_point,host,{columns}\n"
                f"BJ0001,424A4C0000000001,D1,is15959-d1,U1,127.16.0.1,{cells}\n"
            )
            assert records.registry.import_folder(file).errors == ()

    return told


def estimated_for_days(records: Records) -> None:
    days = [JUNE - timedelta(days=ago) for ago in (3, 2, 1, 0)]
    for day in days:
        records.landing.land([block_load([1], day=day, value=QUIET_WH, slots=range(46))], [])
        seal_day(records, day)
    for day in days[:-1]:
        estimate_day(records, day, now_s=int(NOW_S))


def billed_and_corrected(records: Records) -> None:
    records.landing.land([quiet()], [])
    seal_day(records, JUNE)
    records.edits.add_bills([Bill(meter_id=1, period=DAY, reference="B-7", billed_s=DAY.end_s + 4000)])
    records.landing.land([block_load([1], slots=range(5, 7), value=900, late_s=7200)], [])


def zeros_for_two_days(records: Records) -> None:
    records.landing.land([registers({1: 0}, DAY.start_s - 28 * 86_400), registers({1: 280_000}, DAY.start_s)], [])
    for ago in (2, 1):
        records.landing.land([block_load([1], value=0, day=JUNE - timedelta(days=ago))], [])
        seal_day(records, JUNE - timedelta(days=ago))
    records.landing.land([quiet([0] * 48)], [])


def in_turn(*told: Tell) -> Tell:
    def tell(records: Records) -> None:
        for each in told:
            each(records)

    return tell


KETTLE = [QUIET_WH] * 20 + [900] + [QUIET_WH] * 27
FIRES: dict[str, Tell] = {
    "consecutive-interval": in_turn(limits(consecutive_ratio=0.5), landed(quiet([*[QUIET_WH] * 47, 999]))),
    "duplicate": landed(quiet(), block_load([1], slots=[7], value=450, late_s=60)),
    "dynamic-comparison": landed(quiet(import_vah=300)),
    "sibling-exists": landed(quiet(export_wh=0, export_vah=[*[0] * 47, np.iinfo(np.int64).min])),
    "final-replacement": billed_and_corrected,
    "high-low": landed(quiet(), registers({1: 0}, DAY.start_s - 28 * 86_400), registers({1: 28_000}, DAY.start_s)),
    "inactive": landed(quiet(), events([(1, 301, DAY.start_s - 86_400)])),
    "interval-size": in_turn(plate, lambda r: layout(r, period_s=900), landed(quiet())),
    "spike": landed(quiet([*[QUIET_WH] * 47, 1190])),
    "multiplier": in_turn(
        sheet("ct_primary,ct_secondary", "200,5"), lambda r: plate(r, ct_ratio=20), landed(quiet())
    ),
    "negative": landed(quiet([*[QUIET_WH] * 47, -100])),
    "prolonged-estimation": estimated_for_days,
    "missing-quantity": landed(block_load([1], value=QUIET_WH, slots=range(40))),
    "sum-check": landed(quiet(), registers({1: 0}, DAY.start_s), registers({1: 48 * QUIET_WH + 500}, DAY.end_s)),
    "unit": in_turn(plate, lambda r: layout(r, scaler=Scaler(exponent=1, unit=31)), landed(quiet())),
    "zero": zeros_for_two_days,
    "high-limit": in_turn(plate, landed(quiet([*[QUIET_WH] * 47, 7_000]))),
    "roll-back": landed(quiet(), registers({1: 500}, DAY.start_s), registers({1: 400}, DAY.end_s)),
    "power-factor": landed(quiet(import_vah=500, power_factor_milli=950)),
    "meter-identity": in_turn(lambda r: plate(r, serial="BJ9999"), landed(quiet())),
    "meter-clock": landed(quiet(), contacts=[contact(Outcome.OK, 90_000)]),
    "neutral-current": landed(quiet(current_ma=4_000, neutral_current_ma=9_000)),
}


def found(records: Records) -> dict[str, int]:
    """Rules in the queue for meter 1, after a round of the day, by severity."""
    seal_day(records, JUNE)
    records.exceptions.keep(JUNE, exceptions_of(validate_day(records, JUNE)), int(NOW_S))
    name = {number: rule for rule, number in NUMBER.items()}
    return {name[each.rule]: each.severity for each in records.exceptions.queue(Choice(meter_id=1))}


def test_every_rule_is_tried() -> None:
    assert FIRES.keys() == NUMBER.keys()


@pytest.mark.parametrize("rule", FIRES)
def test_a_rule_fires_from_what_the_records_hold(records: Records, rule: str) -> None:
    FIRES[rule](records)
    assert rule in found(records)


def test_a_quiet_day_of_a_meter_of_which_all_is_known_is_in_no_queue(records: Records) -> None:
    sheet("ct_primary,ct_secondary,register_digits", "1,1,6")(records)
    plate(records)
    layout(records)
    before = 10**9 - 5_000  # its register begins anew
    landed(
        quiet(import_vah=420, power_factor_milli=952, current_ma=3_500, neutral_current_ma=3_500),
        registers({1: before}, DAY.start_s),
        registers({1: before + 48 * QUIET_WH - 10**9}, DAY.end_s),
        contacts=[contact(Outcome.OK, 2_000)],
    )(records)
    assert found(records) == {}


def test_a_meter_that_answered_with_another_serial_is_named(records: Records) -> None:
    landed(quiet(), contacts=[contact(Outcome.WRONG_METER)])(records)
    assert "meter-identity" in found(records)


@pytest.mark.parametrize(
    ("states", "fires"), [(None, False), (1, False), (40, False), (20, True)],
    ids=["says nothing", "counts on the secondary side", "counts on the primary side", "has other transformers"],
)  # fmt: skip
def test_a_ratio_is_wrong_when_it_is_neither_one_nor_the_agreed(
    records: Records, states: int | None, fires: bool
) -> None:
    sheet("ct_primary,ct_secondary", "200,5")(records)
    plate(records, ct_ratio=states)
    landed(quiet())(records)
    assert ("multiplier" in found(records)) == fires


@pytest.mark.parametrize(
    ("rating", "ratio", "states", "most_wh"),
    [
        ("5-60A", "", None, 6_900),
        ("10(60) A", "", None, 6_900),
        ("-/5A", "200,5", None, 690),
        ("-/5A", "200,5", 40, 27_600),
        ("-/5A", "", None, 1_200),
        ("", "", None, 1_200),
        ("", "200,5", None, 30),
    ],
)
def test_the_most_that_a_meter_carries_is_in_its_own_count(
    records: Records, rating: str, ratio: str, states: int | None, most_wh: int
) -> None:
    if ratio:
        sheet("ct_primary,ct_secondary", ratio)(records)
    plate(records, rating=rating, ct_ratio=states)
    landed(quiet([most_wh] * 48))(records)
    assert "high-limit" not in found(records)
    records.landing.land([block_load([1], slots=[9], value=most_wh + 1, late_s=60)], [])
    assert "high-limit" in found(records)
