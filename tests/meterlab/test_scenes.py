"""Each scene does what it says, over the wire where it is on the wire, and leaves the other meters alone."""

import asyncio
import contextlib

import numpy as np
import pytest

from bijlighar.dlms import axdr
from bijlighar.dlms.association import GetSucceeded
from bijlighar.dlms.clock import DeviationSign, decode_instant, encode_instant
from bijlighar.dlms.errors import Malformed, Replayed, TooLarge
from bijlighar.dlms.xdlms import RangeSelection
from meterlab import scenes
from meterlab.lab import build
from meterlab.radio import Fate, RadioKind
from meterlab.scenes import SCENES, UnknownScene
from meterlab.trial import trial

NOW = 1_763_900_000
BLOCK_LOAD = (7, "1.0.99.1.0.255", 2)
CLOCK = (8, "0.0.1.0.0.255", 2)


def moment(octets):
    return decode_instant(octets, DeviationSign.INDIAN)


def day_before():
    ends = [encode_instant(at, DeviationSign.INDIAN) for at in (NOW - 86_400, NOW)]
    return RangeSelection(start=ends[0], end=ends[1])


def lab_with(*texts):
    return build(trial(seed=1), now_s=NOW, calls=[scenes.parse(text) for text in texts])


def fates(lab, meter, tries=400, every_s=600):
    return [lab.radio.fate(meter, NOW + n * every_s) for n in range(tries)]


@pytest.mark.parametrize("name", sorted(SCENES))
def test_every_scene_plays_with_its_defaults_and_is_told_in_a_sentence(name):
    lab_with(name)
    assert SCENES[name].tells.endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "hang:meter",
        "hang:metre=3",
        "hang:meter=99",
        "hang:meter=x",
        "bad-tower-hour:hour=noon",
        "drip:seconds=a",
    ],
)
def test_what_cannot_be_played_is_refused_in_words(text):
    with pytest.raises(UnknownScene, match="scene"):
        lab_with(text)


def test_a_meter_may_be_named_by_its_serial_number():
    assert lab_with("hang:meter=ML28000005").conducts[4].hangs


def test_bad_meter_fails_six_tries_in_ten_and_some_hours_wholly():
    lab = lab_with("bad-meter")
    failed = np.asarray([fate is not Fate.GOES_THROUGH for fate in fates(lab, 6, tries=3000)])
    assert failed.mean() == pytest.approx(0.6 + 0.4 * 0.125, abs=0.05)
    assert set(fates(lab, 5)) == {Fate.GOES_THROUGH}


def test_bad_meter_fails_as_often_while_the_town_stands_still():
    failed = [fate is not Fate.GOES_THROUGH for fate in fates(lab_with("bad-meter:silent=0"), 6, every_s=0)]
    assert np.mean(failed) == pytest.approx(0.6, abs=0.06)


def test_bad_tower_hour_is_one_hour_of_every_meter():
    lab = lab_with("bad-tower-hour:day=0:hour=20")
    begin = 1_763_908_200  # 2025-11-23 20:00 in Kolkata
    for meter in range(12):
        out = [lab.radio.fate(meter, begin + at) is Fate.RESET for at in (-1, 0, 3599, 3600)]
        assert out == [False, True, True, False]
    assert lab_with("bad-tower-hour").radio.outages[0].begin_s == 1_763_902_800
    assert lab_with("bad-tower-hour:day=2025-11-25:hour=3").radio.outages[0].begin_s == 1_764_019_800


def test_drifting_clock_gains_what_it_is_told(served):
    async def test(served):
        served.clock.now_s = NOW + 4 * 86_400
        offsets = []
        for meter in (8, 7):
            session = await served.session(meter)
            offsets.append(moment(await session.get(*CLOCK)) - served.clock.now_s)
        assert offsets[0] == pytest.approx(180, abs=6)
        assert abs(offsets[1]) < 15

    served(test, "drifting-clock")


def test_hang_accepts_and_says_nothing(served):
    async def test(served):
        session = await served.connect(2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.open(), 0.2)
        assert await (await served.session(3)).get(*CLOCK)

    served(test, "hang")


def test_drip_sends_octet_by_octet(served):
    async def test(served):
        session = await served.connect(2)
        session.association.open()
        session.writer.write(session.association.data_to_send())
        pieces = [await session.reader.read(1000) for _ in range(5)]
        assert [len(piece) for piece in pieces] == [1] * 5

    served(test, "drip:seconds=0.02")


def test_late_answers_after_the_wait(served):
    async def test(served):
        loop = asyncio.get_running_loop()
        began = loop.time()
        await served.session(3)
        prompt, began = loop.time() - began, loop.time()
        await served.session(2)
        assert loop.time() - began >= 0.29 > prompt  # uvloop counts whole milliseconds

    served(test, "late:seconds=0.3")


