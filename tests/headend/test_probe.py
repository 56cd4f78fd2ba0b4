"""A probe of every make: what it measures is what the make is, and its draft reads the meter right."""

import asyncio
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bijlighar.cim.contacts import Outcome
from bijlighar.dlms import axdr
from bijlighar.dlms.association import Ciphering
from bijlighar.dlms.model import Quantity, Quirk, Stamp, parse_model
from bijlighar.dlms.models import load_model, model_names, model_text
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.profile import CaptureObject, Scaler, capture_objects_to_octets
from bijlighar.dlms.xdlms import AttributeRef
from bijlighar.headend.keys import MeterKeys
from bijlighar.headend.probe import NothingToRead, probe
from bijlighar.headend.probe.draft import category_of, draft_of
from bijlighar.headend.probe.findings import Findings
from bijlighar.headend.probe.nearest import differences, nearest_models
from bijlighar.headend.reading import Order
from bijlighar.headend.script import Get, ReadRefused
from bijlighar.headend.session import SessionEnd
from meterlab.lab import build, town_named
from meterlab.makes import Share
from meterlab.plans import ModelPlan

from .in_process import LOGS, NOW_S, Wire, held, keys_of, read, stored

SEED, HOME, TRANSFORMER = 7, 3, 11


def wire_of(name, now_s=NOW_S, **changes):
    """A meter of a make; ``changes`` of its model, as if it were another make still."""
    lab = build(town_named("trial", SEED, None, [Share(model=name)]), now_s=float(now_s))
    if changes:
        lab.objects._plans[name] = ModelPlan.of(replace(load_model(name), **changes))
    meter = TRANSFORMER if load_model(name).category == "D4" else HOME
    return Wire(lab, meter, now_s=now_s)


def probed(wire, keys=None, **more):
    told = []
    keys = keys or keys_of(wire.lab, wire.meter)
    findings = asyncio.run(probe(wire.dial, keys, now=lambda: float(wire.now_s), tell=told.append, **more))
    return findings, told


def drafted(findings):
    return parse_model(draft_of(findings), base=model_text)


@pytest.fixture(scope="module", params=model_names())
def every(request):
    wire = wire_of(request.param)
    return wire, load_model(request.param), *probed(wire)


def test_the_draft_differs_from_the_make_in_nothing_that_can_be_seen(every):
    _, model, findings, _ = every
    found = drafted(findings)
    unseen = set()
    if model.associations["reader"].ciphering is Ciphering.GENERAL_GLO:
        unseen |= {"reader", "setting"}  # a virtual meter answers both forms, glo is tried first
    assert set(differences(found, model)) <= unseen
    assert found.associations["setting"].mechanism is model.associations["setting"].mechanism
    assert findings.remarks == []


@pytest.mark.parametrize("kind", ["block-load", "daily", "billing", "event"])
def test_the_draft_reads_the_meter_right(every, kind):
    wire, _, findings, _ = every
    logs = tuple(Order(profile=f"event-{log}") for log in LOGS)
    _, batches = read(wire, *(logs if kind == "event" else (Order(profile=kind),)), model=drafted(findings))
    wanted = held(wire, kind)
    assert stored(batches, kind) == wanted
    assert len(wanted) > 12


def test_the_nearest_model_is_the_make_itself_or_its_twin(every):
    _, model, findings, _ = every
    (count, near), *_ = nearest_models(drafted(findings))
    assert near == model.name or not list(differences(load_model(near), model))
    assert f"# Nearest shipped model: {near} ({count} differences)." in draft_of(findings)


def test_what_was_measured_has_its_reason_beside_it(every):
    wire, model, findings, told = every
    text = draft_of(findings)
    assert f'stamp = "{model.stamp.value}"  # measured: the newest row\'s stamp was' in text
    assert f"newest_first = {str(model.newest_first).lower()}  # measured: by the stamp" in text
    assert "# measured: deviation " in text
    for quirk in model.quirks:
        assert f"# {quirk.value}: measured: " in text
    assert any(line.startswith("calling as public") for line in told)
    assert any(line.startswith("block-load: ") for line in told)
    keys = keys_of(wire.lab, wire.meter)
    for secret in (keys.encryption_key, keys.authentication_key, keys.reader_secret, keys.setting_secret):
        assert secret.hex() not in text
        assert secret.decode("latin-1") not in text + "\n".join(told)


def test_nothing_is_written_or_invoked(every):
    wire, *_ = every
    assert {type(request).__name__ for request in wire.asked} == {"Get"}


def test_a_meter_that_knows_no_range():
    findings, _ = probed(wire_of("is15959-d1", quirks=frozenset({Quirk.NO_RANGE})))
    assert drafted(findings).quirks == {Quirk.NO_RANGE}


def test_scalers_that_are_refused_are_asked_of_the_registers():
    findings, _ = probed(wire_of("d2-18-columns", quirks=frozenset({Quirk.SCALERS_REFUSED})))
    model = drafted(findings)
    assert model.quirks == {Quirk.SCALERS_REFUSED}
    assert model.profiles["block-load"].columns == load_model("d2-18-columns").profiles["block-load"].columns


