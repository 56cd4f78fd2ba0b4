"""A D1 meter for tests, told by the model's own lists: its objects for ``FakeMeter``."""

from dataclasses import dataclass

from bijlighar.dlms import axdr
from bijlighar.dlms.clock import decode_instant, encode_instant
from bijlighar.dlms.models import load_model
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.profile import capture_objects_to_octets
from bijlighar.dlms.xdlms import AttributeRef

from .fakes import SERIAL, FakeMeter

D1 = load_model("is15959-d1")
MIDNIGHT_S = 1_781_116_200  # 2026-06-11 00:00 in Kanpur
NOON_S = MIDNIGHT_S + 12 * 3600
CLOCK = AttributeRef(8, Obis.parse("0.0.1.0.0.255"), 2)


def stamp(epoch_s):
    return axdr.octets(encode_instant(epoch_s, D1.deviation_sign))


def buffer_ref(profile, attribute=2):
    return AttributeRef(7, D1.profiles[profile].obis, attribute)


def block_row(end_s, **changes):
    """One block: import (in tens of Wh) tells its slot, so that a mix-up would show."""
    cells = [
        stamp(end_s),
        axdr.u16(23_000 + end_s // 1800 % 100),
        axdr.u32(end_s // 1800 % 50),
        axdr.u32(end_s // 1800 % 60),
        axdr.u32(0),
        axdr.u32(0),
        axdr.u16(512),
    ]
    for position, cell in changes.get("cells", {}).items():
        cells[position] = cell
    return axdr.structure(cells[: changes.get("columns", len(cells))])


def daily_row(midnight_s):
    return axdr.structure([stamp(midnight_s), *(axdr.u32(midnight_s // 86_400 * 10 + n) for n in range(4))])


def event_row(log, at_s, code):
    columns = D1.profiles[log].columns
    cells = {"instant": stamp(at_s), "u16": axdr.u16(code), "i8": axdr.i8(99), "u32": axdr.u32(7)}
    row = [cells[quantity.type] for quantity in columns]
    row[1] = axdr.u16(code)
    return axdr.structure(row)


def default_cell(quantity, now_s):
    cells = {
        "instant": stamp(now_s),
        "u8": axdr.u8(1),
        "i8": axdr.i8(98),
        "u16": axdr.u16(2300),
        "i32": axdr.i32(5),
        "u32": axdr.u32(1234),
        "boolean": axdr.boolean(True),
        "octets": axdr.octets(b"x"),
    }
    return cells[quantity.type]


@dataclass
class D1Clock:
    """The meter's own clock: ``offset_s`` from ``now``."""

    now: object
    offset_s: float = 0.0

    def read(self, _=None):
        return axdr.encode(stamp(int(self.now() + self.offset_s)))


def d1_meter(
    now, *, serial=SERIAL, firmware="F1.0", since_s=MIDNIGHT_S - 2 * 86_400, absent=(), rows=None, **faults
):
    """A fake D1 meter. ``since_s`` its first block, ``absent`` ends of blocks it lost, ``rows`` changed rows."""
    meter = FakeMeter(**faults)
    clock = meter.clock = D1Clock(now)
    rows = rows or {}
    meter.asked = []

    def listed(name, row_of, period_s):
        def answer(selection):
            meter.asked.append((name, selection))
            first_s, last_s = since_s, int(now() + clock.offset_s)
            if selection is not None:
                first_s = max(first_s, decode_instant(selection.start, D1.deviation_sign))
                last_s = min(last_s, decode_instant(selection.end, D1.deviation_sign))
            stamps = range(-(-(first_s + 19_800) // period_s) * period_s - 19_800, last_s + 1, period_s)
            return axdr.encode(axdr.array(rows.get(s) or row_of(s) for s in stamps if s not in absent))

        return answer

    def captured(name):
        def answer(_):
            meter.asked.append((name, None))
            cells = [default_cell(quantity, int(now())) for quantity in D1.profiles[name].columns]
            return axdr.encode(axdr.array([axdr.structure(cells)]))

        return answer

    for name, profile in D1.profiles.items():
        meter.objects[buffer_ref(name, 3)] = capture_objects_to_octets(profile.layout.capture_objects)
        meter.objects[buffer_ref(name, 4)] = axdr.encode(axdr.u32(profile.period_s or 0))
        meter.objects[buffer_ref(name)] = axdr.encode(axdr.array([]))
        if profile.scaler_obis is not None:
            lists = dict(zip((3, 2), profile.layout.scaler_profile(), strict=True))
            for attribute, octets in lists.items():
                meter.objects[AttributeRef(7, profile.scaler_obis, attribute)] = octets
    meter.objects |= {
        buffer_ref("block-load"): listed("block-load", block_row, 1800),
        buffer_ref("daily"): listed("daily", daily_row, 86_400),
        buffer_ref("instantaneous"): captured("instantaneous"),
        buffer_ref("billing"): captured("billing"),
        CLOCK: clock.read,
        AttributeRef(3, Obis.parse("0.1.96.12.5.255"), 2): axdr.encode(axdr.i8(-87)),
    }
    for address, last in ((32, 2), (48, 3)):
        ref = AttributeRef(1, Obis.parse(f"0.0.43.1.{last}.255"), 2)
        meter.objects[ref] = lambda _, address=address: axdr.encode(axdr.u32(max(meter.counters[address], 0)))
    plate(meter, serial, firmware)
    return meter


def plate(meter, serial, firmware="F1.0"):
    """Give the meter another nameplate."""
    cells = {
        "serial": axdr.octets(serial.encode()),
        "firmware": axdr.visible(firmware),
        "meter-type": axdr.u8(6),
        "year": axdr.u16(2024),
        "category": axdr.octets(b"D1"),
    }
    row = [cells.get(quantity.name, axdr.octets(b"x")) for quantity in D1.profiles["nameplate"].columns]
    meter.objects[buffer_ref("nameplate")] = axdr.encode(axdr.array([axdr.structure(row)]))
    meter.objects[AttributeRef(1, Obis.parse("0.0.96.1.0.255"), 2)] = axdr.encode(axdr.octets(serial.encode()))


def events(meter, log, *rows):
    """Fill an event log; (at_s, code) rows."""

    def answer(selection):
        meter.asked.append((log, selection))
        first_s = 0 if selection is None else decode_instant(selection.start, D1.deviation_sign)
        return axdr.encode(axdr.array(event_row(log, at_s, code) for at_s, code in rows if at_s >= first_s))

    meter.objects[buffer_ref(log)] = answer
