import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.cim.channels import CHANNELS, ProfileKind
from bijlighar.cim.readings import MISSING
from bijlighar.dlms import axdr
from bijlighar.dlms.model import MeterModel
from bijlighar.dlms.models import load_model, model_names
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.profile import CaptureObject, ProfileLayout, Scaler
from bijlighar.dlms.rows import RowRules
from bijlighar.dlms.template import Template
from bijlighar.headend.layouts import KeptLayout, default_layout
from bijlighar.headend.reading import KIND_OF
from bijlighar.headend.translate import plan_columns, translate

from .meters import D1, MIDNIGHT_S, NOON_S, block_row, stamp

CLOCK = CaptureObject(class_id=8, obis=Obis.parse("0.0.1.0.0.255"))
WH = 30


def kept(*columns, period_s=1800, stamps_end=True, scalers=None):
    return KeptLayout(
        columns=ProfileLayout(
            capture_objects=(CLOCK, *columns), scalers=(None, *(scalers or [None] * len(columns)))
        ),
        period_s=period_s,
        stamps_end=stamps_end,
        newest_first=False,
        from_meter=True,
    )


def register(obis, attribute=2, class_id=3):
    return CaptureObject(class_id=class_id, obis=Obis.parse(obis), attribute=attribute)


def told(kind, layout, buffers, model: MeterModel = D1, now_s=NOON_S, meters=None):
    rules = RowRules.of(layout.columns, deviation_sign=model.deviation_sign, period_s=layout.period_s or None)
    octets = [axdr.encode(axdr.array(rows)) for rows in buffers]
    table = Template.learn(octets[0], rules).decode_rows(octets)
    count = len(buffers)
    return translate(
        kind,
        layout,
        table,
        np.array(meters or range(1, count + 1), np.int32),
        np.full(count, int(now_s), np.int64),
        now_s,
    )


def one_column(kind, column, scaler, cells, **layout):
    rows = [axdr.structure([stamp(NOON_S - 1800 * n), cell]) for n, cell in enumerate(cells)]
    return told(kind, kept(column, scalers=[scaler], **layout), [rows])


@pytest.mark.parametrize("name", model_names())
def test_every_column_of_every_shipped_model_has_a_channel(name):
    model = load_model(name)
    for profile in model.profiles:
        if profile != "nameplate":
            kind = KIND_OF.get(profile, ProfileKind.EVENT)
            plan = plan_columns(kind, default_layout(model, profile))
            assert plan.unmapped == ()
            assert plan.stamp is not None
            assert {channel for _, channel, _ in plan.channels} <= CHANNELS.keys()


