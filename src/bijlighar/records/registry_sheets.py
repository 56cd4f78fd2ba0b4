"""The registry's CSV sheets: their columns, and what each cell may hold. Data and small parsers, no database.

UTF-8, comma-separated, one header row, columns in any order. Places in degrees WGS 84. Whatever is wrong is told
by row and column; the value itself is never repeated, because the sheet of keys is read here too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bijlighar.cim.gateway_address import GatewayAddressRefused, parse_gateway_address
from bijlighar.cim.network import MeterCategory, UsagePointKind

CELL_LIMIT = 500
"""Characters in one cell: an address is long at 200."""

SECRET_LIMIT = 64
"""Octets of a reader secret; IS 15959 uses 8 to 16."""

KEY_OCTETS = 16
"""AES-128, security suite 0."""

KVA_LIMIT = 100_000
AMPERE_LIMIT = 10_000
LOAD_LIMIT_W = 100_000_000
"""Far above any distribution transformer, 11 kV feeder or sanctioned load: more is a slip of the unit."""

MOST_DIGITS = 12
TRANSFORMER_LIMIT = 1_000_000
"""Amperes and volts: far above any instrument transformer."""
REGISTER_LIMIT_WH = 10**15
"""What a register of the most digits counts to."""
RATIO_COLUMNS = ("ct_primary", "ct_secondary", "pt_primary", "pt_secondary")
REGISTER_COLUMNS = ("opening_wh", "closing_wh")
"""Columns of the sheet of meters that tell of the installation, not of the meter."""

_CODE = re.compile(r"[^\s,;\"'][^,;\"'\x00-\x1f]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_HOST = re.compile(r"[0-9A-Za-z.:_-]+")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection)."""


class CellRefused(Exception):
    """What a cell may not hold, in one sentence."""


