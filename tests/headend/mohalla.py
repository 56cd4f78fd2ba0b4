"""A mohalla in one process: virtual meters over loopback, real records, and head-ends that can be hurt on purpose.

Every meter is read for its midnights: 35 rows at first, one with every day that the clock is moved on.
"""

import asyncio
import threading
from collections import Counter
from dataclasses import replace

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.headend.delivery import DeliverySettings
from bijlighar.headend.dialled import DialInSettings
from bijlighar.headend.dispatch import DispatchSettings
from bijlighar.headend.retry import Backoff
from bijlighar.headend.schedule import CADENCES, ScheduleSettings, Task
from bijlighar.headend.service import HeadEnd, HeadEndSettings
from bijlighar.headend.session import TimeLimits
from bijlighar.headend.tenure import TenureSettings
from bijlighar.headend.visitor import VisitSettings
from bijlighar.operations.headend_process import ports_of
from bijlighar.operations.registry_import import import_registry
from bijlighar.records import Records
from bijlighar.records.database import BUSY_S
from bijlighar.records.files import Files
from meterlab import registry
from meterlab.dial_in import DialIn
from meterlab.exchange import Exchange
from meterlab.lab import build
from meterlab.push import PushMaker
from meterlab.server import listener, serve

from .doubles import RING, FixedClock
from .fakes import WHOLE_S

NOW_S = 1_763_922_600  # 2025-11-24 00:00 in Kanpur: the midnight that has just been
DAY_S = 86_400
MIDNIGHTS = 35
SEED = 7
ALWAYS = Period(start_s=0, end_s=2**38)
SETTINGS = HeadEndSettings(
    visits=VisitSettings(limits=TimeLimits(connect_s=10, answer_s=10, visit_s=60)),
    schedule=ScheduleSettings(
        cadences={Task.DAILY: replace(CADENCES[Task.DAILY], delay_s=0, spread_s=0)},
        backoff=Backoff(base_s=30, cap_s=60, attempts=3),
        first_spread_s=0.0,
    ),
    dispatch=DispatchSettings(most_sessions=100, most_sessions_a_group=100, ask_signal=False),
    delivery=DeliverySettings(most_wait_s=0.05, retry_s=0.02, retry_cap_s=0.05),
    tick_s=0.01,
    job_poll_s=0.1,
    registry_poll_s=0.2,
    refusal_poll_s=0.05,
    heartbeat_s=0.02,
    grace_s=0.2,
    landing_grace_s=5.0,
)


class Watched:
    """The landing; ``rows`` counts durable midnights, ``all`` all rows. ``before`` may raise Unavailable.

    Head-ends land on threads of their own: both counts are put in place whole, and never change once they stand.
    """

    def __init__(self, landing):
        self._landing = landing
        self._guard = threading.Lock()
        self.rows, self.all = Counter(), Counter()
        self.before = lambda: None

    def land(self, readings, contacts, windows=()):
        self.before()
        self._landing.land(readings, contacts, windows)
        with self._guard:
            rows, every = self.rows.copy(), self.all.copy()
            for batch in readings:
                landed = list(zip(batch.meter_id.tolist(), batch.start_s.tolist(), strict=True))
                every.update((batch.kind, *row) for row in landed)
                if batch.kind is ProfileKind.DAILY:
                    rows.update(landed)
            self.rows, self.all = rows, every

    def quarantine(self, readings, reasons):
        self.before()
        self._landing.quarantine(readings, reasons)


