"""``bijlighar meter read``: one meter, real or virtual, read once without any records.

Secrets come from options, from the environment or, best, from a sheet of keys that only its owner can read; none
of them is printed.
"""

from __future__ import annotations

import asyncio
import csv
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.controlroom.children import EXIT_USER_FAULT
from bijlighar.controlroom.instants import iso, parse_period

DEFAULT_PORT = 4059
MOST_ROWS_SHOWN = 200
"""A table on a terminal; ``--json`` gives all rows."""
_KEY_OCTETS = 16
_SECRET_COLUMNS = ("encryption_key", "authentication_key", "setting_secret")

meter_commands = typer.Typer(help="One meter, without any records.", no_args_is_help=True)


class CannotRead(Exception):
    """The command line asks for something that cannot be done; one sentence."""


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


def parse_kinds(names: list[str]) -> list[ProfileKind]:
    """Profile kinds by name, each once. Raises CannotRead."""
    try:
        return [ProfileKind(name) for name in dict.fromkeys(names)]
    except ValueError:
        raise CannotRead(f"--what is one of {', '.join(ProfileKind)}") from None


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


def _fail(sentence: str) -> typer.Exit:
    print(f"bijlighar: {sentence}", file=sys.stderr)  # noqa: T201 (the command line's own voice)
    return typer.Exit(EXIT_USER_FAULT)


def _secret(name: str, what: str) -> Any:  # noqa: ANN401
    return typer.Option(envvar=f"BIJLIGHAR_METER_{name}", show_envvar=True, help=what, metavar="SECRET")


@meter_commands.command(name="read")
def read(
    place: Annotated[
        str, typer.Argument(help="Where the meter answers; the port is 4059 unless named.", metavar="HOST[:PORT]")
    ],
    model: Annotated[str, typer.Option(help="Meter model, such as is15959-d1.")] = "is15959-d1",
    what: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(ProfileKind)}. Repeatable; block-load when left out.")
    ] = None,
    start: Annotated[
        str, typer.Option("--from", help="First instant: ISO 8601, a day, now, today or yesterday.", metavar="T")
    ] = "",
    end: Annotated[
        str, typer.Option("--to", help="End; a day means through its end. Now when left out.", metavar="T")
    ] = "",
    serial: Annotated[str | None, typer.Option(help="Serial that the meter must show.")] = None,
    keys: Annotated[
        Path | None, typer.Option(help="Sheet of keys (CSV as in the registry's keys.csv).", metavar="FILE")
    ] = None,
    reader_secret: Annotated[str, _secret("READER_SECRET", "Low-level secret of the meter reader, as text.")] = "",
    setting_secret: Annotated[str, _secret("SETTING_SECRET", "High-level secret, 32 hexadecimal digits.")] = "",
    encryption_key: Annotated[
        str, _secret("ENCRYPTION_KEY", "Global encryption key, 32 hexadecimal digits.")
    ] = "",
    authentication_key: Annotated[
        str, _secret("AUTHENTICATION_KEY", "Authentication key, 32 hexadecimal digits.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """Read one meter and print what it says. Ends with 1 when the meter did not answer as it should."""
    try:
        host, port = parse_place(place)
        kinds = parse_kinds(what or [ProfileKind.BLOCK_LOAD.value])
        period = _period(start, end)
        given = secrets_of_sheet(keys, serial) if keys is not None else {}
        named = {
            "reader_secret": reader_secret,
            "setting_secret": setting_secret,
            "encryption_key": encryption_key,
            "authentication_key": authentication_key,
        }
        meter_keys = keys_of({**given, **{name: value for name, value in named.items() if value}})
    except (CannotRead, ValueError) as problem:
        raise _fail(str(problem)) from None
    from bijlighar.headend.single import read_once  # noqa: PLC0415 (help stays quick)

    try:
        result = asyncio.run(read_once(host, port, model, meter_keys, kinds, period, serial=serial))
    except Exception as problem:  # noqa: BLE001 (the outer edge: an unknown model, or keys that the model needs)
        raise _fail(f"the meter at {place} cannot be read: {problem}") from None
    if as_json:
        print(msgspec.json.encode(shown(result)).decode())  # noqa: T201
    else:
        _print(result)
    if result.outcome.value != "ok":
        raise typer.Exit(1)


def _period(start: str, end: str) -> Period | None:
    if not start and not end:
        return None
    if not start:
        raise CannotRead("--to needs --from")
    return parse_period(start, end or "now", now_s=time.time())


def shown(result: Any) -> dict[str, Any]:  # noqa: ANN401 (headend.single.ReadOnce)
    """The reading as plain values; channels in their stored units, as their names say."""
    return {
        "outcome": result.outcome.value,
        "detail": result.detail,
        "nameplate": None if result.nameplate is None else msgspec.to_builtins(result.nameplate),
        "clock_offset_ms": result.clock_offset_ms,
        "signal_dbm": result.signal_dbm,
        "latency_ms": result.latency_ms,
        "readings": [
            {"kind": batch.kind.value, "period_s": batch.period_s, "rows": rows_of(batch)}
            for batch in result.readings
        ],
        "quarantined": len(result.quarantined),
        "faults": result.faults,
        "unmapped": sorted(result.unmapped),
    }


def rows_of(batch: ReadingBatch) -> list[dict[str, Any]]:
    """Rows with ``start`` as ISO 8601 and every channel; None where the meter gave no value."""
    return [
        {
            "start": iso(int(batch.start_s[row])),
            **{
                name: None if column[row] == MISSING else int(column[row])
                for name, column in batch.channels.items()
            },
        }
        for row in range(len(batch))
    ]


def _print(result: Any) -> None:  # noqa: ANN401
    console = Console()
    if result.nameplate is not None:
        plate = result.nameplate
        console.print(
            f"{plate.manufacturer} {plate.serial}, category {plate.category}, firmware {plate.firmware}",
            markup=False,
            highlight=False,
        )
    if result.outcome.value != "ok":
        console.print(f"{result.outcome.value}: {result.detail}", style="yellow", markup=False)
    for profile, faults in result.faults.items():
        console.print(f"{profile}: {'; '.join(faults)}", style="yellow", markup=False)
    for batch in result.readings:
        rows = rows_of(batch)
        table = Table(*(rows[0] if rows else ["start"]), title=f"{batch.kind.value}: {len(rows)} rows")
        for row in rows[:MOST_ROWS_SHOWN]:
            table.add_row(*("" if value is None else str(value) for value in row.values()))
        console.print(table)
        if len(rows) > MOST_ROWS_SHOWN:
            console.print(f"… and {len(rows) - MOST_ROWS_SHOWN} more rows; --json gives all")
