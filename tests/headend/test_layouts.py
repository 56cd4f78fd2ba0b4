from dataclasses import replace

import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.dlms import axdr
from bijlighar.dlms.clock import decode_instant
from bijlighar.dlms.errors import RemoteProtocolError
from bijlighar.dlms.model import Quirk
from bijlighar.headend.layouts import KeptLayout, LayoutBook, default_layout, read_layout
from bijlighar.headend.reading import selections
from bijlighar.headend.script import ReadRefused

from .doubles import Store
from .meters import D1, MIDNIGHT_S, NOON_S, buffer_ref, d1_meter

METER = d1_meter(lambda: NOON_S)


def answer(script, objects):
    """Run a script against objects, without any wire."""
    asked = []
    try:
        request = next(script)
        while True:
            asked.append(request.ref)
            octets = objects.get(request.ref)
            refused = ReadRefused("x", "object-undefined")
            request = script.throw(refused) if octets is None else script.send(octets)
    except StopIteration as stop:
        return stop.value, asked


@pytest.mark.parametrize(
    "profile", ["block-load", "daily", "instantaneous", "billing", "event-voltage", "event-power"]
)
def test_a_layout_read_from_a_meter_is_what_the_meter_has(profile):
    layout, _ = answer(read_layout(D1, profile), METER.objects)
    assert layout.from_meter
    assert layout.columns == D1.profiles[profile].layout
    assert layout.period_s == (D1.profiles[profile].period_s or 0)
    assert layout.stamps_end


def test_another_capture_period_is_the_meters_word():
    objects = METER.objects | {buffer_ref("block-load", 4): axdr.encode(axdr.u32(900))}
    assert answer(read_layout(D1, "block-load"), objects)[0].period_s == 900
    objects[buffer_ref("block-load", 4)] = axdr.encode(axdr.visible("often"))
    with pytest.raises(RemoteProtocolError, match="capture period"):
        answer(read_layout(D1, "block-load"), objects)


def test_a_meter_that_hides_its_scalers_gets_the_models():
    profile = D1.profiles["block-load"]
    objects = {ref: octets for ref, octets in METER.objects.items() if ref.obis != profile.scaler_obis}
    layout, _ = answer(read_layout(D1, "block-load"), objects)
    assert layout.from_meter
    assert layout.columns == profile.layout


def test_a_model_known_to_refuse_is_not_asked():
    closed = replace(D1, quirks=frozenset({Quirk.CAPTURE_OBJECTS_REFUSED}))
    layout, asked = answer(read_layout(closed, "block-load"), METER.objects)
    assert asked == []
    assert not layout.from_meter


@pytest.mark.parametrize("profile", list(D1.profiles))
def test_kept_layouts_come_back_as_they_were(profile):
    layout = default_layout(D1, profile)
    assert KeptLayout.from_octets(layout.to_octets()) == layout


@pytest.mark.parametrize("octets", [b"", b"\x01", b"\x09" * 40, default_layout(D1, "daily").to_octets()[:-1]])
def test_octets_that_are_no_layout_are_refused_and_count_as_none(octets):
    with pytest.raises(RemoteProtocolError):
        KeptLayout.from_octets(octets)
    store = Store()
    store.kept_layouts["m", "f", "daily"] = octets
    book = LayoutBook(store)
    book.load("m", "f", ["daily"])
    assert book.find("m", "f", "daily") is None


def test_the_book_keeps_finds_and_forgets():
    store = Store()
    layout = default_layout(D1, "daily")
    LayoutBook(store).keep("m", "f", "daily", layout)
    book = LayoutBook(store)
    assert book.find("m", "f", "daily") is None
    book.load("m", "f", ["daily", "billing"])
    assert book.find("m", "f", "daily") == layout
    book.forget("m", "f", "daily")
    book.load("m", "f", ["daily"])
    assert book.find("m", "f", "daily") is None  # doubted: the meter must be asked
    book.remember("m", "f", "daily", layout)
    assert book.find("m", "f", "daily") == layout


def asked_range(kind, start_s, end_s, *quirks, profile="block-load"):
    model = replace(D1, quirks=frozenset(quirks))
    ranges = selections(kind, Period(start_s=start_s, end_s=end_s), default_layout(model, profile), model)
    return [
        None if one is None else tuple(decode_instant(end, D1.deviation_sign) for end in (one.start, one.end))
        for one in ranges
    ]


def test_blocks_are_asked_for_by_the_stamps_of_their_ends():
    assert asked_range(ProfileKind.BLOCK_LOAD, MIDNIGHT_S, NOON_S) == [(MIDNIGHT_S + 1800, NOON_S)]
    assert asked_range(ProfileKind.BLOCK_LOAD, NOON_S, NOON_S + 1800) == [(NOON_S + 1800, NOON_S + 1800)]
    assert asked_range(ProfileKind.BLOCK_LOAD, NOON_S + 1, NOON_S + 1700) == []


def test_midnights_and_events_are_asked_for_as_they_are_stamped():
    daily = asked_range(ProfileKind.DAILY, MIDNIGHT_S, MIDNIGHT_S + 2 * 86_400, profile="daily")
    assert daily == [(MIDNIGHT_S, MIDNIGHT_S + 86_400)]
    events = asked_range(ProfileKind.EVENT, NOON_S + 7, NOON_S + 99, profile="event-power")
    assert events == [(NOON_S + 7, NOON_S + 98)]


def test_what_a_make_cannot_do_is_worked_around():
    day = 86_400
    block = ProfileKind.BLOCK_LOAD
    assert asked_range(block, NOON_S, NOON_S + 1800, Quirk.NO_RANGE) == [None]
    assert asked_range(block, NOON_S, NOON_S + 1800, Quirk.EMPTY_RANGE_IGNORED) == [(NOON_S + 1799, NOON_S + 1800)]
    assert asked_range(block, NOON_S, NOON_S + 3600, Quirk.RANGE_BY_DAY) == [(MIDNIGHT_S, MIDNIGHT_S + day - 1)]
    assert asked_range(block, NOON_S, NOON_S + 2 * day, Quirk.CUT_BY_DAY) == [
        (NOON_S + 1800, MIDNIGHT_S + day - 1),
        (MIDNIGHT_S + day, MIDNIGHT_S + 2 * day - 1),
        (MIDNIGHT_S + 2 * day, NOON_S + 2 * day),
    ]