def test_blocks_with_end_stamps_start_a_period_earlier_in_stored_units():
    layout = default_layout(D1, "block-load")
    batch = told(ProfileKind.BLOCK_LOAD, layout, [[block_row(MIDNIGHT_S), block_row(MIDNIGHT_S + 1800)]]).readings
    assert batch.period_s == 1800
    assert batch.start_s.tolist() == [MIDNIGHT_S - 1800, MIDNIGHT_S]
    assert batch.channels["import_wh"].tolist() == [
        MIDNIGHT_S // 1800 % 50 * 10,
        (MIDNIGHT_S // 1800 + 1) % 50 * 10,
    ]
    assert batch.channels["voltage_mv"][0] == (23_000 + MIDNIGHT_S // 1800 % 100) * 10
    assert batch.channels["current_ma"].tolist() == [5_120, 5_120]


def test_blocks_with_begin_stamps_start_at_their_stamp():
    layout = kept(register("1.0.1.29.0.255"), scalers=[Scaler(exponent=0, unit=WH)], stamps_end=False)
    rows = [[axdr.structure([stamp(MIDNIGHT_S), axdr.u32(5)])]]
    assert told(ProfileKind.BLOCK_LOAD, layout, rows).readings.start_s.tolist() == [MIDNIGHT_S]


def test_rows_of_many_meters_keep_their_meter():
    layout = default_layout(D1, "block-load")
    buffers = [[block_row(NOON_S - 1800 * n) for n in range(count)] for count in (3, 1, 2)]
    result = told(ProfileKind.BLOCK_LOAD, layout, buffers, meters=[70, 80, 90])
    assert result.readings.meter_id.tolist() == [70, 70, 70, 80, 90, 90]
    assert result.buffer_index.tolist() == [0, 0, 0, 1, 2, 2]


@given(st.integers(0, 2**32 - 1), st.integers(-6, 6))
def test_integers_stay_exact_or_are_rounded_half_to_even(value, exponent):
    column, scaler = register("1.0.1.8.0.255"), Scaler(exponent=exponent, unit=WH)
    batch = one_column(ProfileKind.INSTANTANEOUS, column, scaler, [axdr.u32(value)], period_s=0).readings
    exact = value * 10**exponent if exponent >= 0 else round(value / 10**-exponent)
    assert batch.channels["import_wh"].tolist() == [exact]


@pytest.mark.parametrize(("value", "stored"), [(25, 2), (35, 4), (-25, -2), (-35, -4), (26, 3), (-26, -3)])
def test_a_half_goes_to_the_even_neighbour(value, stored):
    column, scaler = register("1.0.3.7.0.255"), Scaler(exponent=-1, unit=29)
    batch = one_column(ProfileKind.INSTANTANEOUS, column, scaler, [axdr.i32(value)], period_s=0).readings
    assert batch.channels["reactive_power_var"].tolist() == [stored]


def test_floats_are_rounded_and_not_a_number_is_missing():
    column, scaler = register("1.0.1.8.0.255"), Scaler(exponent=3, unit=WH)
    cells = [axdr.f32(1234.5), axdr.f32(0.0004), axdr.f32(float("nan")), axdr.f32(float("inf"))]
    batch = one_column(ProfileKind.BLOCK_LOAD, column, scaler, cells).readings
    assert batch.channels["import_wh"].tolist() == [1_234_500, 0, MISSING, MISSING]


def test_a_null_cell_is_missing_and_not_zero():
    column, scaler = register("1.0.1.29.0.255"), Scaler(exponent=0, unit=WH)
    batch = one_column(ProfileKind.BLOCK_LOAD, column, scaler, [axdr.u32(0), axdr.null(), axdr.u32(7)]).readings
    assert batch.channels["import_wh"].tolist() == [0, MISSING, 7]


def test_a_value_without_scaler_is_in_the_units_own_measure():
    column = register("1.0.13.7.0.255")
    batch = one_column(ProfileKind.INSTANTANEOUS, column, None, [axdr.f32(0.98)], period_s=0).readings
    assert batch.channels["power_factor_milli"].tolist() == [980]


def test_a_relay_and_its_time_columns_are_read():
    layout = kept(register("0.0.96.3.10.255", class_id=70), register("1.0.1.6.0.255", 5, class_id=4), period_s=0)
    rows = [[axdr.structure([stamp(NOON_S), axdr.boolean(False), stamp(MIDNIGHT_S)])]]
    batch = told(ProfileKind.INSTANTANEOUS, layout, rows).readings
    assert batch.channels["relay_closed"].tolist() == [0]
    assert batch.channels["demand_w_time_s"].tolist() == [MIDNIGHT_S]


@pytest.mark.parametrize("log", range(7))
def test_events_carry_the_number_of_their_log(log):
    layout = kept(register(f"0.0.96.11.{log}.255", class_id=1), period_s=0)
    rows = [[axdr.structure([stamp(NOON_S - 17), axdr.u16(101)])]]
    batch = told(ProfileKind.EVENT, layout, rows).readings
    assert batch.start_s.tolist() == [NOON_S - 17]
    assert batch.channels["event_log"].tolist() == [log]
    assert batch.channels["event_code"].tolist() == [101]


def test_a_billing_row_without_clock_is_dated_by_its_billing_date():
    model_layout = default_layout(D1, "billing")
    plan = plan_columns(ProfileKind.BILLING, model_layout)
    assert plan.stamp == 0
    assert "billing_time_s" in {channel for _, channel, _ in plan.channels}


def test_columns_without_a_channel_are_named():
    unknown = register("1.0.99.99.0.255")
    wrong_unit = register("1.0.1.29.0.255")
    part = CaptureObject(class_id=3, obis=Obis.parse("1.0.12.27.0.255"), data_index=1)
    layout = kept(unknown, wrong_unit, part, scalers=[None, Scaler(exponent=0, unit=31), None])
    rows = [[axdr.structure([stamp(NOON_S), axdr.u32(1), axdr.u32(2), axdr.u32(3)])]]
    result = told(ProfileKind.BLOCK_LOAD, layout, rows)
    assert result.unmapped == ("3/1.0.99.99.0.255/2", "3/1.0.1.29.0.255/2", "3/1.0.12.27.0.255/2")
    assert result.readings.channels == {}


def test_a_column_of_text_where_a_number_belongs_is_named():
    column, scaler = register("1.0.1.29.0.255"), Scaler(exponent=0, unit=WH)
    result = one_column(ProfileKind.BLOCK_LOAD, column, scaler, [axdr.visible("many")])
    assert result.unmapped == ("import_wh is no number",)


def test_two_columns_of_one_quantity_are_not_mixed_up():
    layout = kept(register("1.0.1.29.0.255"), register("1.0.1.29.0.255"))
    assert plan_columns(ProfileKind.BLOCK_LOAD, layout).unmapped == ("3/1.0.1.29.0.255/2",)


@pytest.mark.parametrize(
    ("at_s", "reason"),
    [
        (946_684_800 + 1800, "long-past"),
        (NOON_S + 7 * 1800, "future"),
        (NOON_S - 60, "off-slot"),
    ],
)
def test_rows_with_an_impossible_time_are_kept_apart_with_a_reason(at_s, reason):
    layout = default_layout(D1, "block-load")
    result = told(ProfileKind.BLOCK_LOAD, layout, [[block_row(NOON_S), block_row(at_s), block_row(NOON_S - 1800)]])
    assert result.readings.start_s.tolist() == [NOON_S - 1800, NOON_S - 3600]
    assert result.quarantined.reasons == (reason,)
    assert result.quarantined.readings.start_s.tolist() == [at_s - 1800]
    assert result.quarantined.readings.channels["current_ma"].tolist() == [5_120]
    assert result.quarantined.buffer_index.tolist() == [0]


def test_a_row_without_a_stamp_is_kept_apart():
    column = register("1.0.1.8.0.255")
    unset = axdr.octets(bytes.fromhex("FFFFFFFFFFFFFFFFFF8000FF"))
    rows = [[axdr.structure([unset, axdr.u32(5)]), axdr.structure([stamp(NOON_S), axdr.u32(6)])]]
    result = told(ProfileKind.INSTANTANEOUS, kept(column, period_s=0), rows)
    assert result.quarantined.reasons == ("no-stamp",)
    assert result.quarantined.readings.start_s.tolist() == [MISSING]
    assert result.readings.channels["import_wh"].tolist() == [6]


def test_midnight_registers_lie_on_civil_midnight():
    layout = default_layout(D1, "daily")
    rows = [
        axdr.structure([stamp(at_s), *(axdr.u32(9) for _ in range(4))]) for at_s in (MIDNIGHT_S, MIDNIGHT_S + 1800)
    ]
    result = told(ProfileKind.DAILY, layout, [rows])
    assert result.readings.period_s == 0
    assert result.readings.start_s.tolist() == [MIDNIGHT_S]
    assert result.quarantined.reasons == ("off-slot",)