class BlocksKept:
    """The past, in which every block is held already: thirty times as much as midnights, and no other course."""

    def __init__(self, past, meter_ids):
        self._past = past
        self._meter_ids = np.array(sorted(meter_ids), np.int32)

    def __getattr__(self, name):
        return getattr(self._past, name)

    def held_parts(self, kind, period, meter_ids=None):
        if kind is not ProfileKind.BLOCK_LOAD:
            return self._past.held_parts(kind, period, meter_ids)
        starts = np.arange(period.start_s // 900 * 900, period.end_s, 900, np.int64)
        count = len(self._meter_ids)
        return [(np.repeat(self._meter_ids, len(starts)), np.tile(starts, count))]


class Reader:
    """One head-end of the mohalla."""

    def __init__(self, mohalla, settings, **ports):
        self.mohalla = mohalla
        self.settings = settings
        self.named = ports
        self.contacts = []
        self.beats = self.most_octets = 0
        self.was_paused = False
        self.raised = set()

    async def begin(self):
        """Start, or start again."""
        ports = ports_of(self.mohalla.records)
        past = ports.past if self.mohalla.with_blocks else BlocksKept(ports.past, self.mohalla.meters)
        ports = replace(ports, landing=self.mohalla.landing, past=past, **self.named)
        self.headend = HeadEnd(ports, self.mohalla.server_clock, RING, self.settings, self.publish)
        self.task = asyncio.create_task(self.headend.run())
        beats = self.beats
        await self.mohalla.until(lambda: self.beats > beats)
        return self

    async def end(self):
        """Stop as SIGTERM would."""
        await self.headend.stop()
        await self.task

    def publish(self, topic, payload):
        if topic == "contacts":
            self.contacts += payload
        elif topic == "heartbeat":
            self.beats += 1
            self.beat = payload
            self.most_octets = max(self.most_octets, payload.queue_octets)
            self.was_paused |= self.metric("push_paused") == 1
            self.raised |= {alarm.code for alarm in payload.alarms}

    def alarms(self):
        return {alarm.code: alarm.detail for alarm in self.headend.alarms}

    def tells(self, code):
        """Whether an alarm stands, for people and as a metric alike."""
        stands = code in self.alarms()
        assert bool(self.metric("alarm", code=code)) is stands
        return stands

    def metric(self, name, **labels):
        return self.headend.metrics.registry.get_sample_value(f"bijlighar_{name}", labels) or 0

    def outcomes(self):
        return Counter(contact.outcome.value for contact in self.contacts)


class Mohalla:
    """``async with`` it: meters answer; ``reader`` begins head-ends. ``door`` is where meters dial in.

    ``clock`` the meters' time; ``server`` makes the head-end's of it; ``files``, ``busy_s`` as of the records
    ``with_blocks`` read blocks too, as the settings say
    """

    def __init__(
        self,
        town,
        folder,
        *,
        url,
        calls=(),
        now_s=NOW_S + 1_800,  # a clock may be a quarter of an hour behind
        server=lambda clock: clock,
        files=Files,
        busy_s=BUSY_S,
        with_blocks=False,
    ):
        self.clock = FixedClock(float(now_s))
        self.server_clock = server(self.clock)
        self.folder = folder
        self.url = url
        self.disk = {"files": files, "busy_s": busy_s}
        self.with_blocks = with_blocks
        self.lab = build(town, now_s=now_s, calls=calls)
        self.exchange = Exchange(lab=self.lab, clock=self.clock)
        self.maker = PushMaker(self.lab)
        self.readers = []
        self.dialling = None

    async def __aenter__(self):
        self.port = await self.switch_on()
        self.records = Records(self.url, self.folder, now=self.server_clock.now, **self.disk)
        self.landing = Watched(self.records.landing)
        registry.write(self.lab.town, self.folder / "sheets", self.port)
        report = import_registry(self.records, self.folder / "sheets", RING)
        assert report.error_count == 0, report
        self.meters = {meter.meter_id: meter for meter in self.records.registry.meters()}
        return self

    async def __aexit__(self, *_):
        for reader in self.readers:
            if not reader.task.done():
                await reader.end()
        await self.hang_up()
        await self.switch_off()
        self.records.close()

    async def switch_on(self, port=0):
        """All meters answer."""
        bound, self.stop = asyncio.get_running_loop().create_future(), asyncio.Event()
        self.serving = asyncio.create_task(serve(self.exchange, listener(port), bound.set_result, self.stop))
        return await bound

    async def switch_off(self):
        """No meter answers, and whatever was under way is torn."""
        self.stop.set()
        await self.serving

    async def reader(self, settings=SETTINGS, **ports):
        reader = Reader(self, settings, **ports)
        self.readers.append(reader)
        return await reader.begin()

    def dial(self, *ports, retry_s=0.05):
        """Who dials in calls these ports of loopback in turn."""
        doors = [("127.0.0.1", port) for port in ports]
        self.dialler = DialIn(self.exchange, self.maker, doors, retry_s=retry_s)
        self.dialling = asyncio.create_task(self.dialler.run())

    async def hang_up(self):
        if self.dialling is not None:
            self.dialling.cancel()
            await asyncio.gather(self.dialling, return_exceptions=True)
            self.dialling = None
            await self.until(lambda: not any(line.dialled for line in self.exchange.open))

    async def until(self, true):
        """Wait until something holds; a head-end that has failed fails the test."""
        async with asyncio.timeout(WHOLE_S):
            while not true():
                for reader in self.readers:
                    if reader.task.done():
                        reader.task.result()
                await asyncio.sleep(0.005)

    def whole(self, days=0):
        """Whether every midnight of all meters has landed."""
        return len(self.landing.rows) == (MIDNIGHTS + days) * len(self.meters)

    def numbers(self):
        """The meters' numbers in the town by those of the registry."""
        return {meter_id: self.lab.town.meter_at(meter.host) for meter_id, meter in self.meters.items()}

    def held(self):
        """Midnights by meter."""
        return Counter(meter_id for meter_id, _ in self.landing.rows)

    def kept(self, kind=ProfileKind.DAILY):
        """Rows of the store: meter and start."""
        meter_id, start_s = self.records.readings.held(kind, ALWAYS)
        return set(zip(meter_id.tolist(), start_s.tolist(), strict=True))

    def doubled(self):
        return [key for key, count in self.landing.all.items() if count > 1]


def listening(settings=SETTINGS, **limits):
    """Settings of a head-end at which meters may dial in."""
    return replace(settings, dial_in=DialInSettings(host="127.0.0.1", port=0, **limits))


SHORT_TENURE = TenureSettings(renew_s=0.1, fresh_s=2.0, held_s=4.0, taken_s=6.0)
