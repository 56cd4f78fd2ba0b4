"""What a probe has found out about one meter; nothing here is assumed."""

from __future__ import annotations

from dataclasses import dataclass, field

from bijlighar.cim.exchange import Nameplate
from bijlighar.dlms.clock import DeviationSign
from bijlighar.dlms.model import AssociationAccess, Quirk, Stamp
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.profile import CaptureObject, Scaler

ObjectKey = tuple[int, Obis]
"""Class and logical name."""


@dataclass(slots=True, kw_only=True)
class ProfileFound:
    """One profile.

    ``captures`` None: the meter does not tell; ``scaler_lists`` attributes 3 and 2 of the scaler profile, A-XDR,
    None when refused or not asked; ``scalers`` by object, from that profile or from the registers themselves;
    ``types`` of the cells of its rows, None where none was seen; ``refused`` why it gives no rows.
    """

    name: str
    obis: Obis
    captures: tuple[CaptureObject, ...] | None = None
    scaler_lists: tuple[bytes, bytes] | None = None
    scalers: dict[Obis, Scaler] = field(default_factory=dict)
    types: tuple[str | None, ...] = ()
    rows: int = 0
    period_s: int | None = None
    depth: int | None = None
    refused: str = ""

    @property
    def clock_column(self) -> int | None:
        """Position of the clock; the first column where the meter does not tell and it looks like one."""
        if self.captures is None:
            return 0 if self.types[:1] == ("instant",) else None
        return next((n for n, column in enumerate(self.captures) if column.is_clock), None)


@dataclass(slots=True, kw_only=True)
class Measured:
    """A property of a make as it was seen, and why that is believed. ``value`` None: could not be seen."""

    value: object = None
    reason: str = "not seen"


@dataclass(slots=True, kw_only=True)
class Findings:
    """Everything that a probe saw.

    ``associations`` those that opened, by name; ``tried`` how the others went; ``objects`` versions, as the
    associations list them; ``clock_sign`` DeviationSign, ``newest_first`` bool, ``stamp`` Stamp; ``quirks`` with
    their reasons; ``remarks`` what went wrong on the way.
    """

    associations: dict[str, AssociationAccess] = field(default_factory=dict)
    tried: list[str] = field(default_factory=list)
    objects: dict[ObjectKey, int] = field(default_factory=dict)
    nameplate: Nameplate | None = None
    profiles: dict[str, ProfileFound] = field(default_factory=dict)
    clock_sign: Measured = field(default_factory=Measured)
    clock_offset_s: int | None = None
    newest_first: Measured = field(default_factory=Measured)
    stamp: Measured = field(default_factory=Measured)
    quirks: dict[Quirk, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def sign(self) -> DeviationSign:
        """The sign of the deviation, India's where it could not be seen."""
        value = self.clock_sign.value
        return value if isinstance(value, DeviationSign) else DeviationSign.INDIAN

    @property
    def stamps_begin(self) -> bool:
        """Whether a block is named by its begin."""
        return self.stamp.value is Stamp.BEGIN
