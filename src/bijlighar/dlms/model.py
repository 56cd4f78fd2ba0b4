"""A meter model: what must be known of a make of meter before speaking to it, as data (docs/meter-models.md).

Associations, quantities with their types and scalers, profiles, rights, event codes, status bits, and the oddities
of the make. A model's text is TOML; ``parse_model`` judges every key of it. What a meter itself tells (capture
objects, scalers) always wins over a model's defaults. Nothing here is sent or received.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from typing import Any, Final

from bijlighar.dlms.association import Ciphering, Mechanism
from bijlighar.dlms.clock import DeviationSign
from bijlighar.dlms.model_parts import (
    ESW_BITS,
    TYPES,
    AssociationAccess,
    EswBit,
    EventCode,
    EventKind,
    MeterModel,
    ModelObject,
    ModelPush,
    Profile,
    Quantity,
    Quirk,
    Rights,
    Severity,
    Stamp,
)
from bijlighar.dlms.profile import MAX_COLUMNS, UNIT_CODES, CaptureObject, Scaler
from bijlighar.dlms.security import SecurityControl
from bijlighar.dlms.toml_table import ModelRefused, TomlTable

__all__ = [
    "AssociationAccess",
    "EswBit",
    "EventCode",
    "EventKind",
    "MeterModel",
    "ModelObject",
    "ModelPush",
    "ModelRefused",
    "Profile",
    "Quantity",
    "Quirk",
    "Rights",
    "Severity",
    "Stamp",
    "merged_tables",
    "parse_model",
]

MAX_EXTENDS: Final = 8
"""Texts that stand behind one model; a longer chain is a circle."""

_MECHANISMS = {
    "none": Mechanism.NONE,
    "lls": Mechanism.LLS,
    "hls-aes": Mechanism.HLS_AES,
    "hls-gmac": Mechanism.HLS_GMAC,
}
_PROTECTIONS = {
    "none": SecurityControl(0),
    "authenticated": SecurityControl.AUTHENTICATED,
    "encrypted": SecurityControl.ENCRYPTED,
    "authenticated-encrypted": SecurityControl.AUTHENTICATED_ENCRYPTED,
}
_CIPHERINGS = {ciphering.value: ciphering for ciphering in Ciphering}
_SIGNS = {"indian": DeviationSign.INDIAN, "blue-book": DeviationSign.BLUE_BOOK}
_CATEGORIES = {category: category for category in ("A", "B", "C", "D1", "D2", "D3", "D4")}
_LOGS = ("voltage", "current", "power", "transaction", "other", "nonrollover", "control")
_READERS = ("reader", "setting")
_READABLE = {1: range(1, 3), 3: range(1, 4), 4: range(1, 6), 7: range(1, 9), 8: range(1, 10)}
"""Attributes of the classes that quantities and profiles have: all of them may be read."""


def parse_model(text: str, *, base: Callable[[str], str] | None = None) -> MeterModel:
    """A model from its TOML text. ``base`` gives the text of what it ``extends``. Raises ModelRefused."""
    table = TomlTable(merged_tables(text, base, depth=0))
    name = table.text("name")
    associations = {key: _association(key, entry) for key, entry in table.table("associations").tables()}
    known = {key: _quantity(key, entry) for key, entry in table.table("quantities").tables()}
    profiles = {key: _profile(key, entry, known) for key, entry in table.table("profiles").tables()}
    pushes = {key: _push(key, entry, known, profiles) for key, entry in table.table("pushes").tables()}
    listed = [_object(key, entry, associations) for key, entry in table.table("objects").tables()]
    codes = [_event_code(key, entry) for key, entry in table.table("event_codes").tables()]
    bits = [_esw_bit(key, entry) for key, entry in table.table("esw_bits").tables()]
    quantities = {quantity.name: quantity for profile in profiles.values() for quantity in profile.columns}
    model = MeterModel(
        name=name,
        category=table.choice("category", _CATEGORIES),
        has_relay=table.boolean("has_relay"),
        stamp=table.choice("stamp", {stamp.value: stamp for stamp in Stamp}),
        newest_first=table.boolean("newest_first"),
        deviation_sign=table.choice("deviation_sign", _SIGNS),
        default_offset_min=table.integer("default_offset_min", range(-720, 841)),
        associations=associations,
        quantities=quantities,
        profiles=profiles,
        objects=_all_objects(listed, quantities, profiles),
        event_codes={code.code: code for code in codes},
        esw_bits={bit.bit: bit for bit in bits},
        quirks=_quirks(table),
        pushes=pushes,
    )
    table.finish()
    return model


def merged_tables(text: str, base: Callable[[str], str] | None, depth: int = 0) -> dict[str, Any]:
    """The tables of a text over those of what it extends; later names win, lists are replaced whole.

    Raises ModelRefused.
    """
    try:
        own = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ModelRefused("", f"the text is no TOML: {error}") from None
    names = TomlTable(own).strings("extends") if "extends" in own else []
    own.pop("extends", None)
    if names and base is None:
        raise ModelRefused("extends", "there is nothing to extend here")
    if names and depth >= MAX_EXTENDS:
        raise ModelRefused("extends", f"more than {MAX_EXTENDS} texts one upon the other")
    result: dict[str, Any] = {}
    for name in names:
        assert base is not None, "checked above"
        result = _over(result, merged_tables(base(name), base, depth + 1))
    return _over(result, own)


def _over(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    result = dict(lower)
    for key, value in upper.items():
        below = result.get(key)
        result[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def _association(name: str, table: TomlTable) -> AssociationAccess:
    access = AssociationAccess(
        name=name,
        client_address=table.integer("client_address", range(1, 128)),
        mechanism=table.choice("mechanism", _MECHANISMS),
        ciphering=table.choice("ciphering", _CIPHERINGS),
        protection=table.choice("protection", _PROTECTIONS),
        counter_obis=table.optional("counter_obis", table.obis),
        object_obis=table.optional("object_obis", table.obis),
    )
    if (access.ciphering is Ciphering.NONE) is not (access.protection == 0):
        raise table.refused("protection", "is none exactly when ciphering is none")
    table.finish()
    return access


def _quantity(name: str, table: TomlTable) -> Quantity:
    column = CaptureObject(
        class_id=table.integer("class_id", range(1, 1 << 16)),
        obis=table.obis("obis"),
        attribute=table.integer("attribute", range(1, 128)) if table.has("attribute") else 2,
    )
    kind = table.choice("type", {name: name for name in TYPES})
    scaler = None
    if table.has("exponent") or table.has("unit"):
        exponent = table.integer("exponent", range(-30, 31))
        scaler = Scaler(exponent=exponent, unit=table.choice("unit", UNIT_CODES))
    if (kind == "instant") is not column.is_instant:
        raise table.refused("type", "is instant exactly for the clock, the billing date and capture times")
    table.finish()
    return Quantity(name=name, column=column, type=kind, scaler=scaler)


def _profile(name: str, table: TomlTable, known: Mapping[str, Quantity]) -> Profile:
    captured = table.strings("capture")
    if not 1 <= len(captured) <= MAX_COLUMNS:
        raise table.refused("capture", f"lists {len(captured)} columns, possible are 1 to {MAX_COLUMNS}")
    for position, quantity in enumerate(captured):
        if quantity not in known:
            raise table.refused(f"capture[{position}]", f"no quantity is named {quantity!r}")
    profile = Profile(
        name=name,
        obis=table.obis("obis"),
        scaler_obis=table.optional("scaler_obis", table.obis),
        period_obis=table.optional("period_obis", table.obis),
        period_s=table.optional("period_s", lambda key: table.integer(key, range(1, 366 * 86_400))),
        depth=table.integer("depth", range(1, 1 << 16)),
        columns=tuple(known[quantity] for quantity in captured),
    )
    table.finish()
    return profile


def _push(
    name: str, table: TomlTable, known: Mapping[str, Quantity], profiles: Mapping[str, Profile]
) -> ModelPush:
    columns = table.strings("capture") if table.has("capture") else []
    for position, quantity in enumerate(columns):
        if quantity not in known:
            raise table.refused(f"capture[{position}]", f"no quantity is named {quantity!r}")
    push = ModelPush(
        name=name,
        obis=table.obis("obis"),
        profile=table.optional("profile", lambda key: table.choice(key, {name: name for name in profiles})),
        columns=tuple(known[quantity] for quantity in columns),
    )
    table.finish()
    return push


def _object(name: str, table: TomlTable, associations: Mapping[str, AssociationAccess]) -> ModelObject:
    access = {}
    for association, entry in table.table("access").tables():
        if association not in associations:
            raise table.refused(f"access.{association}", "no association has this name")
        access[association] = Rights(
            read=entry.integers("read", range(1, 128)) if entry.has("read") else frozenset(),
            write=entry.integers("write", range(1, 128)) if entry.has("write") else frozenset(),
            invoke=entry.integers("invoke", range(1, 128)) if entry.has("invoke") else frozenset(),
        )
        entry.finish()
    result = ModelObject(
        name=name,
        class_id=table.integer("class_id", range(1, 1 << 16)),
        version=table.integer("version", range(256)) if table.has("version") else 0,
        obis=table.obis("obis"),
        access=access,
    )
    table.finish()
    return result


def _all_objects(
    listed: list[ModelObject], quantities: Mapping[str, Quantity], profiles: Mapping[str, Profile]
) -> dict[str, ModelObject]:
    """The listed objects, and those that quantities and profiles imply: reader and setting may read them."""
    implied = [(q.name, q.column.class_id, q.column.obis) for q in quantities.values()]
    for profile in profiles.values():
        implied.append((profile.name, 7, profile.obis))
        if profile.scaler_obis is not None:
            implied.append((f"{profile.name}-scalers", 7, profile.scaler_obis))
    result = {entry.name: entry for entry in listed}
    known = {(entry.class_id, entry.obis) for entry in listed}
    for name, class_id, obis in implied:
        if (class_id, obis) in known:
            continue
        known.add((class_id, obis))
        rights = Rights(read=frozenset(_READABLE.get(class_id, range(1, 3))))
        result[name] = ModelObject(
            name=name, class_id=class_id, version=0, obis=obis, access=dict.fromkeys(_READERS, rights)
        )
    return result


def _event_code(key: str, table: TomlTable) -> EventCode:
    code = EventCode(
        code=_number(key, table, range(1 << 16)),
        key=table.text("key"),
        log=table.choice("log", {log: log for log in _LOGS}),
        kind=table.choice("kind", {kind.value: kind for kind in EventKind}),
        severity=table.choice("severity", {severity.value: severity for severity in Severity}),
        name_en=table.text("en"),
        name_hi=table.text("hi"),
    )
    table.finish()
    return code


def _esw_bit(key: str, table: TomlTable) -> EswBit:
    bit = EswBit(
        bit=_number(key, table, range(ESW_BITS)),
        key=table.text("key"),
        name_en=table.text("en"),
        name_hi=table.text("hi"),
    )
    table.finish()
    return bit


def _number(key: str, table: TomlTable, allowed: range) -> int:
    if not key.isascii() or not key.isdigit() or int(key) not in allowed:
        raise table.refused("", f"the key is a number from {allowed.start} to {allowed.stop - 1}")
    return int(key)


def _quirks(table: TomlTable) -> frozenset[Quirk]:
    known = {quirk.value: quirk for quirk in Quirk}
    names = table.strings("quirks")
    for name in names:
        if name not in known:
            raise table.refused("quirks", f"holds {name!r}, possible are {', '.join(known)}")
    return frozenset(known[name] for name in names)
