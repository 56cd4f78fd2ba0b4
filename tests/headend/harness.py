"""A head-end over in-memory ports and small meters on loopback, with short times."""

import asyncio
from dataclasses import replace

from bijlighar.cim.contacts import Outcome
from bijlighar.headend.delivery import DeliverySettings
from bijlighar.headend.dispatch import DispatchSettings
from bijlighar.headend.retry import Backoff
from bijlighar.headend.schedule import ScheduleSettings
from bijlighar.headend.service import HeadEnd, HeadEndSettings
from bijlighar.headend.session import TimeLimits
from bijlighar.headend.settling import SettlingSettings
from bijlighar.headend.visitor import VisitSettings

from .doubles import RING, FixedClock, Store
from .fakes import KEYS, WHOLE_S
from .meters import NOON_S, d1_meter

IMPATIENT = TimeLimits(answer_s=0.4)
"""For meters that hang. Whoever answers has the time that the product gives, on a busy machine too."""
SETTINGS = HeadEndSettings(
    schedule=ScheduleSettings(first_spread_s=0.0, backoff=Backoff(base_s=30, cap_s=60, attempts=3)),
    delivery=DeliverySettings(most_wait_s=0.02, retry_s=0.02, retry_cap_s=0.05),
    settling=SettlingSettings(job_retry_s=0.05),
    tick_s=0.01,
    job_poll_s=0.02,
    registry_poll_s=0.05,
    heartbeat_s=0.02,
    grace_s=0.3,
    landing_grace_s=5.0,
)


def serial_of(meter_id):
    return f"KP{meter_id:06d}"


def title_of(meter_id):
    return b"KPS%05d" % meter_id


class Town:
    """``async with`` it: meters answer and the head-end runs. ``news`` holds what was published, by topic."""

    def __init__(
        self,
        meters=1,
        *,
        store=None,
        clock=None,
        settings=SETTINGS,
        schedule=None,
        dispatch=None,
        limits=None,
        **meter,
    ):
        self.clock = clock or FixedClock(float(NOON_S))
        self.store = store or Store()
        self.news = {}
        self.changed = asyncio.Event()
        self.meters = {
            n: d1_meter(self.clock.now, **{"serial": serial_of(n), "title": title_of(n), **meter})
            for n in range(1, meters + 1)
        }
        self.settings = settings
        if schedule is not None:
            self.settings = replace(self.settings, schedule=replace(self.settings.schedule, **schedule))
        if dispatch is not None:
            self.settings = replace(self.settings, dispatch=DispatchSettings(**dispatch))
        if limits is not None:
            self.settings = replace(self.settings, visits=VisitSettings(limits=limits))

    def publish(self, topic, payload):
        self.news.setdefault(topic, []).append(payload)
        self.changed.set()

    async def __aenter__(self):
        self.news.clear()
        for n, meter in self.meters.items():
            await meter.__aenter__()
            if n not in self.store.registry:
                self.enrol(n, meter)
        self.begin()
        return self

    def enrol(self, n, meter, group=""):
        self.store.add_meter(
            n, meter.host, meter.port, keys=KEYS, serial=serial_of(n), title=title_of(n), group=group
        )

    def begin(self):
        self.headend = HeadEnd(self.store.ports(), self.clock, RING, self.settings, self.publish)
        self.task = asyncio.create_task(self.headend.run())

    async def __aexit__(self, *_):
        if not self.task.done():
            await self.headend.stop()
        await asyncio.gather(self.task, return_exceptions=True)
        for meter in self.meters.values():
            await meter.__aexit__()

    async def until(self, true, within_s=WHOLE_S):
        """Wait until something published makes ``true``."""
        async with asyncio.timeout(within_s):
            while not true():
                if self.task.done():
                    self.task.result()
                self.changed.clear()
                await self.changed.wait()

    async def contacts(self, count, within_s=WHOLE_S):
        await self.until(lambda: len(self.store.contacts) >= count, within_s)
        return self.store.contacts

    async def quiet(self):
        """Until nothing is due or under way, and three heartbeats told of no session and no queue."""
        await self.until(self.calm)

    def calm(self):
        beats = self.news.get("heartbeat", [])[-3:]
        self.news["heartbeat"] = beats
        if len(beats) < 3 or any(beat.sessions or beat.queue_octets for beat in beats):
            return False
        roster, now_s = self.headend._roster, self.clock.now()
        return not roster.due(now_s, 1) and not any(map(roster.is_busy, self.store.registry))

    async def pass_time(self, seconds):
        """Move the town's clock, and wait until what fell due was done."""
        self.clock.instant_s += seconds
        self.news["heartbeat"] = []
        await self.quiet()

    def outcomes(self, meter_id=None):
        return [c.outcome for c in self.store.contacts if meter_id in (None, c.meter_id)]

    def alarms(self):
        return {alarm.code for alarm in self.headend.alarms}

    def metric(self, name, **labels):
        return self.headend.metrics.registry.get_sample_value(name, labels)


def all_well(town):
    return set(town.outcomes()) == {Outcome.OK}
