import pytest
import uvloop

from bijlighar.cim.contacts import Outcome
from bijlighar.cim.network import Meter, MeterCategory
from bijlighar.cim.period import Period
from bijlighar.dlms import axdr
from bijlighar.dlms.clock import decode_instant
from bijlighar.dlms.xdlms import DataAccessResult
from bijlighar.headend.clocksetting import ClockLimits
from bijlighar.headend.counters import CounterBook
from bijlighar.headend.layouts import LayoutBook
from bijlighar.headend.reading import Errand, Gathered, Order
from bijlighar.headend.visitor import Visitor, VisitSettings

from .doubles import FixedClock, Store
from .fakes import KEYS, SERIAL, TITLE
from .meters import CLOCK, D1, NOON_S, buffer_ref, d1_meter, plate

DAY = Period(start_s=NOON_S - 86_400, end_s=NOON_S)
BLOCKS = Order(profile="block-load", ranges=(DAY,))


class Desk:
    """One meter, one visitor, and what it needs."""

    def __init__(self, *, clock_limits=None, **meter):
        self.clock = FixedClock(float(NOON_S))
        self.meter = d1_meter(self.clock.now, **meter)
        self.store = Store()
        self.layouts = LayoutBook(self.store)
        self.visitor = Visitor(
            counters=CounterBook(self.store),
            clock=self.clock,
            settings=VisitSettings(clock=clock_limits or ClockLimits()),
        )

    async def visit(self, *orders, firmware=None, serial=SERIAL, keys=KEYS, **errand):
        meter = Meter(
            meter_id=1,
            serial=serial or "",
            system_title=TITLE,
            category=MeterCategory.D1,
            model="is15959-d1",
            usage_point="UP1",
            host=self.meter.host,
            port=self.meter.port,
        )
        whole = Errand(
            meter=meter,
            serial=serial,
            model=D1,
            firmware=firmware,
            orders=orders,
            layouts=self.layouts,
            now=self.clock.now,
            **errand,
        )
        return await self.visitor.visit(whole, keys, Gathered())

    def run(self, *visits):
        """Each visit is a function of the desk that returns a coroutine."""

        async def main():
            async with self.meter:
                return [await visit(self) for visit in visits]

        return uvloop.run(main())


def test_a_first_contact_reads_counter_nameplate_layout_and_blocks_in_one_association():
    desk = Desk()
    [visited] = desk.run(lambda d: d.visit(BLOCKS))
    gathered = visited.gathered
    assert (visited.outcome, visited.detail) == (Outcome.OK, "")
    assert desk.meter.associations == [16, 32]
    assert gathered.nameplate.serial == SERIAL
    assert gathered.nameplate.firmware == "F1.0"
    assert gathered.nameplate.year == 2024
    assert gathered.clock_offset_ms == 0
    assert gathered.signal_dbm == -87
    assert [layout.from_meter for layout in gathered.new_layouts.values()] == [True]
    assert gathered.reads[0].layout.columns == D1.profiles["block-load"].layout
    assert len(axdr.decode(gathered.reads[0].octets).value) == 48


def test_the_meters_own_counter_is_exceeded_and_the_next_visit_goes_on_from_there():
    desk = Desk(counters={32: 7_000, 48: -1})
    first, second = desk.run(lambda d: d.visit(BLOCKS), lambda d: d.visit(BLOCKS, firmware="F1.0"))
    assert first.outcome is second.outcome is Outcome.OK
    assert [one[:3] for one in desk.store.reservations] == [(1, 32, 0), (1, 32, 7_001)]
    assert desk.meter.associations == [16, 32, 32]
    assert second.gathered.new_layouts == {}


def test_a_counter_that_fell_behind_is_found_by_the_refusal_and_mended_in_the_next_visit():
    desk = Desk(counters={32: 90_000, 48: -1})
    desk.store.next_counter[1, 32] = 500  # restored from an old copy
    refused, good = desk.run(lambda d: d.visit(BLOCKS), lambda d: d.visit(BLOCKS))
    assert refused.outcome in (Outcome.REFUSED, Outcome.NOT_AUTHENTIC)
    assert good.outcome is Outcome.OK
    assert desk.store.reservations[-1][2] == 90_001


def test_another_serial_is_the_wrong_meter_and_nothing_of_it_is_kept():
    desk = Desk(serial="KP000099")
    [visited] = desk.run(lambda d: d.visit(BLOCKS))
    assert visited.outcome is Outcome.WRONG_METER
    assert "KP000099" in visited.detail
    assert visited.gathered.reads == []
    assert visited.gathered.nameplate is None


def test_a_serial_that_changes_later_is_found_by_asking_for_it_or_with_the_next_nameplate():
    desk = Desk()

    async def swap(d):
        plate(d.meter, "KP000099")

    _, _, asked, with_plate = desk.run(
        lambda d: d.visit(BLOCKS),
        swap,
        lambda d: d.visit(BLOCKS, firmware="F1.0", verify_serial=True),
        lambda d: d.visit(BLOCKS, firmware="F1.0", want_nameplate=True),
    )
    assert asked.outcome is with_plate.outcome is Outcome.WRONG_METER
    assert asked.gathered.reads == with_plate.gathered.reads == []


def test_another_system_title_is_the_wrong_meter():
    [visited] = Desk(title=b"KPS00077").run(lambda d: d.visit(BLOCKS))
    assert visited.outcome is Outcome.WRONG_METER
    assert visited.gathered.reads == []