def test_reset_mid_block_ends_a_long_answer_only(served):
    async def test(served):
        session = await served.session(2)
        assert await session.get(*CLOCK)
        with pytest.raises((ConnectionError, EOFError)):
            await session.get(*BLOCK_LOAD)
        assert len(await (await served.session(3)).get(*BLOCK_LOAD)) == 1680

    served(test, "reset-mid-block")


def test_changed_serial_shows_everywhere(served):
    async def test(served):
        session = await served.session(2)
        assert await session.get(1, "0.0.96.1.0.255", 2) == b"ML77"
        assert (await session.get(7, "0.0.94.91.10.255", 2))[0][0] == b"ML77"

    served(test, "changed-serial:serial=ML77")


def test_year_2000_stamps_blocks_since_the_reset_until_the_clock_is_set(served):
    async def test(served):
        session = await served.session(2, "setting")
        assert moment(await session.get(*CLOCK)) == pytest.approx(946_665_000 + 6 * 3600, abs=5)
        stamps = [moment(row[0]) for row in await session.get(*BLOCK_LOAD)]
        assert sum(stamp < 946_800_000 for stamp in stamps) == 12
        assert len(stamps) == 1680
        right = encode_instant(NOW, DeviationSign.INDIAN)
        await session.set(*CLOCK, axdr.octets(right))
        served.clock.now_s = NOW + 1800
        stamps = [moment(row[0]) for row in await session.get(*BLOCK_LOAD)]
        assert stamps[-1] > NOW
        assert sum(stamp < 946_800_000 for stamp in stamps) == 12

    served(test, "year-2000")


def test_short_rows_null_cells_and_wrong_tags_reach_the_reader(served):
    async def test(served):
        short = await (await served.session(2)).get(*BLOCK_LOAD, day_before())
        assert {len(row) for row in short} == {6, 7}
        null = await (await served.session(3)).get(*BLOCK_LOAD, day_before())
        assert [row[0] is None for row in null] == [False] + [True] * 47
        session = await served.session(4)
        event = await session.ask(*BLOCK_LOAD, day_before())
        assert isinstance(event, GetSucceeded)
        with pytest.raises(Malformed):
            event.data()

    served(test, "short-rows:meter=2", "null-cells:meter=3", "wrong-tags:meter=4")


def test_oversized_is_stopped_by_the_readers_limit(served):
    async def test(served):
        session = await served.session(2)
        with pytest.raises(TooLarge):
            await session.get(*BLOCK_LOAD, day_before())

    served(test, "oversized")


def test_replay_is_noticed_by_the_reader(served):
    async def test(served):
        session = await served.session(2)
        assert await session.get(*CLOCK)
        with pytest.raises(Replayed):
            await session.get(*CLOCK)

    served(test, "replay")


def test_missing_slots_have_their_events(served):
    async def test(served):
        session = await served.session(0)
        cut = 1_763_800_200, 1_763_800_200 + 150 * 60  # 2025-11-22 14:00 in Kolkata
        stamps = {moment(row[0]) for row in await session.get(*BLOCK_LOAD)}
        lost = {cut[0] + 1800 * n for n in range(1, 6)}
        assert not lost & stamps
        assert {cut[0], cut[1] + 1800} <= stamps
        log = await session.get(7, "0.0.99.98.2.255", 2)
        assert [(moment(row[0]), row[1]) for row in log] == [(cut[0], 101), (cut[1], 102)]
        other = await served.session(11)
        assert len(await other.get(*BLOCK_LOAD)) == 3360 - 10

    served(test, "missing-slots")


def test_a_meter_without_supply_is_dark():
    lab = lab_with("missing-slots:day=0:hour=17:minutes=60")  # 17:00 to 18:00; it is 17:43
    assert {lab.fate(meter, NOW) for meter in range(12)} == {Fate.RESET}
    assert lab.fate(0, NOW + 3600) is Fate.GOES_THROUGH


def test_radio_delays_every_answer_in_order(served):
    async def test(served):
        loop = asyncio.get_running_loop()
        began = loop.time()
        session = await served.session(3)
        for _ in range(5):
            assert await session.get(*CLOCK)
        assert loop.time() - began > 0.05

    served(test, radio={"radio": RadioKind.LTE, "radio_scale": 0.05})


def test_a_failed_try_is_reset_or_silent(served):
    async def test(served):
        outcomes = set()
        for _ in range(40):
            session = await served.connect(6)
            try:
                await asyncio.wait_for(session.open(), 1.0)
            except TimeoutError:
                outcomes.add("silent")
            except (ConnectionError, EOFError):
                outcomes.add("reset")
            session.writer.close()
            with contextlib.suppress(OSError):
                await session.writer.wait_closed()
            if len(outcomes) == 2:
                break
        assert outcomes == {"reset", "silent"}

    served(test, "bad-meter:fails=0.999:silent=0")
