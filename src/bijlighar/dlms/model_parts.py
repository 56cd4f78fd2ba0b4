"""What a meter model consists of: the words that ``model`` reads and everybody else uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bijlighar.dlms.association import Ciphering, Mechanism
from bijlighar.dlms.clock import DeviationSign
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.profile import CaptureObject, ProfileLayout, Scaler
from bijlighar.dlms.security import SecurityControl

ESW_BITS: Final = 128
"""Bits of the event status word; bit 0 is the most significant of the first octet."""

TYPES: Final = (
    *("boolean", "enum", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64"),
    *("octets", "visible", "instant"),
)
"""Data types of quantities: A-XDR constructors by name, and "instant", a date-time in an octet-string."""


class Stamp(StrEnum):
    """Which end of a block its time stamp names."""

    BEGIN = "begin"
    END = "end"


class EventKind(StrEnum):
    """Whether an event begins or ends."""

    OCCURRENCE = "occurrence"
    RESTORATION = "restoration"


class Severity(StrEnum):
    """How soon a person must look at an event."""

    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


class Quirk(StrEnum):
    """What a make of meter does differently from what its standard says."""

    CAPTURE_OBJECTS_REFUSED = "capture-objects-refused"
    """Attribute 3 of profiles is not readable: the model's capture lists are all there is."""
    SCALERS_REFUSED = "scalers-refused"
    """Scaler profiles are not readable: the model's scalers are all there is."""
    NO_RANGE = "no-range"
    """Selective access by range is not known: whole buffers, or entries, are read."""
    RANGE_BY_DAY = "range-by-day"
    """A range is widened to, or must be, whole local days."""
    CUT_BY_DAY = "cut-by-day"
    """An answer of block load ends at a local midnight, however long the range: ask day by day."""
    EMPTY_RANGE_IGNORED = "empty-range-ignored"
    """A range without length is answered with the whole buffer."""
    NULL_CLOCKS = "null-clocks"
    """In profiles with a period a row that follows the one before by one period has no clock."""
    HLS_ZERO_PADDING = "hls-zero-padding"
    """Challenges that are no multiple of 16 octets are filled with zeros, not by PKCS 7."""
    COUNTER_NOT_PUBLIC = "counter-not-public"
    """Invocation counters are not readable by the public client: only our own record tells."""
    COUNTER_RESTARTS = "counter-restarts"
    """Its own invocation counter begins anew, at a restart or in every association: no replay is told by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationAccess:
    """How one kind of client associates.

    ``counter_obis`` its invocation counter, ``object_obis`` its association object.
    """

    name: str
    client_address: int
    mechanism: Mechanism
    ciphering: Ciphering
    protection: SecurityControl
    counter_obis: Obis | None
    object_obis: Obis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """Something that a profile captures. ``type`` is one of TYPES; ``scaler`` None where none applies."""

    name: str
    column: CaptureObject
    type: str
    scaler: Scaler | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile with its default capture list. ``period_s`` None where rows come by event; ``depth`` in rows."""

    name: str
    obis: Obis
    scaler_obis: Obis | None
    period_obis: Obis | None
    period_s: int | None
    depth: int
    columns: tuple[Quantity, ...]

    @property
    def layout(self) -> ProfileLayout:
        """The default layout."""
        return ProfileLayout(
            capture_objects=tuple(quantity.column for quantity in self.columns),
            scalers=tuple(quantity.scaler for quantity in self.columns),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Attributes that may be read or written, methods that may be invoked."""

    read: frozenset[int] = frozenset()
    write: frozenset[int] = frozenset()
    invoke: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelObject:
    """An object and, by name of association, what its clients may do. No entry means nothing."""

    name: str
    class_id: int
    version: int
    obis: Obis
    access: Mapping[str, Rights]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCode:
    """What a number in an event log means. ``key`` is the same for occurrence and restoration."""

    code: int
    key: str
    log: str
    kind: EventKind
    severity: Severity
    name_en: str
    name_hi: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EswBit:
    """What a bit of the event status word means."""

    bit: int
    key: str
    name_en: str
    name_hi: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPush:
    """A push setup by what it sends: device id, its own logical name, and then a row of ``profile``.

    ``profile`` None: clock and event status word instead. ``columns`` are those of the profile, the clock first,
    unless the make pushes others.
    """

    name: str
    obis: Obis
    profile: str | None
    columns: tuple[Quantity, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterModel:
    """A make of meter. ``objects`` holds those of quantities and profiles too, by name.

    ``quantities`` are those that some profile captures. ``default_offset_min`` is local time minus UTC where the
    meter leaves its deviation open. ``event_codes`` by code, ``esw_bits`` by bit, ``pushes`` by name.
    """

    name: str
    category: str
    has_relay: bool
    stamp: Stamp
    newest_first: bool
    deviation_sign: DeviationSign
    default_offset_min: int
    associations: Mapping[str, AssociationAccess]
    quantities: Mapping[str, Quantity]
    profiles: Mapping[str, Profile]
    objects: Mapping[str, ModelObject]
    event_codes: Mapping[int, EventCode]
    esw_bits: Mapping[int, EswBit]
    quirks: frozenset[Quirk]
    pushes: Mapping[str, ModelPush] = field(default_factory=dict)