def test_counters_that_are_not_public_begin_where_they_are_told():
    wire = wire_of("is15959-d1", quirks=frozenset({Quirk.COUNTER_NOT_PUBLIC}))
    wire.lab.state.next_received[wire.meter] = 70_000
    with pytest.raises(NothingToRead):
        probed(wire)
    findings, _ = probed(wire, first_counter=80_000)
    assert drafted(findings).quirks == {Quirk.COUNTER_NOT_PUBLIC}
    assert wire.lab.state.next_received[wire.meter].max() > 80_000


@pytest.mark.parametrize("hour", range(0, 24, 3))
@pytest.mark.parametrize("name", ["d1-11-columns", "d2-14-columns", "d3-15-columns", "is15959-d1"])
def test_stamps_order_and_quirks_are_found_at_any_hour(name, hour):
    findings, _ = probed(wire_of(name, now_s=NOW_S // 86_400 * 86_400 - 19_800 + hour * 3600 + 1000))
    model = load_model(name)
    found = drafted(findings)
    assert (found.newest_first, found.quirks, found.deviation_sign) == (
        model.newest_first,
        model.quirks,
        model.deviation_sign,
    )
    assert findings.stamp.value is model.stamp


def test_only_what_secrets_are_given_for_is_tried():
    wire = wire_of("is15959-d1")
    keys = keys_of(wire.lab, wire.meter)
    reader = MeterKeys(
        encryption_key=keys.encryption_key,
        authentication_key=keys.authentication_key,
        reader_secret=keys.reader_secret,
    )
    findings, _ = probed(wire, keys=reader)
    assert set(findings.associations) == {"public", "reader"}
    assert "# associations.setting: assumed, it did not open" in draft_of(findings)


def test_the_setting_client_reads_where_the_reader_may_not():
    wire = wire_of("d1-12-columns")
    keys = keys_of(wire.lab, wire.meter)
    setting = MeterKeys(
        encryption_key=keys.encryption_key,
        authentication_key=keys.authentication_key,
        setting_secret=keys.setting_secret,
    )
    findings, _ = probed(wire, keys=setting)
    assert set(findings.associations) == {"public", "setting"}
    assert len(drafted(findings).profiles["block-load"].columns) == 12


def test_without_any_secret_it_is_said_what_did_not_open():
    with pytest.raises(NothingToRead, match="reader was not tried"):
        probed(wire_of("is15959-d1"), keys=MeterKeys())


def test_wrong_keys_end_after_one_try_of_each_form():
    wire = wire_of("is15959-d1")
    with pytest.raises(NothingToRead, match="association refused"):
        probed(wire, keys=keys_of(wire.lab, HOME + 1))
    assert wire.served <= 1 + 4 + 5


def test_a_meter_of_no_category_is_known_by_phases_and_relay():
    findings, _ = probed(wire_of("d2-14-columns"))
    findings.nameplate = replace(findings.nameplate, category="", manufacturer='Ev"il\nMaker')
    assert category_of(findings)[0] == "D2"
    model = drafted(findings)
    assert (model.category, model.name) == ("D2", "draft-ev-il-maker-d2")
    findings.objects = {key: version for key, version in findings.objects.items() if key[0] != 70}
    assert category_of(findings)[0] == "D4"


def test_a_new_meter_without_rows_is_drafted_with_what_is_assumed():
    findings = Findings()
    text = draft_of(findings)
    assert parse_model(text, base=model_text).stamp is Stamp.END
    assert 'stamp = "end"  # assumed: not seen' in text


def test_objects_that_the_draft_does_not_name_are_listed():
    findings, _ = probed(wire_of("is15959-d1"))
    findings.objects[8192, Obis.parse("0.0.128.0.1.255")] = 0
    assert " 8192/0.0.128.0.1.255" in draft_of(findings)


def changed_block_load(*columns):
    model = load_model("is15959-d1")
    profile = model.profiles["block-load"]
    return {**model.profiles, "block-load": replace(profile, columns=(*profile.columns, *columns))}


def test_columns_and_units_that_no_model_knows_get_names_of_their_own():
    odd = Quantity(
        name="odd", column=CaptureObject(class_id=3, obis=Obis.parse("1.0.99.27.0.255")), type="u16", scaler=None
    )
    ohm = replace(
        odd,
        column=CaptureObject(class_id=3, obis=Obis.parse("1.0.98.27.0.255")),
        scaler=Scaler(exponent=-3, unit=38),
    )
    findings, _ = probed(wire_of("is15959-d1", profiles=changed_block_load(odd, ohm)))
    *_, first, second = drafted(findings).profiles["block-load"].columns
    assert (first.name, first.column, first.type) == ("c3-1-0-99-27-0-255-2", odd.column, "u16")
    assert (second.column, second.scaler) == (ohm.column, None)


def test_a_quantity_of_two_forms_keeps_both():
    model = load_model("is15959-d1")
    daily = model.profiles["daily"]
    whole = tuple(
        replace(q, scaler=Scaler(exponent=0, unit=30)) if q.name == "import-energy" else q for q in daily.columns
    )
    profiles = {**model.profiles, "daily": replace(daily, columns=whole)}
    found = drafted(probed(wire_of("is15959-d1", profiles=profiles))[0])
    assert found.profiles["daily"].columns[1].scaler.exponent == 0
    assert next(q for q in found.profiles["billing"].columns if q.column == whole[1].column).scaler.exponent == 1


def test_a_meter_that_hangs_up_at_one_question_answers_the_others():
    wire = wire_of("is15959-d1")
    through = wire.dial

    async def dial(association, script):
        return await through(association, hanging_up(script))

    wire.dial = dial
    findings, _ = probed(wire)
    assert any("daily" in remark or "1.0.99.2.0.255" in remark for remark in findings.remarks)
    assert findings.profiles["daily"].rows == 0
    assert findings.profiles["billing"].rows == 13


def hanging_up(script):
    """The script as it goes with a meter that cuts the line when its midnight rows are asked for."""
    daily = load_model("is15959-d1").profiles["daily"].obis
    request = next(script)
    while True:
        if isinstance(request, Get) and request.ref == AttributeRef(7, daily, 2):
            raise ReadRefused("the line for 1.0.99.2.0.255", "cut")
        try:
            answer = yield request
        except ReadRefused as refusal:
            request = script.throw(refusal)
        else:
            try:
                request = script.send(answer)
            except StopIteration as stop:
                return stop.value


def test_the_worked_draft_of_the_page_is_what_a_probe_writes():
    page = (Path(__file__).parents[2] / "docs" / "meter-models.md").read_text(encoding="utf-8")
    [lines] = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    text = draft_of(probed(wire_of("d1-11-columns"))[0])
    assert lines in text


QUANTITIES = load_model("is15959-d1").quantities.values()
CAPTURES = capture_objects_to_octets([quantity.column for quantity in QUANTITIES])
INSTANTS = (b"\x07\xea\x06\x0b\x04\x06\x00\x00\xff\x01\x4a\x00", b"\xff" * 12, b"\x07\xea" + b"\x63" * 10)
LEAVES = (
    lambda _: axdr.null(),
    lambda chance: axdr.octets(chance.randbytes(chance.choice((0, 3, 6, 12)))),
    lambda chance: axdr.octets(chance.choice(INSTANTS)),
    lambda chance: axdr.u8(chance.randrange(256)),
    lambda chance: axdr.u16(chance.randrange(65_536)),
    lambda chance: axdr.i8(chance.randrange(-128, 128)),
    lambda chance: axdr.enum(chance.randrange(256)),
    lambda chance: axdr.f32(chance.choice((0.5, float("nan"), float("inf")))),
    lambda _: axdr.utf8('"\n\x00]'),
)


def cell_of(chance, depth):
    if depth and chance.random() < 0.7:
        inner = [cell_of(chance, depth - 1) for _ in range(chance.randrange(6))]
        return chance.choice((axdr.structure, axdr.array))(inner)
    return chance.choice(LEAVES)(chance)


class Liar:
    """A meter that opens any association and answers any question with anything."""

    def __init__(self, chance):
        self.chance = chance
        self.asked = 0

    def answer(self, request):
        """Octets, or None for a refusal."""
        if request.ref.attribute == 3 and request.ref.class_id == 7 and self.chance.random() < 0.4:
            return CAPTURES
        kind = self.chance.random()
        return (
            None
            if kind < 0.2
            else self.chance.randbytes(20)
            if kind < 0.3
            else axdr.encode(cell_of(self.chance, 3))
        )

    async def dial(self, _, script):
        request = next(script)
        try:
            while True:
                self.asked += 1
                octets = self.answer(request)
                refused = ReadRefused("it", "object-undefined")
                request = script.throw(refused) if octets is None else script.send(octets)
        except StopIteration:
            pass
        return SessionEnd(
            outcome=Outcome.OK,
            detail="",
            connected=True,
            opened=True,
            value=None,
            octets_sent=0,
            octets_received=0,
            latency_ms=0,
            next_counter=1,
        )


@pytest.mark.parametrize("seed", range(80))
def test_a_meter_that_lies_costs_a_useful_draft_and_nothing_else(seed):
    keys = MeterKeys(
        encryption_key=b"e" * 16, authentication_key=b"a" * 16, reader_secret=b"secret01", setting_secret=b"s" * 16
    )
    liar = Liar(random.Random(seed))
    findings = asyncio.run(probe(liar.dial, keys, now=lambda: float(NOW_S), tell=lambda _: None, draw=bytes))
    assert drafted(findings).category in ("D1", "D2", "D3", "D4")
    assert liar.asked < 600
