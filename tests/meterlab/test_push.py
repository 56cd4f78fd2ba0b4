"""Virtual meters push what they hold, under counters of their own; their plan, their way, and who misuses it."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import uvloop

from bijlighar.dlms import axdr
from bijlighar.dlms.errors import NotAuthentic
from bijlighar.dlms.notification import open_push
from meterlab import scenes
from meterlab.lab import build
from meterlab.push import ALERT, BLOCK_LOAD, DAILY, FIRST_COUNTER, INSTANTANEOUS, Bit, PushMaker
from meterlab.push_faults import Way
from meterlab.push_plan import BREATH_WITHIN_S, GASP_WITHIN_S, Due, PushPlan
from meterlab.push_sender import PushSender
from meterlab.push_shares import PushShares
from meterlab.town import mohalla
from meterlab.trial import trial

from .conftest import NOW, StandingClock

WRAPPER = 8


def lab_of(*calls, consumers=None):
    town = trial(1) if consumers is None else mohalla(1, consumers)
    return build(town, now_s=NOW, calls=[scenes.parse(call) for call in calls])


def opened(maker, meter, frame):
    return open_push(frame[WRAPPER:], maker.material(meter))


def elements(push):
    return axdr.decode(push.notification.octets).value


def test_a_push_is_device_id_setup_and_the_newest_row_of_the_profile():
    lab = lab_of()
    maker = PushMaker(lab)
    for meter in (0, 11):
        plan = lab.objects.plan(meter)
        for name in (INSTANTANEOUS, BLOCK_LOAD, DAILY):
            body = maker.row(meter, name, NOW)
            cells = elements(opened(maker, meter, maker.sealed(meter, body)))
            assert cells[0].value == lab.objects.nameplate(meter).values["device-id"].encode()
            assert cells[1].value == plan.model.pushes[name].obis.octets
            assert len(cells) == 2 + len(plan.model.profiles[name].columns)


def test_counters_rise_by_one_in_the_half_that_no_answer_uses_and_never_fall_back():
    maker = PushMaker(lab_of())
    body = maker.row(0, INSTANTANEOUS, NOW)
    counters = [opened(maker, 0, maker.sealed(0, body)).counter for _ in range(3)]
    assert counters == [counters[0], counters[0] + 1, counters[0] + 2]
    assert counters[0] > FIRST_COUNTER
    later = PushMaker(build(trial(1), now_s=NOW + 3600))
    assert opened(later, 0, later.sealed(0, body)).counter > counters[-1] + 3_000


def test_an_alert_has_128_bits_and_those_that_are_set():
    maker = PushMaker(lab_of())
    alert = elements(opened(maker, 3, maker.sealed(3, maker.alert(3, (Bit.MAGNET, Bit.LAST_GASP), NOW))))
    word = alert[3].value
    assert (len(alert), len(word)) == (4, 128)
    assert [at for at, bit in enumerate(word) if bit == "1"] == [81, 85]


def test_every_meter_pushes_each_kind_once_a_period_and_not_all_at_once():
    lab = lab_of(consumers=200)
    plan = PushPlan(lab)
    day = [due for step in range(0, 86_400, 600) for due in plan.due(NOW + step, NOW + step + 600)]
    counts = Counter((due.meter, due.name) for due in day if due.name != ALERT)
    dark = {int(t) for t in lab.state.interruptions.by_transformer}
    for meter in range(200):
        if int(lab.town.transformer[meter]) not in dark:
            assert counts[meter, INSTANTANEOUS] == 96
            assert counts[meter, BLOCK_LOAD] in (48, 49)
            assert counts[meter, DAILY] == 1
    first = [due.at_s for due in day if due.name == INSTANTANEOUS and due.at_s < NOW + 900]
    assert max(Counter(int(at_s // 30) for at_s in first).values()) < 60


def test_of_an_outage_seven_in_ten_tell_within_half_a_minute_and_of_its_end_all_within_three():
    lab = lab_of("last-gasp-storm:feeder=0:after=10:minutes=35", consumers=1_500)
    plan = PushPlan(lab)
    meters = int(np.count_nonzero(lab.town.feeder[lab.town.transformer] == 0))
    gasps = [due for due in plan.due(NOW, NOW + 600) if due.bits == (Bit.LAST_GASP,)]
    breaths = [due for due in plan.due(NOW + 600, NOW + 4_000) if due.bits == (Bit.FIRST_BREATH,)]
    assert 0.65 * meters < len(gasps) < 0.75 * meters
    assert all(due.final and 10 <= due.at_s - NOW <= 11 + GASP_WITHIN_S for due in gasps)
    assert len(breaths) == meters
    assert all(0 <= due.at_s - NOW - 2_110 <= 1 + BREATH_WITHIN_S for due in breaths)
    dark = {due.meter for due in gasps}
    quiet = [due for due in plan.due(NOW + 60, NOW + 2_000) if due.meter in dark]
    assert quiet == [], "a meter without supply says nothing"


def test_faults_come_in_their_shares_and_honest_frames_all_leave_once():
    lab = lab_of()
    maker = PushMaker(lab)
    way = Way(maker, PushShares(duplicates=0.1, late=0.2, reordered=0.1))
    sent, sealed = [], Counter()
    for _ in range(2_000):
        meter = len(sent) % 12
        body = maker.row(meter, INSTANTANEOUS, NOW) if not sealed[meter] else sealed.get((meter, "body"))
        sealed[meter, "body"] = body
        sealed[meter] += 1
        sent += way.frames(meter, body)
    sent += way.rest()
    kinds = Counter(one.kind for one in sent)
    honest = [one.frame for one in sent if one.kind == "honest"]
    assert len(honest) == len(set(honest)) == 2_000
    assert {one.frame for one in sent if one.kind == "duplicate"} <= set(honest)
    assert 120 < kinds["duplicate"] < 260
    late = [one.delay_s for one in sent if one.kind == "honest" and one.delay_s]
    assert 300 < len(late) < 500
    assert 1_800 < float(np.mean(late)) < 3_000


def test_no_forgery_opens_with_the_meters_keys():
    lab = lab_of()
    maker = PushMaker(lab)
    way = Way(maker, PushShares())
    body = maker.row(0, INSTANTANEOUS, NOW)
    frame = maker.sealed(0, body)
    forged = [way.forged(0, frame, body, number) for number in range(40)]
    for octets in forged:
        with pytest.raises(Exception, match=r".") as refused:
            opened(maker, 0, octets)
        assert isinstance(refused.value, NotAuthentic) or "general-glo" in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["last-gasp-storm:feeder=9", "last-gasp-storm:feeder=x", "push-forged:share=many", "push-replay:share="],
)
def test_a_scene_that_means_nothing_is_refused(text):
    with pytest.raises(scenes.UnknownScene):
        lab_of(text)


def test_scenes_raise_their_shares():
    lab = lab_of("push-duplicates:share=0.4", "push-replay:share=0.3:reused=0.1", "push-forged:share=0.2")
    assert (lab.push.duplicates, lab.push.replayed, lab.push.reused, lab.push.forged) == (0.4, 0.3, 0.1, 0.2)


def test_rows_go_over_tcp_from_the_meters_own_address_and_alerts_over_udp():
    lab = lab_of()
    maker = PushMaker(lab)
    heard, callers = [], []

    async def main():
        async def hear(reader, writer):
            callers.append(writer.get_extra_info("peername")[0])
            heard.append(await reader.read())
            writer.close()

        server = await asyncio.start_server(hear, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.bind((host, port))
            datagrams.setblocking(False)
            way = Way(maker, PushShares(duplicates=0, late=0, reordered=0))
            sender = PushSender(
                maker=maker, way=way, plan=PushPlan(lab), clock=StandingClock(), host=host, port=port
            )
            sender.push(Due(at_s=NOW, meter=5, name=INSTANTANEOUS))
            sender.push(Due(at_s=NOW, meter=5, name=ALERT, bits=(Bit.LAST_GASP,)))
            await sender.settle()
            octets = await asyncio.get_running_loop().sock_recv(datagrams, 2_000)
            async with asyncio.timeout(60):
                while not heard:  # noqa: ASYNC110 (the other side of a socket tells nobody)
                    await asyncio.sleep(0.005)
            sender._datagrams.close()
        server.close()
        await server.wait_closed()
        assert callers == [lab.town.host(5)]
        assert len(elements(opened(maker, 5, heard[0]))) == 2 + 22
        assert len(elements(opened(maker, 5, octets))) == 4

    uvloop.run(main())


def test_the_command_pushes_to_the_address_it_is_given():
    with socket.socket() as hears:
        hears.bind(("127.0.0.1", 0))
        hears.listen()
        hears.settimeout(60)
        port = hears.getsockname()[1]
        command = [sys.executable, "-m", "meterlab", "serve", "--port", "0", "--speed", "600", "--push"]
        child = subprocess.Popen([*command, f"127.0.0.1:{port}"], stdout=subprocess.DEVNULL)
        try:
            link, _ = hears.accept()
            with link:
                link.settimeout(60)
                frame = link.recv(4_096)
        finally:
            child.send_signal(signal.SIGTERM)
            assert child.wait(60) == 0
    assert frame[:2] == b"\0\1"
    assert frame[8:11] == b"\xdb\x08M"


@pytest.mark.parametrize("text", ["nowhere", ":4059", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_a_fault_of_the_user(text):
    done = subprocess.run(
        [sys.executable, "-m", "meterlab", "serve", "--port", "0", "--push", text],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "is no HOST:PORT" in done.stderr
