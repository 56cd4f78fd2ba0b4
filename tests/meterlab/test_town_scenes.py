"""Scenes of a town: what each does is seen in what meters hold or answer, and follows from the seed."""

import asyncio
import hashlib
import json

import numpy as np
import pytest

from bijlighar.dlms import axdr
from bijlighar.dlms.xdlms import ActionResult
from meterlab import registry, scenes, truth
from meterlab.calendar import midnight_s
from meterlab.city import city
from meterlab.deviations import TheftKind
from meterlab.lab import build
from meterlab.push import ALERT, Bit
from meterlab.push_plan import PushPlan
from meterlab.radio import Fate, RadioKind
from meterlab.scene_theft import KIND_SHARES, kind_of
from meterlab.scenes import SCENES
from meterlab.standing import ROLLS_OVER_WH
from meterlab.state import ControlState
from meterlab.town import mohalla

JUNE_DAY = 20_619  # 2026-06-15
MIDNIGHT_S = midnight_s(JUNE_DAY)
NOW = MIDNIGHT_S + 20 * 3600
NEXT_NOON_S = MIDNIGHT_S + 36 * 3600
DISCONNECT_CONTROL = (70, "0.0.96.3.10.255")


def lab_with(*texts, seed=1, homes=400, town=None, **how):
    calls = [scenes.parse(text) for text in texts]
    return build(town or mohalla(seed, homes), now_s=NOW, calls=calls, **how)


def held(lab, meter, kind="block-load", begin_s=MIDNIGHT_S, end_s=NEXT_NOON_S):
    """What a meter holds at noon of the next day, with energy of blocks in 10 Wh."""
    return [json.loads(line) for line in truth.lines(lab, meter, kind, begin_s, end_s, NEXT_NOON_S)]


def by_start(lab, meter, channel="import_wh"):
    return {row["start_s"]: row["values"][channel] for row in held(lab, meter)}


def codes(lab, meter):
    return [row["values"]["event_code"] for row in held(lab, meter, "event", begin_s=0)]


def energy(lab, meter, begin_s, end_s):
    """Wh that a meter counted, to the watt-hour."""
    return int(np.diff(lab.objects.source.registers.drawn_wh(meter, np.asarray([begin_s, end_s])))[0])


def signature(lab):
    """A digest of what some meters hold and would answer, and of what the records say."""
    digest = hashlib.sha256()
    for meter in (0, 2, 3, 4, len(lab.town) - 1):
        for kind in ("block-load", "daily", "event"):
            begin_s = MIDNIGHT_S - 30 * 86_400 if kind == "daily" else MIDNIGHT_S
            digest.update("".join(truth.lines(lab, meter, kind, begin_s, NOW, NOW)).encode())
        digest.update(f"{lab.fate(meter, NOW)} {lab.conduct(meter)} {lab.state.clock_s(meter, NOW)}".encode())
    digest.update(str(list(registry.rows(lab.town, "usage_points", 1))).encode())
    digest.update(str((lab.defaulters, lab.push, lab.state.interruptions)).encode())
    return digest.hexdigest()


