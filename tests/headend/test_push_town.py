"""A town pushes over TCP and UDP, doubled, late, out of order, replayed and forged; and a feeder goes dark."""

import heapq
import itertools
import time
from collections import Counter

import uvloop

from bijlighar.cim.channels import ProfileKind
from bijlighar.headend.push_status import FIRST_BREATH, LAST_GASP, STATUS_LOG
from meterlab import scenes
from meterlab.push import ALERT
from meterlab.town import mohalla
from meterlab.trial import trial

from .pushing import NOW_S, PushTown

STEPS, STEP_S = 96, 900
WAYS = ("tcp", "fresh", "udp")


class Pushing:
    """What a town pushes in quarter hours: ``sent`` frames by kind, and ``expected`` rows with their values."""

    def __init__(self, town):
        self.town = town
        self.sent = Counter()
        self.expected = {}
        self.waiting = []
        self.order, self.way_of = itertools.count(), itertools.cycle(WAYS)

    async def run(self, steps):
        end_s = NOW_S + steps * STEP_S
        for last_s in range(NOW_S, end_s, STEP_S):
            for due in self.town.plan.due(last_s, last_s + STEP_S):
                self.add(due)
            await self.leave(last_s + STEP_S)
        for one in self.town.way.rest():
            heapq.heappush(self.waiting, (end_s, next(self.order), one))
        await self.leave(float("inf"))

    def add(self, due):
        body = self.town.body(due)
        if body is None:
            return
        key, values = self.town.told(due)
        self.expected[key] = values
        for one in self.town.way.frames(due.meter, body, final=due.final):
            heapq.heappush(self.waiting, (due.at_s + one.delay_s, next(self.order), one))

    async def leave(self, until_s):
        while self.waiting and self.waiting[0][0] <= until_s:
            at_s, _, one = heapq.heappop(self.waiting)
            self.town.clock.instant_s = max(self.town.clock.instant_s, at_s)
            if one.kind == "reuse" or self.sent.total() % 40 == 0:
                # the first to come is believed, and sockets overtake each other; a loopback socket holds some
                # hundred datagrams
                await self.town.until(self.all_heard)
            self.sent[one.kind] += 1
            await self.town.send(one.frame, "tcp" if one.kind == "reuse" else next(self.way_of))
        await self.town.until(self.all_heard)

    def all_heard(self):
        return self.town.heard() == self.sent.total()


def differing(landed, told):
    return {
        name: (landed.get(name), told.get(name)) for name in landed | told if landed.get(name) != told.get(name)
    }


def test_every_accepted_value_is_true_none_comes_twice_and_attacks_are_kept_apart(records_url, tmp_path):
    calls = [
        scenes.parse("push-duplicates:share=0.1"),
        scenes.parse("push-replay:share=0.15:reused=0.05"),
        scenes.parse("push-forged:share=0.1"),
    ]

    async def main():
        async with PushTown(trial(1), tmp_path, url=records_url, calls=calls) as town:
            town.lab.push.late, town.lab.push.reordered = 0.05, 0.05
            pushing = Pushing(town)
            await pushing.run(STEPS)
            sent, expected = pushing.sent, pushing.expected
            assert min(sent[kind] for kind in ("duplicate", "replay", "reuse", "forged")) > 20, sent
            assert town.metric("accepted") == sent["honest"]
            refused = {code: town.metric(code) for code in ("replayed", "counter-reused")}
            forged = [town.metric(code) for code in ("not-authentic", "unknown-sender", "unprotected")]
            assert sum(forged) == sent["forged"]
            assert all(forged)
            assert refused["counter-reused"] == sent["reuse"]
            assert town.metric("duplicate") + refused["replayed"] == sent["duplicate"] + sent["replay"]
            assert refused["replayed"] > 0
            await town.until(lambda: {"push-forged", "push-replayed"} <= town.raised)
            await town.until(lambda: sum(town.landing.rows.values()) == sent["honest"])
            await town.end()
            kept = Counter(push.reason for push in town.refused())
            assert kept["replayed"] == refused["replayed"]
            assert kept.total() == sum(forged) + sum(refused.values())
            assert max(town.landing.rows.values()) == 1
            assert town.landing.values.keys() == expected.keys()
            assert {key: differing(town.landing.values[key], told) for key, told in expected.items()} == {
                key: {} for key in expected
            }

    uvloop.run(main())


def test_a_feeder_that_goes_dark_is_heard_whole_within_seconds_and_nobody_else_waits(records_url, tmp_path):
    calls = [scenes.parse("last-gasp-storm:feeder=0:after=10:minutes=35")]

    async def main():
        async with PushTown(mohalla(7, 2_400), tmp_path, url=records_url, calls=calls) as town:
            dues = [due for due in town.plan.due(NOW_S, NOW_S + 45) if due.name == ALERT]
            breaths = [due for due in town.plan.due(NOW_S + 2_000, NOW_S + 2_400) if due.name == ALERT]
            gasping = {due.meter for due in dues}
            assert len(gasping) == len(dues) > 700
            frames = [one.frame for due in dues for one in town.way.frames(due.meter, town.body(due), final=True)]
            frames += frames[: 1_400 - len(frames)] if len(frames) < 1_400 else []
            begun_s = time.process_time()
            for frame in frames[: len(dues)]:
                await town.send(frame, "tcp")
            for frame in frames[len(dues) :]:
                await town.send(frame, "fresh")
            await town.until(lambda: town.heard() == len(frames))
            await town.until(lambda: sum(town.landing.rows.values()) == len(dues))
            took_s = time.process_time() - begun_s  # of the processor: other work on the machine does not count
            town.clock.instant_s = NOW_S + 2_400
            for due in breaths:
                await town.send(town.maker.sealed(due.meter, town.body(due)), "tcp")
            await town.until(lambda: sum(town.landing.rows.values()) == len(dues) + len(breaths))
            found = {(key[1], key[-1]) for key in town.landing.rows if key[0] is ProfileKind.EVENT}
            assert found == {(town.id_of(due.meter), LAST_GASP) for due in dues} | {
                (town.id_of(due.meter), FIRST_BREATH) for due in breaths
            }
            assert {key[-2] for key in town.landing.rows} == {STATUS_LOG}
            assert max(town.landing.rows.values()) == 1
            assert took_s < 10

    uvloop.run(main())
