"""Who answers: the nameplate, and whether it is the meter of the registry.

A meter is known by its authenticated system title and its serial, never by its address. When either differs,
nothing that it says is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from bijlighar.cim.exchange import Nameplate
from bijlighar.dlms import axdr
from bijlighar.dlms.axdr import Data
from bijlighar.dlms.errors import Malformed
from bijlighar.dlms.model import MeterModel
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.profile import CaptureObject, capture_objects_from_octets
from bijlighar.dlms.xdlms import AttributeRef
from bijlighar.headend.layouts import BUFFER, CAPTURE_OBJECTS, PROFILE_CLASS
from bijlighar.headend.script import Get, ReadRefused, Script, WrongMeter

NAMEPLATE = "nameplate"
MOST_TEXT_OCTETS = 64
"""No nameplate field is longer; a longer one is cut, so that a meter cannot fill the registry."""

SERIAL = Obis.parse("0.0.96.1.0.255")
_DEVICE_ID = Obis.parse("0.0.96.1.2.255")
_MANUFACTURER = Obis.parse("0.0.96.1.1.255")
_FIRMWARE = Obis.parse("1.0.0.2.0.255")
_METER_TYPE = Obis.parse("0.0.94.91.9.255")
_CATEGORY = Obis.parse("0.0.94.91.11.255")
_CURRENT_RATING = Obis.parse("0.0.94.91.12.255")
_YEAR = Obis.parse("0.0.96.1.4.255")
_CT_RATIO = Obis.parse("1.0.0.4.2.255")
_PT_RATIO = Obis.parse("1.0.0.4.3.255")
_DATA_CLASS, _VALUE = 1, 2


def read_nameplate(model: MeterModel, meter_id: int, serial: str | None, now_s: int) -> Script[Nameplate]:
    """Read the nameplate profile, or its objects one by one where the meter has no such profile.

    ``serial`` as in the registry, None to take any. Raises WrongMeter, and RemoteProtocolError for a nameplate
    that cannot be read.
    """
    cells = yield from _profile_cells(model)
    if cells is None:
        cells = yield from _single_cells()
    nameplate = _nameplate(cells, meter_id, now_s)
    if serial is not None and nameplate.serial != serial:
        raise WrongMeter(serial, nameplate.serial or "no serial")
    return nameplate


def read_serial(serial: str) -> Script[None]:
    """Ask for the serial alone. Raises WrongMeter, ReadRefused."""
    found = _text(axdr.decode((yield Get(AttributeRef(_DATA_CLASS, SERIAL, _VALUE)))))
    if found != serial:
        raise WrongMeter(serial, found or "no serial")


def _profile_cells(model: MeterModel) -> Script[dict[Obis, Data] | None]:
    profile = model.profiles.get(NAMEPLATE)
    if profile is None:
        return None
    columns: Sequence[CaptureObject] = profile.layout.capture_objects
    with suppress(ReadRefused):  # then the model's columns stand in
        listed = yield Get(AttributeRef(PROFILE_CLASS, profile.obis, CAPTURE_OBJECTS))
        columns = capture_objects_from_octets(listed)
    try:
        buffer = axdr.decode((yield Get(AttributeRef(PROFILE_CLASS, profile.obis, BUFFER))))
    except ReadRefused:
        return None
    rows = buffer.value
    if not isinstance(rows, tuple) or not rows or not isinstance(rows[-1].value, tuple):
        raise Malformed("the nameplate profile has no row")
    cells = rows[-1].value
    if len(cells) != len(columns):
        raise Malformed(f"the nameplate has {len(cells)} cells for {len(columns)} columns")
    return {column.obis: cell for column, cell in zip(columns, cells, strict=True)}


def _single_cells() -> Script[dict[Obis, Data]]:
    cells: dict[Obis, Data] = {}
    for obis in (SERIAL, _MANUFACTURER, _FIRMWARE):
        try:
            cells[obis] = axdr.decode((yield Get(AttributeRef(_DATA_CLASS, obis, _VALUE))))
        except ReadRefused:
            if obis is SERIAL:
                raise
    return cells


def _nameplate(cells: dict[Obis, Data], meter_id: int, now_s: int) -> Nameplate:
    return Nameplate(
        meter_id=meter_id,
        serial=_text(cells.get(SERIAL)),
        device_id=_text(cells.get(_DEVICE_ID)),
        manufacturer=_text(cells.get(_MANUFACTURER)),
        firmware=_text(cells.get(_FIRMWARE)),
        meter_type=_number(cells.get(_METER_TYPE)),
        category=_text(cells.get(_CATEGORY)),
        current_rating=_text(cells.get(_CURRENT_RATING)),
        year=_number(cells.get(_YEAR)),
        ct_ratio=_number(cells.get(_CT_RATIO)),
        pt_ratio=_number(cells.get(_PT_RATIO)),
        read_s=now_s,
    )


def _text(cell: Data | None) -> str:
    """A field as text: meters send names as octet-string, visible-string or number, some padded."""
    value = None if cell is None else cell.value
    if isinstance(value, bytes):
        value = value[:MOST_TEXT_OCTETS].decode("latin-1")
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return "".join(sign for sign in str(value)[:MOST_TEXT_OCTETS] if sign.isprintable()).strip()


def _number(cell: Data | None) -> int | None:
    value = None if cell is None else cell.value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = _text(cell)
    return int(text) if text.isascii() and text.isdigit() else None
