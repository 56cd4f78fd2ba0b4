"""What the commands for one meter share: where it answers, its secrets, and the one sentence of a user's fault.

Secrets come from options, from the environment or, best, from a sheet of keys that only its owner can read; none
of them is printed.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from bijlighar.controlroom.children import EXIT_USER_FAULT

DEFAULT_PORT = 4059
_KEY_OCTETS = 16
_SECRET_COLUMNS = ("encryption_key", "authentication_key", "setting_secret")
_MOST_COUNTER = (1 << 32) - 10_000_000
"""Room for the longest examination below the last counter."""


class CannotRead(Exception):
    """The command line asks for something that cannot be done; one sentence."""


class Framing(StrEnum):
    """What carries the APDUs to a meter."""

    WRAPPER = "wrapper"
    HDLC = "hdlc"


def _secret(name: str, what: str) -> Any:  # noqa: ANN401 (typer's own type of an option)
    return typer.Option(envvar=f"BIJLIGHAR_METER_{name}", show_envvar=True, help=what, metavar="SECRET")


Place = Annotated[
    str, typer.Argument(help="Where the meter answers; the port is 4059 unless named.", metavar="HOST[:PORT]")
]
KeySheet = Annotated[
    Path | None, typer.Option(help="Sheet of keys (CSV as in the registry's keys.csv).", metavar="FILE")
]
FirstCounter = Annotated[
    int,
    typer.Option(
        min=1, max=_MOST_COUNTER, help="First invocation counter for a meter that does not tell its own."
    ),
]
ReaderSecret = Annotated[str, _secret("READER_SECRET", "Low-level secret of the meter reader, as text.")]
SettingSecret = Annotated[str, _secret("SETTING_SECRET", "High-level secret, 32 hexadecimal digits.")]
EncryptionKey = Annotated[str, _secret("ENCRYPTION_KEY", "Global encryption key, 32 hexadecimal digits.")]
AuthenticationKey = Annotated[str, _secret("AUTHENTICATION_KEY", "Authentication key, 32 hexadecimal digits.")]
ModelsDir = Annotated[
    Path | None,
    typer.Option(
        envvar="BIJLIGHAR_MODELS_DIR",
        show_envvar=True,
        help="Folder of own meter models, NAME.toml.",
        metavar="DIR",
    ),
]
MeterFraming = Annotated[Framing, typer.Option("--framing", help="hdlc: behind a gateway that passes octets on.")]
AddressOctets = Annotated[int, typer.Option(min=1, max=4, help="Octets of the meter's HDLC address: 1, 2 or 4.")]
PhysicalAddress = Annotated[
    int | None, typer.Option(min=0, max=16_383, help="Its lower half, where it has 2 or 4.")
]


def parse_place(text: str) -> tuple[str, int]:
    """Host and port of ``HOST[:PORT]``; an IPv6 address with a port stands in brackets. Raises CannotRead."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, ""
    if not port:
        port = str(DEFAULT_PORT)
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) <= 65_535:
        raise CannotRead(f"{text!r} is no HOST[:PORT]")
    return host, int(port)


def secrets_of_sheet(path: Path, serial: str | None) -> dict[str, str]:
    """The row of a sheet of keys: of ``serial``, or the only one. Raises CannotRead."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.DictReader(file) if serial is None or row.get("serial") == serial]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise CannotRead(f"the sheet of keys {path} cannot be read: {problem}") from None
    if len(rows) != 1:
        raise CannotRead(f"{path} holds {len(rows)} rows for this meter; name one with --serial")
    return {name: value for name, value in rows[0].items() if name and value}


def given_keys(sheet: Path | None, serial: str | None, **named: str) -> Any:  # noqa: ANN401 (as keys_of)
    """The meter's keys: a row of the sheet, and over it the secrets that were named. Raises CannotRead."""
    given = secrets_of_sheet(sheet, serial) if sheet is not None else {}
    return keys_of({**given, **{name: value for name, value in named.items() if value}})


def keys_of(given: Mapping[str, str]) -> Any:  # noqa: ANN401 (the keys' type loads only when a meter is read)
    """Meter keys out of hexadecimal text; the reader's secret is text as it is. Raises CannotRead."""
    from bijlighar.headend.keys import MeterKeys  # noqa: PLC0415 (help stays quick)

    octets: dict[str, bytes] = {}
    for name in _SECRET_COLUMNS:
        try:
            octets[name] = bytes.fromhex(given.get(name, ""))
        except ValueError:
            raise CannotRead(f"{name} is not hexadecimal") from None
        if octets[name] and len(octets[name]) != _KEY_OCTETS:
            raise CannotRead(f"{name} has {_KEY_OCTETS} octets, {2 * _KEY_OCTETS} hexadecimal digits")
    return MeterKeys(**octets, reader_secret=given.get("reader_secret", "").encode())


def known_model(named: str, models_dir: Path | None) -> Any:  # noqa: ANN401 (models load when a meter is asked)
    """A model by name, shipped or of the folder, or that of a file. Raises CannotRead."""
    from bijlighar.headend.model_files import ModelsNotUsable, model_of  # noqa: PLC0415 (help stays quick)

    add_models(models_dir)
    try:
        return model_of(named)
    except ModelsNotUsable as problem:
        raise CannotRead(str(problem)) from None


def add_models(models_dir: Path | None) -> None:
    """Make the models of a folder known. Raises CannotRead."""
    from bijlighar.headend.model_files import ModelsNotUsable, add_models_of  # noqa: PLC0415 (help stays quick)

    try:
        add_models_of(models_dir)
    except ModelsNotUsable as problem:
        raise CannotRead(str(problem)) from None


def line_of(
    framing: Framing, address_octets: int, physical_address: int | None, answer_s: float | None = None
) -> Any:  # noqa: ANN401 (loads when a meter is asked)
    """How a meter is called over HDLC, None = TCP wrapper; ``answer_s`` None: as patient as a reading.

    Raises CannotRead for an address that does not fit.
    """
    from bijlighar.headend.octet_gateway import AddressDoesNotFit, hdlc_line  # noqa: PLC0415 (help stays quick)

    if framing is Framing.WRAPPER:
        return None
    try:
        return hdlc_line(address_octets, physical_address, answer_s)
    except AddressDoesNotFit as problem:
        raise CannotRead(str(problem)) from None


def tell(sentence: str) -> None:
    """A line on the other stream, so that standard output holds nothing but what was asked for."""
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201 (the command line's own voice)


def refuse(problem: object) -> NoReturn:
    """End with one sentence and the status of a user's fault."""
    tell(f"bijlighar: {problem}")
    raise typer.Exit(EXIT_USER_FAULT)
