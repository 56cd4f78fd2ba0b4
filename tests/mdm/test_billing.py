"""Billing: order and cutting of segments change nothing, tariffs that cannot be are refused, parts add up."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.billing import (
    BillPart,
    IntervalGroup,
    Segments,
    TariffRefused,
    determine,
    parse_tariff,
    preview,
)
from bijlighar.mdm.billing.tariff import band_of
from mdm.days import DAY

TARIFFS = Path(__file__).parents[2] / "src" / "bijlighar" / "mdm" / "billing" / "tariffs"
URBAN = (TARIFFS / "up-lmv-1-urban.toml").read_text(encoding="utf-8")
HEAD = 'code = "t"\nname = "T"\nname_hi = "टी"\n[[versions]]\nvalid_from = 2026-04-01\nsource = "s"\n'
PLAIN = HEAD + "fixed_paise_per_kw_month = 0\nslabs = [{ paise_per_kwh = 600 }]\n"


def _town(points: int, cuts: list[int], seed: int) -> tuple[Segments, IntervalGroup]:
    """Points whose day is cut at the same slots into segments; registers follow the blocks."""
    draw = np.random.default_rng(seed)
    edges = [0, *sorted(set(cuts)), 48]
    energy = draw.integers(0, 900, (points, 48))
    parts = [(point, a, b) for point in range(points) for a, b in pairwise(edges)]
    opening = draw.integers(0, 10**9, len(parts))
    used = np.array([energy[point, a:b].sum() for point, a, b in parts])
    values = np.full((len(parts), 48), MISSING)
    for row, (point, a, b) in enumerate(parts):
        values[row, a:b] = energy[point, a:b]
    start_s = DAY.start_s + np.arange(48) * 1800
    return Segments(
        points=points,
        point=np.array([point for point, _, _ in parts]),
        numerator=np.ones(len(parts), np.int64),
        denominator=np.ones(len(parts), np.int64),
        wraps_at=np.zeros(len(parts), np.int64),
        opening={"import_wh": opening},
        closing={"import_wh": opening + used},
    ), IntervalGroup(
        segment=np.arange(len(parts)),
        period_s=1800,
        start_s=start_s,
        band=np.arange(48) // 16,
        values={"import_wh": values},
        expected=values != MISSING,
        estimated=np.zeros(values.shape, bool),
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(1, 47), max_size=4))
def test_how_often_the_meter_was_replaced_changes_nothing(seed: int, cuts: list[int]) -> None:
    whole = determine(*_one(_town(5, [], seed)), bands=3)
    cut = determine(*_one(_town(5, cuts, seed)), bands=3)
    for name in ("demand_w", "demand_start_s", "band_wh", "missing_slots", "expected_slots", "estimated_wh"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(cut, name), name)
    np.testing.assert_array_equal(whole.billed["import_wh"], cut.billed["import_wh"])
    np.testing.assert_array_equal(whole.blocks["import_wh"], cut.blocks["import_wh"])
    assert whole.agrees.all()
    assert cut.agrees.all()
    assert (whole.band_wh.sum(axis=1) == whole.blocks["import_wh"]).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), half_hour=st.integers(1, 47))
def test_in_how_many_pieces_the_blocks_come_changes_nothing(seed: int, half_hour: int) -> None:
    segments, group = _town(4, [20], seed)
    pieces = [_piece(group, slice(half_hour, None)), _piece(group, slice(None, half_hour))]
    whole, cut = determine(segments, [group], 3), determine(segments, pieces, 3)
    for name in ("demand_w", "demand_start_s", "band_wh", "missing_slots", "expected_slots"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(cut, name), name)
    np.testing.assert_array_equal(whole.blocks["import_wh"], cut.blocks["import_wh"])


def _piece(group: IntervalGroup, span: slice) -> IntervalGroup:
    return replace(
        group,
        start_s=group.start_s[span],
        band=group.band[span],
        values={channel: values[:, span] for channel, values in group.values.items()},
        expected=group.expected[:, span],
        estimated=group.estimated[:, span],
    )


def _one(town: tuple[Segments, IntervalGroup]) -> tuple[Segments, list[IntervalGroup]]:
    return town[0], [town[1]]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("code = ", "tariff"),
        (PLAIN.replace('code = "t"\n', ""), "tariff"),
        (PLAIN + "duty = 5\n", "versions[0]"),
        (PLAIN.replace("2026-04-01", '"soon"'), "versions[0].valid_from"),
        (PLAIN.replace("= 600", "= -600"), "versions[0].slabs[0]"),
        (PLAIN.replace("= 600", "= true"), "versions[0].slabs[0]"),
        (PLAIN.replace("{ paise", "{ to_kwh = 100, paise"), "versions[0].slabs"),
        (
            PLAIN.replace("[{", "[{ to_kwh = 100, paise_per_kwh = 1 }, { to_kwh = 90, paise_per_kwh = 2 }, {"),
            "versions[0].slabs",
        ),
        (PLAIN + 'bands = [{ name = "n", from = "22:00", to = "06:00", percent = 1 }]\n', "versions[0].bands"),
        (
            PLAIN + 'bands = [{ name = "n", from = "26:00", to = "06:00", percent = 1 }]\n',
            "versions[0].bands[0].from",
        ),
        (
            PLAIN + 'bands = [{ name = "n", from = "0:00", to = "0:00", percent = "x" }]\n',
            "versions[0].bands[0].percent",
        ),
        (PLAIN + PLAIN[PLAIN.index("[[") :], "versions"),
    ],
)
def test_a_tariff_that_cannot_be_is_refused_by_name(text: str, where: str) -> None:
    with pytest.raises(TariffRefused) as refused:
        parse_tariff(text)
    assert refused.value.where == where


@pytest.mark.parametrize("file", sorted(TARIFFS.glob("*.toml")), ids=lambda file: file.stem)
def test_a_shipped_tariff_is_named_as_its_file_in_both_languages(file: Path) -> None:
    tariff = parse_tariff(file.read_text(encoding="utf-8"))
    assert tariff.code == file.stem
    assert tariff.name_hi != tariff.name
    assert all(version.source for version in tariff.versions)


def test_a_period_is_cut_where_the_tariff_changes() -> None:
    tariff = parse_tariff(PLAIN + PLAIN[PLAIN.index("[[") :].replace("2026-04-01", "2026-06-11"))
    june = (date(2026, 6, 1), date(2026, 6, 30))
    parts = tariff.parts(*june)
    assert [(first.day, last.day) for first, last, _ in parts] == [(1, 10), (11, 30)]
    assert sum((last - first + timedelta(days=1)).days for first, last, _ in parts) == 30
    with pytest.raises(TariffRefused, match="no version holds"):
        tariff.parts(date(2026, 3, 31), june[1])


@given(wh=st.integers(0, 2_000_000), days=st.integers(1, 31), cut=st.integers(1, 30))
def test_more_energy_never_costs_less_and_slabs_take_all_of_it(wh: int, days: int, cut: int) -> None:
    version = parse_tariff(URBAN).on(date(2026, 6, 1))
    part = BillPart(
        version=version,
        energy_wh=wh,
        band_wh=(),
        demand_w=None,
        sanctioned_load_w=1000,
        days=days,
        days_in_month=30,
    )
    bill = preview([part])
    assert sum(line.quantity for line in bill.lines if line.what == "energy") == Decimal(wh) / 1000
    assert preview([replace(part, energy_wh=wh + cut)]).amount_paise >= bill.amount_paise


@pytest.mark.parametrize("wrong", [{"energy_wh": -1}, {"days": 0}])
def test_a_bill_over_nothing_is_refused(wrong: dict[str, int]) -> None:
    version = parse_tariff(URBAN).on(date(2026, 6, 1))
    part = BillPart(
        version=version,
        energy_wh=1,
        band_wh=(),
        demand_w=None,
        sanctioned_load_w=1,
        days=1,
        days_in_month=30,
    )
    with pytest.raises(ValueError, match="days"):
        preview([replace(part, **wrong)])


def test_every_block_of_a_day_falls_into_one_band() -> None:
    bands = (
        parse_tariff(
            PLAIN
            + 'bands = [{ name = "night", from = "22:00", to = "06:00", percent = -10 }, '
            + '{ name = "rest", from = "06:00", to = "22:00", percent = 10 }]\n'
        )
        .versions[0]
        .bands
    )
    start_s = DAY.start_s + np.arange(48) * 1800
    assert band_of(bands, start_s, 19_800).tolist() == [0] * 12 + [1] * 32 + [0] * 4