def test_a_meter_that_does_not_tell_its_layout_is_read_with_the_models_and_marked():
    desk = Desk()
    desk.meter.objects[buffer_ref("block-load", 3)] = DataAccessResult.READ_WRITE_DENIED
    [visited] = desk.run(lambda d: d.visit(BLOCKS))
    assert visited.outcome is Outcome.OK
    assert not visited.gathered.new_layouts["block-load"].from_meter
    assert visited.gathered.new_layouts["block-load"].columns == D1.profiles["block-load"].layout


def test_a_refused_profile_leaves_the_others_and_makes_the_visit_incomplete():
    desk = Desk()
    desk.meter.objects[buffer_ref("daily")] = DataAccessResult.HARDWARE_FAULT
    [visited] = desk.run(lambda d: d.visit(Order(profile="daily"), BLOCKS))
    assert visited.outcome is Outcome.INCOMPLETE
    assert visited.detail == "daily hardware-fault"
    assert visited.gathered.finished == {"block-load"}


def test_what_was_read_before_a_reset_is_kept():
    desk = Desk()
    [_, visited] = desk.run(lambda d: d.visit(BLOCKS), _reset_after_blocks)
    assert visited.outcome is Outcome.RESET
    assert [read.order.profile for read in visited.gathered.reads] == ["block-load"]
    assert visited.gathered.finished == {"block-load"}


async def _reset_after_blocks(desk):
    def torn(_):
        desk.meter.reset_after = 0
        return axdr.encode(axdr.array([]))

    desk.meter.objects[buffer_ref("daily")] = torn
    return await desk.visit(BLOCKS, Order(profile="daily"), firmware="F1.0")


@pytest.mark.parametrize("offset_s", [90, -90, 0])
def test_a_clock_that_is_near_enough_is_left_alone(offset_s):
    desk = Desk()
    desk.meter.clock.offset_s = offset_s
    [visited] = desk.run(lambda d: d.visit(BLOCKS))
    assert visited.gathered.clock_offset_ms == offset_s * 1000
    assert visited.clock is None
    assert desk.meter.written == []


def _settable(desk):
    """The meter's clock obeys what is written."""

    def obey(_):
        if desk.meter.written:
            octets = axdr.decode(desk.meter.written[-1][1]).value
            desk.meter.clock.offset_s = decode_instant(octets, D1.deviation_sign) - desk.clock.now()
        return desk.meter.clock.read()

    desk.meter.objects[CLOCK] = obey


@pytest.mark.parametrize("offset_s", [300, -300])
def test_a_clock_that_is_too_far_off_is_set_and_read_back(offset_s):
    desk = Desk()
    _settable(desk)
    desk.meter.clock.offset_s = offset_s
    [visited] = desk.run(lambda d: d.visit(BLOCKS))
    assert visited.outcome is Outcome.OK
    assert visited.clock.succeeded
    assert visited.clock.after_ms == 0
    assert visited.gathered.clock_offset_ms == offset_s * 1000
    assert f"clock set, was {offset_s:+.1f} s, is +0.0 s" in visited.detail
    assert [ref for ref, _ in desk.meter.written] == [CLOCK]
    assert desk.meter.associations == [16, 32, 16, 48]


def test_a_clock_in_the_year_2000_is_not_set_without_leave():
    desk = Desk()
    desk.meter.clock.offset_s = 946_684_800 - NOON_S
    [visited] = desk.run(lambda d: d.visit(BLOCKS))
    assert not visited.clock.succeeded
    assert "too far to set without leave" in visited.detail
    assert desk.meter.written == []


def test_with_leave_even_a_clock_in_the_year_2000_is_set():
    desk = Desk(clock_limits=ClockLimits(allow_jump=True))
    _settable(desk)
    desk.meter.clock.offset_s = 946_684_800 - NOON_S
    [visited] = desk.run(lambda d: d.visit(BLOCKS))
    assert visited.clock.succeeded


def test_a_meter_that_does_not_obey_is_told_and_not_asked_all_the_time():
    desk = Desk()
    desk.meter.clock.offset_s = 300
    first, second = desk.run(lambda d: d.visit(BLOCKS), lambda d: d.visit(BLOCKS))
    assert not first.clock.succeeded
    assert "not as it was set" in first.detail
    assert second.clock is None
    assert len(desk.meter.written) == 1


def test_a_clock_that_is_not_set_is_told_and_set():
    desk = Desk()
    unset = axdr.encode(axdr.octets(bytes.fromhex("FFFFFFFFFFFFFFFFFF8000FF")))

    def answer(_):
        return desk.meter.clock.read() if desk.meter.written else unset

    desk.meter.objects[CLOCK] = answer
    [visited] = desk.run(lambda d: d.visit(BLOCKS))
    assert visited.outcome is Outcome.INCOMPLETE
    assert "clock is not set" in visited.detail
    assert visited.clock.succeeded


def test_a_meter_without_setting_secret_keeps_its_clock():
    desk = Desk()
    desk.meter.clock.offset_s = 300
    keys = type(KEYS)(
        encryption_key=KEYS.encryption_key,
        authentication_key=KEYS.authentication_key,
        reader_secret=KEYS.reader_secret,
    )
    [visited] = desk.run(lambda d: d.visit(BLOCKS, keys=keys))
    assert visited.clock is None


def test_a_larger_pdu_saves_round_trips():
    def sent(max_pdu):
        desk = Desk(max_pdu=4096)
        settings = VisitSettings(max_pdu=max_pdu)
        desk.visitor = Visitor(counters=CounterBook(desk.store), clock=desk.clock, settings=settings)
        [visited] = desk.run(lambda d: d.visit(BLOCKS))
        assert visited.outcome is Outcome.OK
        return visited.octets_sent

    assert sent(4096) < sent(1024) < sent(512)