@pytest.mark.parametrize("name", sorted(SCENES))
def test_a_scene_follows_from_the_seed(name):
    first, again, other = (signature(lab_with(name, seed=seed, homes=60)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", sorted(SCENES))
def test_a_scene_is_told_in_english_and_hindi(name):
    assert SCENES[name].tells.endswith(".")
    assert SCENES[name].tells_hi.endswith("।")
    assert "\n" not in SCENES[name].tells + SCENES[name].tells_hi


@pytest.mark.parametrize(
    "text",
    [
        "overload:more=0",
        "overload:hours=0",
        "overload:transformer=999",
        "area-shed:minutes=-1",
        "feeder-trip:feeder=9",
        "tower-outage:tower=9",
        "theft-ring:share=1.5",
        "meter-swap:day=3",
        "meter-swap:meter=401",
        "rollover:hours_ago=999999",
        "batch-cut:count=0",
        "relay-replay:after=-1",
        "magnet-wave:hour=noon",
    ],
)
def test_what_means_nothing_here_is_refused(text):
    with pytest.raises(scenes.UnknownScene):
        lab_with(text)


def test_on_a_quiet_day_everybody_answers_at_the_right_time():
    lab = lab_with("quiet-day", radio=RadioKind.LTE)
    assert {lab.fate(meter, NOW + n) for meter in range(50) for n in range(20)} == {Fate.GOES_THROUGH}
    assert [lab.state.clock_s(meter, NOW + 86_400) - NOW - 86_400 for meter in (0, 7)] == [0, 0]


def test_overload_adds_a_quarter_to_every_home_and_transformer():
    usual, hot = lab_with(), lab_with("overload")
    begin_s, end_s = MIDNIGHT_S + 21 * 3600, MIDNIGHT_S + 26 * 3600
    for meter in (0, 17, 400):
        assert energy(hot, meter, begin_s, end_s) == pytest.approx(
            1.25 * energy(usual, meter, begin_s, end_s), abs=99
        )
        assert energy(hot, meter, MIDNIGHT_S, begin_s) == energy(usual, meter, MIDNIGHT_S, begin_s)
    one = lab_with("overload:transformer=1:more=0.5")
    assert energy(one, 400, begin_s, end_s) == energy(usual, 400, begin_s, end_s)
    assert energy(one, 401, begin_s, end_s) > 1.4 * energy(usual, 401, begin_s, end_s)


def test_a_shed_area_is_dark_and_comes_back_with_the_load_that_waited():
    lab, usual = lab_with("area-shed:after=0:minutes=60:part=1"), lab_with()
    transformers = lab.town.transformers_of(0)
    blocks = by_start(lab, 400)
    assert not set(blocks) & {NOW, NOW + 900, NOW + 1800, NOW + 2700}
    assert {NOW - 900, NOW + 3600} <= set(blocks)
    assert lab.fate(0, NOW + 60) is Fate.RESET
    assert lab.fate(0, NOW + 3660) is Fate.GOES_THROUGH
    back_s = NOW + 3600
    gained = energy(lab, 400, back_s, back_s + 300) / energy(usual, 400, back_s, back_s + 300)
    assert gained == pytest.approx(1.525, abs=0.05)
    later_s = back_s + 1200
    assert energy(lab, 400, later_s, later_s + 3600) == pytest.approx(
        energy(usual, 400, later_s, later_s + 3600), abs=5
    )
    ends = [lab.state.interruptions.cuts(transformer)[0][1] for transformer in transformers]
    assert np.diff(ends).tolist() == [120] * (len(ends) - 1)


def test_a_feeder_trip_is_a_storm_of_last_gasps_and_logged_by_all():
    lab = lab_with("feeder-trip")
    plan = PushPlan(lab)
    gasps = [due for due in plan.due(NOW, NOW + 60) if due.bits == (Bit.LAST_GASP,)]
    assert len(gasps) == pytest.approx(0.7 * len(lab.town), abs=30)
    assert all(NOW + 10 <= due.at_s <= NOW + 40 for due in gasps)
    assert {101, 102} <= set(codes(lab, 5))
    assert not {101, 102} & set(codes(lab_with(), 5))
    assert lab.fate(5, NOW + 600) is Fate.RESET


def test_a_tower_takes_its_own_meters_out_of_reach():
    lab = lab_with("tower-outage:hour=21", town=city(1, 3000))
    dark = {meter for meter in range(len(lab.town)) if lab.radio.fate(meter, NOW + 2 * 3600) is Fate.RESET}
    carried = {registry.group(lab.town, meter) for meter in dark}
    assert len(carried) == 1
    assert {m for m in range(len(lab.town)) if registry.group(lab.town, m) in carried} == dark
    assert lab.radio.fate(min(dark), NOW) is Fate.GOES_THROUGH
    assert lab.radio.fate(min(dark), NOW + 4 * 3600) is Fate.GOES_THROUGH


def test_a_burnt_transformer_was_overloaded_and_is_dark():
    lab, usual = lab_with("burnt-transformer:transformer=2:hour=14"), lab_with()
    burnt_s = MIDNIGHT_S + 14 * 3600
    before = energy(lab, 402, burnt_s - 10_800, burnt_s) / energy(usual, 402, burnt_s - 10_800, burnt_s)
    assert before == pytest.approx(1.9, abs=0.01)
    assert max(by_start(lab, 402)) < burnt_s
    assert lab.fate(402, burnt_s + 29 * 3600) is Fate.RESET
    assert energy(lab, 401, burnt_s, NEXT_NOON_S) == energy(usual, 401, burnt_s, NEXT_NOON_S)


def test_a_theft_ring_is_seen_in_the_balance_and_in_some_logs():
    lab, usual = lab_with("theft-ring:share=0.5"), lab_with()
    thieves = lab.state.interruptions.deviations.thefts
    homes = lab.town.homes_of(0).tolist()
    assert set(thieves) <= set(homes)
    assert len(thieves) == round(0.5 * len(homes))
    day = MIDNIGHT_S, MIDNIGHT_S + 86_400
    assert energy(lab, 400, *day) == energy(usual, 400, *day)
    kinds = {home: kind_of(1, home) for home in thieves}
    missing = {home: energy(usual, home, *day) - energy(lab, home, *day) for home in homes}
    for home in homes:
        if home not in thieves:
            assert missing[home] == 0
        elif kinds[home] is TheftKind.BYPASS:
            assert missing[home] == pytest.approx(0.75 * energy(usual, home, *day), abs=2)
    assert sum(missing.values()) > 0.2 * energy(usual, 400, *day)
    wanted = {TheftKind.BYPASS: 69, TheftKind.NEUTRAL: 203, TheftKind.MAGNET: 201, TheftKind.COVER: 251}
    for home, kind in kinds.items():
        assert (wanted.get(kind) in codes(lab, home)) == (kind in wanted)


def test_bypassed_current_comes_back_by_the_neutral():
    lab = lab_with("theft-ring:share=1")
    home = next(h for h in lab.town.homes_of(0).tolist() if kind_of(1, h) is TheftKind.BYPASS)
    honest = next(h for h in lab.town.homes_of(0).tolist() if kind_of(1, h) is TheftKind.HOOK)
    for meter, ratio in ((home, 4.0), (honest, 1.0)):
        values = held(lab, meter, "instantaneous")[0]["values"]
        assert values["neutral_current_ma"] == pytest.approx(ratio * values["current_ma"], rel=0.05, abs=50)


def test_theft_all_over_the_town_has_its_shares():
    lab = lab_with("theft", town=city(2, 20_000))
    thieves = np.asarray(sorted(lab.state.interruptions.deviations.thefts))
    assert 0.03 < len(thieves) / 20_000 < 0.055
    kinds = [kind_of(2, int(home)) for home in thieves]
    for kind, share in KIND_SHARES.items():
        assert kinds.count(kind) / len(kinds) == pytest.approx(share, abs=0.05)


def test_a_magnet_wave_is_alerted_logged_and_leaves_no_energy():
    lab, usual = lab_with("magnet-wave:share=0.2"), lab_with()
    thefts = lab.state.interruptions.deviations.thefts
    assert len(thefts) == 80
    home, (stolen,) = next(iter(thefts.items()))
    assert energy(lab, home, stolen.begin_s, stolen.end_s) == pytest.approx(
        0.05 * energy(usual, home, stolen.begin_s, stolen.end_s), abs=2
    )
    assert codes(lab, home).count(201) == codes(lab, home).count(202) == 1
    alerts = [due for due in PushPlan(lab).due(NOW, MIDNIGHT_S + 27 * 3600) if due.name == ALERT]
    assert {due.meter for due in alerts if Bit.MAGNET in due.bits} == set(thefts)
    opened = {due.meter for due in alerts if Bit.COVER_OPEN in due.bits}
    assert 5 < len(opened) < 30
    assert all(251 in codes(lab, meter) for meter in sorted(opened)[:3])


def test_mapping_errors_stand_in_the_records_only():
    lab, usual = lab_with("mapping-errors"), lab_with()
    told = [row[3] for row in registry.rows(lab.town, "usage_points", 1)][:400]
    right = [row[3] for row in registry.rows(usual.town, "usage_points", 1)][:400]
    assert np.mean(np.asarray(told) != np.asarray(right)) == pytest.approx(0.15, abs=0.06)
    assert energy(lab, 400, MIDNIGHT_S, NOW) == energy(usual, 400, MIDNIGHT_S, NOW)


def test_clocks_that_were_reset_show_the_year_2000():
    lab = lab_with("clock-reset:share=0.02")
    reset = [meter for meter in range(len(lab.town)) if lab.state.clock_s(meter, NOW) < 1_000_000_000]
    assert len(reset) == round(0.02 * len(lab.town))
    stamps = [row["stamp"][:4] for row in held(lab, reset[0], begin_s=0)]
    assert "2000" in stamps
    assert "2026" in stamps


def test_a_swapped_meter_has_a_new_serial_fresh_registers_and_no_past():
    lab, usual = lab_with("meter-swap"), lab_with()
    swap_s = MIDNIGHT_S - 10 * 86_400 + 11 * 3600
    rows = held(lab, 3, begin_s=0)
    assert rows[0]["start_s"] == swap_s
    assert held(lab, 3, "nameplate")[0]["values"]["serial"] == "ML00000001"
    daily = held(lab, 3, "daily", begin_s=0)
    assert daily[0]["stamp_s"] == MIDNIGHT_S - 9 * 86_400
    counted = energy(usual, 3, swap_s, daily[0]["stamp_s"])
    assert daily[0]["values"]["import_wh"] == (7 + counted) // 10 * 10
    assert len(held(lab, 3, "billing", begin_s=0)) == 0
    assert by_start(lab, 3).keys() == by_start(usual, 3).keys()
    assert lab.town.transformer[3] == 0
    assert energy(lab, 400, MIDNIGHT_S, NOW) == energy(usual, 400, MIDNIGHT_S, NOW)


def test_a_register_rolls_over_and_its_blocks_go_on():
    lab, usual = lab_with("rollover"), lab_with()
    daily = [row["values"]["import_wh"] for row in held(lab, 4, "daily", begin_s=0)]
    assert daily[0] > ROLLS_OVER_WH - 2_000_000
    assert daily[-1] < 100_000
    assert sum(np.diff(daily) < 0) == 1
    blocks, before = by_start(lab, 4), by_start(usual, 4)
    assert sum(blocks.values()) == pytest.approx(sum(before.values()), abs=10)


def test_a_batch_of_defaulters_is_listed_and_some_cannot_be_reached():
    lab = lab_with("batch-cut:count=100:silent=0.1")
    assert len(set(lab.defaulters)) == 100
    assert all(lab.town.is_consumer(home) for home in lab.defaulters)
    silent = [home for home in lab.defaulters if lab.fate(home, NOW) is Fate.RESET]
    assert 3 <= len(silent) <= 20
    assert (lab.state.control_state == ControlState.CONNECTED).all()


def test_before_the_wrong_command_every_relay_is_closed_and_everybody_answers():
    lab = lab_with("wrong-command", radio=RadioKind.LTE)
    assert {lab.fate(meter, NOW) for meter in range(len(lab.town))} == {Fate.GOES_THROUGH}
    assert (lab.state.control_state == ControlState.CONNECTED).all()
    assert not lab.state.interruptions.journal


def test_a_recorded_relay_command_is_sent_again_and_refused(served):
    async def relay(served, method):
        session = await served.session(2, "setting")
        assert await session.act(*DISCONNECT_CONTROL, method, axdr.i8(0)) is ActionResult.SUCCESS
        await session.close()

    async def test(served):
        await relay(served, 1)
        await relay(served, 2)
        state, tally = served.lab.state, served.exchange.tally
        for _ in range(2000):
            if tally.replayed == 2 and not served.exchange._replays and not served.exchange.open:
                break
            await asyncio.sleep(0.01)
        assert state.control_state[2] == ControlState.CONNECTED
        assert [event.code for event in state.events[2]] == [301, 302]
        assert tally.accepted + tally.busy == 4

    served(test, "relay-replay:after=0.05")
