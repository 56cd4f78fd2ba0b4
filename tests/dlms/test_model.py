"""Meter models are data: the shipped ones hold what the sources say, and a wrong key is named."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bijlighar.dlms import axdr
from bijlighar.dlms.association import Ciphering, Mechanism
from bijlighar.dlms.clock import DeviationSign
from bijlighar.dlms.model import EventKind, MeterModel, ModelRefused, Quirk, Severity, Stamp, parse_model
from bijlighar.dlms.models import UnknownModel, load_model, model_names, model_text
from bijlighar.dlms.security import SecurityControl

D1, D2, D3 = "is15959-d1", "is15959-d2", "is15959-d3"
D4, FEEDER = "is15959-d4-transformer", "is15959-d4-feeder"
LAYOUTS = [name for name in model_names() if name.endswith("-columns")]


def test_the_shipped_models() -> None:
    assert {D1, D2, D3, D4, FEEDER} < set(model_names())
    assert [load_model(name).name for name in model_names()] == list(model_names())
    assert [load_model(name).category for name in (D1, D2, D3, D4, FEEDER)] == ["D1", "D2", "D3", "D4", "D4"]
    for name in model_names():
        model = load_model(name)
        assert model.has_relay == (model.category in ("D1", "D2")), name
        assert name.startswith(("is15959-", model.category.lower())), name
    for missing in ("_is15959", "../settings", ""):
        with pytest.raises(UnknownModel):
            load_model(missing)


def test_associations_of_is_15959() -> None:
    """meters.md 1.2 and 1.3: addresses, mechanisms, counters."""
    found = {
        name: (a.client_address, a.mechanism, a.ciphering, str(a.counter_obis))
        for name, a in load_model(D1).associations.items()
    }
    assert found == {
        "public": (16, Mechanism.NONE, Ciphering.NONE, "0.0.43.1.1.255"),
        "reader": (32, Mechanism.LLS, Ciphering.GLO, "0.0.43.1.2.255"),
        "setting": (48, Mechanism.HLS_AES, Ciphering.GLO, "0.0.43.1.3.255"),
        "push": (64, Mechanism.NONE, Ciphering.GENERAL_GLO, "0.0.43.1.4.255"),
    }
    assert load_model(D1).associations["reader"].protection == SecurityControl.AUTHENTICATED_ENCRYPTED


def columns(model: MeterModel, profile: str) -> list[str]:
    return [f"{q.column.class_id}/{q.column.obis}/{q.column.attribute}" for q in model.profiles[profile].columns]


def test_capture_lists_of_a_single_phase_meter() -> None:
    model = load_model(D1)
    assert columns(model, "block-load") == [
        "8/0.0.1.0.0.255/2",
        "3/1.0.12.27.0.255/2",
        "3/1.0.1.29.0.255/2",
        "3/1.0.9.29.0.255/2",
        "3/1.0.2.29.0.255/2",
        "3/1.0.10.29.0.255/2",
        "3/1.0.11.27.0.255/2",
    ]
    assert columns(model, "daily")[1:] == [f"3/1.0.{c}.8.0.255/2" for c in (1, 9, 2, 10)]
    assert columns(model, "instantaneous")[10:14] == [
        "4/1.0.1.6.0.255/2",
        "4/1.0.1.6.0.255/5",
        "4/1.0.9.6.0.255/2",
        "4/1.0.9.6.0.255/5",
    ]
    assert len(model.profiles["nameplate"].columns) == 8
    assert (model.profiles["block-load"].period_s, model.profiles["daily"].period_s) == (1800, 86_400)


def test_a_transformer_meter_counts_quarter_hours_and_four_quadrants() -> None:
    model = load_model(D4)
    assert model.profiles["block-load"].period_s == 900
    assert columns(model, "block-load")[-4:] == [f"3/1.0.{c}.29.0.255/2" for c in (5, 6, 7, 8)]
    assert not any(entry.class_id in (70, 71) for entry in model.objects.values())
    assert {q.type for q in model.profiles["block-load"].columns[1:4]} == {"u32"}


@pytest.mark.parametrize("name", model_names())
def test_every_profile_that_people_rely_on_is_there(name: str) -> None:
    model = load_model(name)
    logs = {
        f"event-{log}" for log in ("voltage", "current", "power", "transaction", "other", "nonrollover", "control")
    }
    assert set(model.profiles) == {"instantaneous", "block-load", "daily", "billing", "nameplate"} | logs
    for profile in model.profiles.values():
        assert profile.layout.clock_column == (None if profile.name in ("billing", "nameplate") else 0)
        scaled = any(scaler is not None for scaler in profile.layout.scalers)
        assert scaled == (profile.scaler_obis is not None), profile.name
    assert {code.log for code in model.event_codes.values()} == {log.removeprefix("event-") for log in logs}


def test_layouts_and_oddities_that_are_seen_on_live_meters() -> None:
    """The list of what fielded makes do differently, each of them carried by some layout."""
    models = [load_model(name) for name in LAYOUTS]
    assert {len(model.profiles["block-load"].columns) for model in models} == {9, 11, 12, 14, 15, 18}
    asked = {"capture-objects-refused", "cut-by-day", "range-by-day", "empty-range-ignored", "null-clocks"}
    assert {quirk.value for model in models for quirk in model.quirks} == asked
    assert {model.newest_first for model in models} == {True, False}
    assert {model.stamp for model in models} == set(Stamp)
    assert {model.deviation_sign for model in models} == set(DeviationSign)
    settings = {model.associations["setting"] for model in models}
    assert {access.mechanism for access in settings} == {Mechanism.HLS_AES, Mechanism.HLS_GMAC}
    assert {access.ciphering for access in settings} == {Ciphering.GLO, Ciphering.GENERAL_GLO}
    energies = [model.quantities["block-import"] for model in models]
    assert {(q.type, q.scaler.exponent) for q in energies if q.scaler} == {("u32", 0), ("u32", 1), ("f32", 3)}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_called_by_its_columns_and_says_how_sure_it_is(name: str) -> None:
    assert int(name.split("-")[1]) == len(load_model(name).profiles["block-load"].columns)
    head = model_text(name).split("extends")[0]
    assert "Follows:" in head
    assert ": B." in head
    assert ": C." in head


@pytest.mark.parametrize("name", [FEEDER, D4])
def test_meters_of_the_network_count_quarter_hours_and_four_quadrants(name: str) -> None:
    model = load_model(name)
    assert model.profiles["block-load"].period_s == 900
    assert columns(model, "block-load")[-4:] == [f"3/1.0.{c}.29.0.255/2" for c in (5, 6, 7, 8)]
    assert {q.name for q in model.profiles["nameplate"].columns} > {"ct-ratio", "pt-ratio"}


@pytest.mark.parametrize("name", model_names())
def test_every_type_of_a_quantity_is_a_constructor(name: str) -> None:
    for quantity in load_model(name).quantities.values():
        assert quantity.type == "instant" or callable(getattr(axdr, quantity.type))


@pytest.mark.parametrize("name", model_names())
def test_rights_name_known_associations_and_no_object_stands_twice(name: str) -> None:
    model = load_model(name)
    places = [(entry.class_id, entry.obis) for entry in model.objects.values()]
    assert len(places) == len(set(places))
    for entry in model.objects.values():
        assert set(entry.access) <= set(model.associations)
        assert not any(rights.write for who, rights in entry.access.items() if who != "setting")
        assert not any(rights.invoke for who, rights in entry.access.items() if who != "setting")
    assert model.objects["clock"].access["setting"].write == {2}
    assert model.objects["block-load"].access["reader"].read == set(range(1, 9))


def test_only_setting_may_switch_supply() -> None:
    relay = load_model(D1).objects["disconnect-control"]
    assert (relay.class_id, str(relay.obis)) == (70, "0.0.96.3.10.255")
    assert {who: rights.invoke for who, rights in relay.access.items()} == {"reader": set(), "setting": {1, 2}}


def test_event_codes_pair_and_have_two_languages() -> None:
    codes = load_model(D1).event_codes
    assert codes[301].kind is EventKind.OCCURRENCE
    assert codes[302].kind is EventKind.RESTORATION
    assert codes[301].key == codes[302].key
    assert {code for code, entry in codes.items() if entry.severity is Severity.CRITICAL} == {
        *(57, 59, 61, 65, 201, 203, 207, 251, 252, 253)
    }
    assert {code for code, entry in codes.items() if entry.severity is Severity.HIGH} == {51, 53, 55, 69, 209, 215}
    assert codes[252].key == codes[253].key == "relay-welded"
    for entry in codes.values():
        assert entry.name_en.isascii()
        assert any("\u0900" <= letter <= "\u097f" for letter in entry.name_hi), entry.name_hi
    restorations = [code for code, entry in codes.items() if entry.kind is EventKind.RESTORATION]
    assert all(codes[code - 1].key == codes[code].key for code in restorations)
    names = [(entry.key, entry.kind, entry.code) for entry in codes.values()]
    assert all(a[:2] != b[:2] or a[0] == "relay-welded" for a, b in pairwise(sorted(names)))


def test_status_bits() -> None:
    bits = load_model(D1).esw_bits
    assert sorted(bits) == [*range(13), 51, *range(81, 88)]
    assert (bits[85].key, bits[86].key) == ("last-gasp", "first-breath")


def test_traits_of_fielded_meters() -> None:
    model = load_model(D1)
    assert model.deviation_sign is DeviationSign.INDIAN
    assert model.default_offset_min == 330
    assert model.stamp is Stamp.END
    assert (model.newest_first, model.quirks) == (False, frozenset())
    energy = model.quantities["import-energy"]
    assert energy.scaler is not None
    assert (energy.type, energy.scaler.exponent, energy.scaler.symbol) == ("u32", 1, "Wh")


def extended(text: str, below: str = D1) -> MeterModel:
    return parse_model(f'extends = ["{below}"]\n{text}', base=model_text)


def test_a_make_is_a_few_lines_over_a_shipped_model() -> None:
    model = extended(
        'name = "some-make-d1"\nnewest_first = true\nquirks = ["null-clocks"]\n'
        '[associations.setting]\nmechanism = "hls-gmac"\n'
        '[profiles.block-load]\ncapture = ["clock", "block-voltage", "signal"]\n'
    )
    assert model.name == "some-make-d1"
    assert model.associations["setting"].mechanism is Mechanism.HLS_GMAC
    assert model.associations["setting"].client_address == 48
    assert model.newest_first
    assert model.quirks == {Quirk.NULL_CLOCKS}
    assert [q.name for q in model.profiles["block-load"].columns] == ["clock", "block-voltage", "signal"]
    assert model.profiles["daily"] == load_model(D1).profiles["daily"]


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ('name = "x"\nstamp = "middle"', "stamp", "possible are 'begin', 'end'"),
        ('name = "x"\n[associations.reader]\nmechanism = "lls2"', "associations.reader.mechanism", "'hls-gmac'"),
        (
            'name = "x"\n[associations.reader]\nclient_address = 0',
            "associations.reader.client_address",
            "1 to 127",
        ),
        (
            'name = "x"\n[associations.reader]\nciphering = "none"',
            "associations.reader.protection",
            "exactly when",
        ),
        ('name = "x"\n[associations.reader]\ncolour = 1', "associations.reader.colour", "not a known key"),
        ('name = "x"\n[profiles.daily]\ndepth = true', "profiles.daily.depth", "an integer is needed"),
        ('name = "x"\n[profiles.daily]\nobis = "1.0"', "profiles.daily.obis", "is not an OBIS code"),
        ('name = "x"\n[profiles.daily]\ncapture = []', "profiles.daily.capture", "possible are 1 to 128"),
        ('name = "x"\n[profiles.daily]\ncapture = ["clok"]', "profiles.daily.capture[0]", "named 'clok'"),
        ('name = "x"\n[profiles.new]\ncapture = ["clock"]', "profiles.new.obis", "is missing"),
        ('name = "x"\n[quantities.voltage]\ntype = "u24"', "quantities.voltage.type", "possible are"),
        ('name = "x"\n[quantities.voltage]\ntype = "instant"', "quantities.voltage.type", "exactly for the clock"),
        ('name = "x"\n[quantities.voltage]\nunit = "volt"', "quantities.voltage.unit", "'V'"),
        ('name = "x"\n[objects.clock]\naccess.guest = {}', "objects.clock.access.guest", "no association"),
        (
            'name = "x"\n[objects.clock]\naccess.public = { read = [0] }',
            "objects.clock.access.public.read",
            "1 to 127",
        ),
        ('name = "x"\n[event_codes]\nx = {}', "event_codes.x", "number from 0"),
        ('name = "x"\n[event_codes]\n301 = { log = "relay" }', "event_codes.301.log", "'control'"),
        ('name = "x"\n[esw_bits]\n128 = {}', "esw_bits.128", "0 to 127"),
        ('name = "x"\nquirks = ["late"]', "quirks", "'late'"),
        ('name = "x"\nprofiles = 1', "profiles", "a table is needed"),
        ("colour = 1", "colour", "not a known key"),
    ],
)
def test_a_wrong_key_is_named(text: str, key: str, reason: str) -> None:
    with pytest.raises(ModelRefused) as refused:
        extended(text)
    assert refused.value.key == key
    assert reason in refused.value.reason
    assert str(refused.value).startswith(refused.value.key)


def test_texts_that_are_no_model() -> None:
    with pytest.raises(ModelRefused, match="no TOML"):
        parse_model("name = ")
    with pytest.raises(ModelRefused, match="name: is missing"):
        parse_model("")
    with pytest.raises(ModelRefused, match="nothing to extend"):
        parse_model('extends = ["is15959-d1"]')
    with pytest.raises(ModelRefused, match="more than 8 texts"):
        parse_model('extends = ["self"]', base=lambda _: 'extends = ["self"]')
    with pytest.raises(UnknownModel, match="no meter model is named 'd9'"):
        parse_model('extends = ["d9"]', base=model_text)