Parser = Callable[[str], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetColumn:
    """A column. ``optional``: an empty cell, or no such column, means ``default``."""

    name: str
    parse: Parser
    optional: bool = False
    default: Any = None
    is_text: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A sheet. ``unique``: columns whose values may come only once; ``refers``: column to the sheet it names."""

    name: str
    key: str
    columns: tuple[SheetColumn, ...]
    unique: tuple[str, ...] = ()
    refers: tuple[tuple[str, str], ...] = ()


def _words(text: str) -> str:
    if len(text) > CELL_LIMIT:
        raise CellRefused(f"longer than {CELL_LIMIT} characters")
    if _CONTROL.search(text):
        raise CellRefused("holds a control character")
    if text.startswith("'") and text[1:2] in FORMULA:
        return text[1:]  # the export put the apostrophe there
    return text


def _code(text: str) -> str:
    text = _words(text)
    if not _CODE.fullmatch(text):
        raise CellRefused("is not a code: quotes, commas and semicolons have no place in one")
    return text


def _host(text: str) -> str:
    if not _HOST.fullmatch(_words(text)):
        raise CellRefused("is not a host name or an address")
    return text


def _gateway_address(text: str) -> str:
    try:
        parse_gateway_address(_words(text))
    except GatewayAddressRefused as refused:
        raise CellRefused(str(refused)) from None
    return text


def _whole(low: int, high: int) -> Parser:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise CellRefused("is not a whole number") from None
        if not low <= value <= high:
            raise CellRefused(f"is not between {low} and {high}")
        return value

    return parse


def _degrees(limit: int) -> Parser:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise CellRefused("is not a number of degrees") from None
        if not -limit <= value <= limit:
            raise CellRefused(f"is not between -{limit} and {limit} degrees")
        return value

    return parse


def _one_of(words: tuple[str, ...]) -> Parser:
    def parse(text: str) -> str:
        if text not in words:
            raise CellRefused(f"is not one of {', '.join(words)}")
        return text

    return parse


def _hex(octets: int) -> Parser:
    def parse(text: str) -> bytes:
        try:
            value = bytes.fromhex(text)
        except ValueError:
            raise CellRefused("is not hexadecimal") from None
        if len(value) != octets:
            raise CellRefused(f"has {len(value)} octets instead of {octets}")
        return value

    return parse


def _secret(text: str) -> bytes:
    value = text.encode()
    if len(value) > SECRET_LIMIT:
        raise CellRefused(f"is longer than {SECRET_LIMIT} octets")
    return value


def _column(name: str, parse: Parser) -> SheetColumn:
    return SheetColumn(name=name, parse=parse)


def _number(name: str, parse: Parser) -> SheetColumn:
    return SheetColumn(name=name, parse=parse, is_text=False)


def _optional(name: str, parse: Parser, default: Any) -> SheetColumn:  # noqa: ANN401 - a cell's default
    return SheetColumn(name=name, parse=parse, optional=True, default=default, is_text=isinstance(default, str))


_PLACE = (_optional("latitude", _degrees(90), None), _optional("longitude", _degrees(180), None))

SHEETS = {
    sheet.name: sheet
    for sheet in (
        Sheet(
            name="divisions",
            key="code",
            columns=(_column("code", _code), _column("name", _words), _optional("name_hi", _words, "")),
        ),
        Sheet(
            name="substations",
            key="code",
            columns=(_column("code", _code), _column("name", _words), _column("division", _code)),
            refers=(("division", "divisions"),),
        ),
        Sheet(
            name="feeders",
            key="code",
            columns=(
                _column("code", _code),
                _column("name", _words),
                _column("substation", _code),
                _number("limit_a", _whole(1, AMPERE_LIMIT)),
            ),
            refers=(("substation", "substations"),),
        ),
        Sheet(
            name="transformers",
            key="code",
            columns=(
                _column("code", _code),
                _column("name", _words),
                _column("feeder", _code),
                _number("rating_kva", _whole(1, KVA_LIMIT)),
                *_PLACE,
            ),
            refers=(("feeder", "feeders"),),
        ),
        Sheet(
            name="usage_points",
            key="code",
            columns=(
                _column("code", _code),
                _column("kind", _one_of(tuple(UsagePointKind))),
                _column("name", _words),
                _column("transformer", _code),
                _optional("phase", _one_of(("R", "Y", "B", "RYB")), "RYB"),
                _optional("sanctioned_load_w", _whole(0, LOAD_LIMIT_W), 0),
                _optional("address", _words, ""),
                *_PLACE,
            ),
            refers=(("transformer", "transformers"),),
        ),
        Sheet(
            name="meters",
            key="serial",
            columns=(
                _column("serial", _code),
                _column("system_title", _hex(8)),
                _column("category", _one_of(tuple(MeterCategory))),
                _column("model", _code),
                _column("usage_point", _code),
                _optional("host", _host, ""),
                _optional("port", _whole(1, 65_535), 4059),
                _optional("group", _words, ""),
                _optional("maker", _words, ""),
                _optional("register_digits", _whole(3, MOST_DIGITS), None),
                _optional("gateway_address", _gateway_address, None),
                *(_optional(name, _whole(1, TRANSFORMER_LIMIT), None) for name in RATIO_COLUMNS),
                *(_optional(name, _whole(0, REGISTER_LIMIT_WH), None) for name in REGISTER_COLUMNS),
            ),
            unique=("system_title", "usage_point"),
            refers=(("usage_point", "usage_points"),),
        ),
        Sheet(
            name="keys",
            key="serial",
            columns=(
                _column("serial", _code),
                _column("encryption_key", _hex(KEY_OCTETS)),
                _column("authentication_key", _hex(KEY_OCTETS)),
                _optional("reader_secret", _secret, b""),
                _optional("setting_secret", _hex(KEY_OCTETS), b""),
                _optional("master_key", _hex(KEY_OCTETS), b""),
            ),
            refers=(("serial", "meters"),),
        ),
    )
}
"""Every sheet by name, in the order in which they build on each other."""
