"""The supply system and its places: division, substation, feeder, distribution transformer, usage point, meter."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MeterCategory(StrEnum):
    """Categories of IS 15959 Parts 2 and 3 that the head-end reads."""

    D1 = "D1"  # single phase whole current, with relay
    D2 = "D2"  # three phase whole current, with relay
    D3 = "D3"  # LT-CT consumer, no relay
    D4 = "D4"  # HT, feeder and transformer meters, no relay

    @property
    def has_relay(self) -> bool:
        """True when supply can be switched through the meter."""
        return self in (MeterCategory.D1, MeterCategory.D2)


class UsagePointKind(StrEnum):
    """What a usage point measures."""

    CONSUMER = "consumer"
    TRANSFORMER = "transformer"
    FEEDER = "feeder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """An administrative area of the utility."""

    code: str
    name: str
    name_hi: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Substation:
    """A 33/11 kV substation."""

    code: str
    name: str
    division: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeder:
    """An 11 kV feeder of a substation. ``limit_a``: the current it may carry, in amperes."""

    code: str
    name: str
    substation: str
    limit_a: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transformer:
    """An 11/0.4 kV distribution transformer. Place in degrees WGS 84."""

    code: str
    name: str
    feeder: str
    rating_kva: int
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePoint:
    """A place where energy is measured: a consumer, a transformer or a feeder.

    ``phase``: "R", "Y", "B" or "RYB"; ``sanctioned_load_w`` in watts; ``transformer`` the code it hangs on.
    """

    code: str
    kind: UsagePointKind
    name: str
    transformer: str
    phase: str = "RYB"
    sanctioned_load_w: int = 0
    address: str = ""
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A meter as installed. It is known by its authenticated system title, never by its address.

    ``meter_id``     registry number, dense from 1, assigned by records
    ``system_title`` 8 octets
    ``model``        name of a meter model file
    ``host``, ``port`` where it, or its gateway, answers; ``host`` empty: it cannot be called and dials in
    ``group``        communication group (tower, gateway, dial-in pool)
    ``register_digits`` whole kilowatt-hours that its energy register shows before it begins anew; None: not known
    ``gateway_address`` behind a gateway: ``NETWORK/ADDRESS`` as in ``cim.gateway_address``; else empty
    """

    meter_id: int
    serial: str
    system_title: bytes
    category: MeterCategory
    model: str
    usage_point: str
    host: str
    port: int = 4059
    group: str = ""
    maker: str = ""
    register_digits: int | None = None
    gateway_address: str = ""
