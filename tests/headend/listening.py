"""A head-end over in-memory ports that hears the pushes of small D1 meters, made by hand."""

import asyncio
import contextlib
from dataclasses import replace
from functools import lru_cache

from bijlighar.dlms import axdr
from bijlighar.dlms.models import load_model
from bijlighar.dlms.notification import DataNotification, encode_notification, seal_push
from bijlighar.dlms.wrapper import WrapperLink
from bijlighar.headend.service import HeadEnd

from .doubles import RING, FixedClock, Store
from .fakes import KEYS, WHOLE_S, material
from .harness import serial_of, title_of
from .meters import NOON_S, block_row, daily_row, default_cell, stamp
from .pushing import SETTINGS

D1 = load_model("is15959-d1")


class PushStore(Store):
    """The ports' double, with windows and refused pushes."""

    def __init__(self):
        super().__init__()
        self.kept_windows = {}
        self.refused = []

    def ports(self):
        return replace(super().ports(), pushes=self)

    def land(self, readings, contacts, windows=()):
        super().land(readings, contacts)
        self.kept_windows |= {(window.system_title, window.key_id): window for window in windows}

    def windows(self):
        self._check()
        return list(self.kept_windows.values())

    def keep_refused(self, refused):
        self._check()
        self.refused += refused

    def rows(self):
        """(kind, meter, start) of every landed row."""
        return [
            (batch.kind.value, meter, start)
            for batch in self.landed
            for meter, start in zip(batch.meter_id.tolist(), batch.start_s.tolist(), strict=True)
        ]


def body(name, cells, device_id=b"KP000001"):
    """A push of D1 by its setup's name."""
    lead = [axdr.octets(device_id), axdr.octets(D1.pushes[name].obis.octets)]
    return axdr.encode(axdr.structure([*lead, *cells]))


def snapshot(at_s=NOON_S):
    return body(
        "instantaneous", [default_cell(quantity, at_s) for quantity in D1.profiles["instantaneous"].columns]
    )


def block(end_s=NOON_S):
    return body("block-load", block_row(end_s).value)


def blocks(ends_s):
    """The whole buffer as third element."""
    return body("block-load", [axdr.array([block_row(end_s) for end_s in ends_s])])


def daily(midnight_s):
    return body("daily", daily_row(midnight_s).value)


def alert(*bits, at_s=NOON_S, length=128):
    word = "".join("1" if bit in bits else "0" for bit in range(length))
    return body("alert", [stamp(at_s), axdr.bits(word)])


def notification(octets, instant=None):
    return DataNotification(invoke_id=1, instant=instant, octets=octets)


@lru_cache
def _material(meter, keys):
    return material(title_of(meter), keys)


def sealed(meter, counter, octets, *, keys=KEYS, instant=None, **named):
    """The APDU of meter number ``meter``."""
    return seal_push(notification(octets, instant), _material(meter, keys), counter, **named)


def plain(octets):
    return encode_notification(notification(octets))


def framed(apdu):
    return WrapperLink(1, 64).frame(apdu)


class Listening:
    """``async with`` it. Meters 1 to ``meters`` are in the registry."""

    def __init__(self, meters=3, *, store=None, settings=SETTINGS, model=None, **push):
        self.store = store or PushStore()
        self.clock = FixedClock(float(NOON_S))
        self.settings = replace(settings, push=replace(settings.push, **push))
        self.model = model
        self.news = {}
        self.open = []
        for n in range(1, meters + 1):
            if n not in self.store.registry:
                self.store.add_meter(n, "127.0.0.1", 1, keys=KEYS, serial=serial_of(n), title=title_of(n))

    async def __aenter__(self):
        named = {} if self.model is None else {"load_model": lambda _: self.model}
        self.headend = HeadEnd(self.store.ports(), self.clock, RING, self.settings, self.publish, **named)
        self.task = asyncio.create_task(self.headend.run())
        await self.until(lambda: self.headend.push.listener.port)
        self.desk = self.headend.push
        self.port = self.desk.listener.port
        return self

    async def __aexit__(self, *_):
        if not self.task.done():
            await self.headend.stop()
        await self.task
        for writer in self.open:
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

    async def beats(self, count):
        """Until the head-end has told ``count`` times more that it lives: what was on its way has been done."""
        told = len(self.news.get("heartbeat", [])) + count
        await self.until(lambda: len(self.news.get("heartbeat", [])) >= told)

    async def connect(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.open.append(writer)
        return reader, writer

    async def send(self, *apdus):
        _, writer = await self.connect()
        writer.write(b"".join(map(framed, apdus)))
        return writer

    def metric(self, name, **labels):
        return self.headend.metrics.registry.get_sample_value(f"bijlighar_{name}", labels) or 0

    def closed(self, reason):
        return self.metric("push_connections_closed_total", reason=reason)

    def reasons(self):
        return [push.reason for push in self.store.refused]

    def alarms(self):
        return {alarm.code: alarm.detail for alarm in self.headend.alarms}
