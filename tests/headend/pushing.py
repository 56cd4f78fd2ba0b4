"""A head-end that hears pushes, over real records and virtual meters; and what it landed, row by row."""

import asyncio
import contextlib
import socket
from collections import Counter
from dataclasses import replace

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING
from bijlighar.headend.delivery import DeliverySettings
from bijlighar.headend.dispatch import DispatchSettings
from bijlighar.headend.push import PushSettings
from bijlighar.headend.service import HeadEnd, HeadEndSettings
from bijlighar.operations.headend_process import ports_of
from bijlighar.operations.registry_import import import_registry
from bijlighar.records import Records
from meterlab import registry, truth
from meterlab.lab import build
from meterlab.push import ALERT, PushMaker
from meterlab.push_faults import Way
from meterlab.push_plan import PushPlan
from meterlab.selection import Asked

from .doubles import RING, FixedClock
from .fakes import WHOLE_S

NOW_S = 1_763_900_000  # 2025-11-23 17:43:20 in Kanpur
SETTINGS = HeadEndSettings(
    dispatch=DispatchSettings(most_sessions=0),  # nobody is visited: whatever is landed was pushed
    delivery=DeliverySettings(most_wait_s=0.02, retry_s=0.02, retry_cap_s=0.05),
    push=PushSettings(host="127.0.0.1", port=0, gather_s=0.005),
    tick_s=0.05,
    job_poll_s=0.2,
    registry_poll_s=0.5,
    refusal_poll_s=0.05,
    heartbeat_s=0.02,
    grace_s=0.2,
    landing_grace_s=5.0,
)
KINDS = {
    "instantaneous": ProfileKind.INSTANTANEOUS,
    "block-load": ProfileKind.BLOCK_LOAD,
    "daily": ProfileKind.DAILY,
}


class Spied:
    """The landing, with every row noted once it is durable."""

    def __init__(self, landing):
        self._landing = landing
        self.rows = Counter()
        self.values = {}

    def land(self, readings, contacts, windows=()):
        self._landing.land(readings, contacts, windows)
        for batch in readings:
            for row in range(len(batch)):
                codes = [int(batch.channels[c][row]) for c in ("event_log", "event_code") if c in batch.channels]
                key = (batch.kind, int(batch.meter_id[row]), int(batch.start_s[row]), *codes)
                self.rows[key] += 1
                self.values[key] = {name: int(column[row]) for name, column in batch.channels.items()}

    def quarantine(self, readings, reasons):
        self._landing.quarantine(readings, reasons)


class PushTown:
    """``async with`` it: a lab whose meters push to a head-end."""

    def __init__(self, town, folder, *, url, calls=(), settings=SETTINGS):
        self.clock = FixedClock(float(NOW_S))
        self.folder = folder
        self.url = url
        self.settings = settings
        self.lab = build(town, now_s=NOW_S, calls=calls)
        self.maker = PushMaker(self.lab)
        self.way = Way(self.maker, self.lab.push)
        self.plan = PushPlan(self.lab)
        self.news = {}
        self.kept = []
        self.raised = set()

    async def __aenter__(self):
        self.records = Records(self.url, self.folder, now=self.clock.now)
        registry.write(self.lab.town, self.folder / "sheets", 4059)
        import_registry(self.records, self.folder / "sheets", RING)
        self.meter_id = {m.system_title: m.meter_id for m in self.records.registry.meters()}
        await self.begin()
        return self

    async def begin(self):
        self.landing = Spied(self.records.landing)
        ports = replace(ports_of(self.records), landing=self.landing)
        self.headend = HeadEnd(ports, self.clock, RING, self.settings, self.publish)
        self.task = asyncio.create_task(self.headend.run())
        self.watch = asyncio.create_task(self.watch_alarms())
        await self.until(lambda: self.headend.push.listener.port)
        self.port = self.headend.push.listener.port

    async def watch_alarms(self):
        """Notes every alarm that stands: the loop comes by here more often than the head-end ends alarms."""
        while not self.task.done():
            self.raised |= self.alarms().keys()
            await asyncio.sleep(SETTINGS.tick_s / 10)

    async def end(self):
        await self.headend.stop()
        await self.task
        await self.watch

    async def __aexit__(self, *_):
        if not self.task.done():
            await self.end()
        self.records.close()
        for writer in self.kept:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def publish(self, topic, payload):
        self.news.setdefault(topic, []).append(payload)

    async def until(self, true, within_s=WHOLE_S):
        async with asyncio.timeout(within_s):
            while not true():
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.005)

    def id_of(self, meter):
        return self.meter_id[self.maker.material(meter).system_title]

    def metric(self, outcome):
        intake = self.headend.push.intake
        counted = {"accepted": intake.accepted, "duplicate": intake.duplicates}
        value = self.headend.metrics.registry.get_sample_value("bijlighar_pushes_total", {"outcome": outcome})
        return counted.get(outcome, int(value or 0))

    def heard(self):
        """Pushes judged so far."""
        refused = (
            "not-authentic",
            "unknown-sender",
            "unprotected",
            "replayed",
            "counter-reused",
            "not-understood",
        )
        return sum(map(self.metric, ("accepted", "duplicate", *refused)))

    def alarms(self):
        return {alarm.code: alarm.detail for alarm in self.headend.alarms}

    def refused(self):
        return self.records.pushes.refused(Period(start_s=0, end_s=1 << 40))

    def told(self, due):
        """What the meter holds of a push that falls due: kind, stamp and values in stored units."""
        plan = self.lab.objects.plan(due.meter)
        profile = plan.model.profiles[due.name]
        period_s = profile.period_s or 0
        asked = Asked(columns=profile.columns, begin_s=int(due.at_s) - 2 * period_s - 1 if period_s else 0)
        table = self.lab.objects.profiles.table(due.meter, plan, profile, asked, due.at_s)
        row = 0 if plan.model.newest_first else -1
        values = {
            truth.channel(column.name): truth.in_stored_unit(column, int(cells[row]))
            for column, cells in zip(table.columns, table.cells, strict=True)
            if column.name != "clock"
        }
        values = {
            name: MISSING if name.endswith("time_s") and not value else value for name, value in values.items()
        }
        start_s = int(table.stamps_s[row]) - (period_s if due.name == "block-load" else 0)
        return (KINDS[due.name], self.id_of(due.meter), start_s), values

    def body(self, due):
        if due.name == ALERT:
            return self.maker.alert(due.meter, due.bits, due.at_s)
        return self.maker.row(due.meter, due.name, due.at_s)

    async def send(self, frame, way):
        """One frame by "udp", "fresh" or over a kept "tcp" connection."""
        if way == "udp":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
                out.sendto(frame, ("127.0.0.1", self.port))
            return
        if way == "fresh" or not self.kept:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            if way != "fresh":
                self.kept.append(writer)
        else:
            writer = self.kept[-1]
        writer.write(frame)
        await writer.drain()
        if way == "fresh":
            writer.close()
            await writer.wait_closed()
