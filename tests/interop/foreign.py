"""The content of the foreign meter: a day of a single-phase meter, as plain numbers and as its objects."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

READER, SETTING, FIRMWARE, PUBLIC = 32, 48, 80, 16
LLS, HLS_AES, HLS_GMAC = 1, 2, 5
PASSWORD = b"12345678"
HLS_SECRET = b"0123456789ABCDEF"
SYSTEM_TITLE = bytes.fromhex("4d4d4d0000000001")
ENCRYPTION_KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
AUTHENTICATION_KEY = bytes.fromhex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf")
OFFSET_MIN = 330
"""Fielded Indian meters write their offset with this sign."""

MAX_PDU_OCTETS = 256
"""Small, so that a day of blocks needs many of them."""

CLOCK = "0.0.1.0.0.255"
INDIA = timezone(timedelta(minutes=OFFSET_MIN))
FIRST_DAY = datetime(2024, 6, 1, tzinfo=INDIA)
"""Long past on any machine: a row from the future would be kept apart."""

COLUMNS = {
    "voltage_mv": ("1.0.12.27.0.255", -2, 35, "u16", 10),
    "import_wh": ("1.0.1.29.0.255", 1, 30, "u32", 10),
    "import_vah": ("1.0.9.29.0.255", 1, 31, "u32", 10),
    "export_wh": ("1.0.2.29.0.255", 1, 30, "u32", 10),
    "export_vah": ("1.0.10.29.0.255", 1, 31, "u32", 10),
    "current_ma": ("1.0.11.27.0.255", -2, 33, "u16", 10),
}
"""Channel → OBIS code, scaler exponent, unit, data type, stored units per count."""

REGISTER = ("1.0.1.8.0.255", 123_456, 1, 30)
"""OBIS code, counts, scaler exponent, unit: 1,234,560 Wh."""


RELAYS = ("0.0.96.3.10.255", "0.1.96.3.10.255")
"""The meter's own relay and that of a load behind it, each with its own disconnect control, closed at first."""

DIRECT = 4
"""The control mode in which a remote reconnection closes the relay at once."""


def counts(row: int) -> dict[str, int]:
    """What the meter holds in block ``row``, in its own counts; every column and row differs."""
    return {
        "voltage_mv": 23_000 + 7 * row,
        "import_wh": 11 * row + 1,
        "import_vah": 12 * row + 2,
        "export_wh": 65_536 + row,
        "export_vah": 70_000 + 2 * row,
        "current_ma": 100 + 13 * row,
    }


def stamp(row: int) -> datetime:
    """The wall time at which block ``row`` ended."""
    return FIRST_DAY + timedelta(minutes=30 * (row + 1))


def date_time(wall: datetime) -> str:
    """COSEM date-time in hex."""
    octets = wall.year.to_bytes(2, "big") + bytes(
        [wall.month, wall.day, wall.isoweekday(), wall.hour, wall.minute]
    )
    return (octets + bytes([wall.second, 0]) + OFFSET_MIN.to_bytes(2, "big", signed=True) + b"\0").hex()


def _name(obis: str) -> str:
    return bytes(int(part) for part in obis.split(".")).hex()


def _captured(class_id: int, obis: str, attribute: int) -> list[Any]:
    return ["structure", [["u16", class_id], ["octets", _name(obis)], ["i8", attribute], ["u16", 0]]]


def _scaler(exponent: int, unit: int) -> list[Any]:
    return ["structure", [["i8", exponent], ["enum", unit]]]


def _relay(obis: str) -> dict[str, Any]:
    attributes = {"2": ["boolean", True], "3": ["enum", 1], "4": ["enum", DIRECT]}
    return {"class": 70, "obis": obis, "attributes": attributes}


def _row(row: int) -> list[Any]:
    held = counts(row)
    cells = [[COLUMNS[channel][3], held[channel]] for channel in COLUMNS]
    return ["structure", [["octets", date_time(stamp(row))], *cells]]


def _profile(obis: str, captured: list[Any], rows: list[Any], period_s: int) -> dict[str, Any]:
    attributes = {
        "2": ["array", rows],
        "3": ["array", captured],
        "4": ["u32", period_s],
        "5": ["enum", 1],
        "7": ["u32", len(rows)],
        "8": ["u32", len(rows)],
    }
    return {"class": 7, "obis": obis, "attributes": attributes}


def objects(rows: int, now: datetime) -> list[dict[str, Any]]:
    """Clock, nameplate, a register, the block load with its scalers."""
    columns = [_captured(8, CLOCK, 2)] + [_captured(3, column[0], 2) for column in COLUMNS.values()]
    scalers = [_captured(3, column[0], 3) for column in COLUMNS.values()]
    scaler_row = ["structure", [_scaler(column[1], column[2]) for column in COLUMNS.values()]]
    obis, held, exponent, unit = REGISTER
    texts = {
        "0.0.96.1.0.255": "MMM0000001",
        "0.0.96.1.2.255": "MMM-1",
        "0.0.96.1.1.255": "MMM",
        "1.0.0.2.0.255": "1.0",
    }
    registers = [
        {"class": 3, "obis": column[0], "attributes": {"2": ["u32", 0], "3": _scaler(column[1], column[2])}}
        for column in COLUMNS.values()
    ]
    return [
        {"class": 8, "obis": CLOCK, "attributes": {"2": ["octets", date_time(now)], "3": ["i16", OFFSET_MIN]}},
        {"class": 3, "obis": obis, "attributes": {"2": ["u32", held], "3": _scaler(exponent, unit)}},
        *(
            {"class": 1, "obis": name, "attributes": {"2": ["octets", text.encode().hex()]}}
            for name, text in texts.items()
        ),
        *registers,
        *(_relay(name) for name in RELAYS),
        _profile("1.0.99.1.0.255", columns, [_row(row) for row in range(rows)], 1800),
        _profile("1.0.94.91.4.255", scalers, [scaler_row], 0),
    ]


def description(
    *, rows: int = 48, now: datetime = FIRST_DAY + timedelta(days=1), counter: str, hdlc_window: int = 0
) -> dict[str, Any]:
    """The meter, for the process that serves it; ``counter`` is where it shows its invocation counter.

    ``hdlc_window`` 0 = TCP wrapper, else HDLC over TCP with so many frames before an answer.
    """
    clients = [
        {"address": PUBLIC, "mechanism": 0, "secret": "", "ciphered": False},
        {"address": READER, "mechanism": LLS, "secret": PASSWORD.hex(), "ciphered": True},
        {"address": FIRMWARE, "mechanism": HLS_AES, "secret": HLS_SECRET.hex(), "ciphered": True},
        {"address": SETTING, "mechanism": HLS_GMAC, "secret": "", "ciphered": True},
    ]
    return {
        "host": "127.0.0.1",
        "port": 0,
        "system_title": SYSTEM_TITLE.hex(),
        "encryption_key": ENCRYPTION_KEY.hex(),
        "authentication_key": AUTHENTICATION_KEY.hex(),
        "max_pdu": MAX_PDU_OCTETS,
        "counter": counter,
        "hdlc_window": hdlc_window,
        "clients": clients,
        "objects": objects(rows, now),
    }
