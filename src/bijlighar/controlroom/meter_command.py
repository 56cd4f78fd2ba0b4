"""``bijlighar meter read``: one meter, real or virtual, read once without any records."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.controlroom.instants import iso, parse_period
from bijlighar.controlroom.meter_options import (
    AddressOctets,
    AuthenticationKey,
    CannotRead,
    EncryptionKey,
    Framing,
    KeySheet,
    MeterFraming,
    ModelsDir,
    PhysicalAddress,
    Place,
    ReaderSecret,
    SettingSecret,
    given_keys,
    known_model,
    line_of,
    parse_place,
    refuse,
)

MOST_ROWS_SHOWN = 200
"""A table on a terminal; ``--json`` gives all rows."""

meter_commands = typer.Typer(help="One meter, without any records.", no_args_is_help=True)


def parse_kinds(names: list[str]) -> list[ProfileKind]:
    """Profile kinds by name, each once. Raises CannotRead."""
    try:
        return [ProfileKind(name) for name in dict.fromkeys(names)]
    except ValueError:
        raise CannotRead(f"--what is one of {', '.join(ProfileKind)}") from None


@meter_commands.command(name="read")
def read(
    place: Place,
    model: Annotated[
        str, typer.Option(help="Meter model by name, or the file of a drafted one.", metavar="NAME|FILE")
    ] = "is15959-d1",
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
    keys: KeySheet = None,
    reader_secret: ReaderSecret = "",
    setting_secret: SettingSecret = "",
    encryption_key: EncryptionKey = "",
    authentication_key: AuthenticationKey = "",
    framing: MeterFraming = Framing.WRAPPER,
    address_octets: AddressOctets = 1,
    physical_address: PhysicalAddress = None,
    models_dir: ModelsDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """Read one meter and print what it says. Ends with 1 when the meter did not answer as it should."""
    try:
        host, port = parse_place(place)
        kinds = parse_kinds(what or [ProfileKind.BLOCK_LOAD.value])
        period = _period(start, end)
        meter_keys = given_keys(
            keys,
            serial,
            reader_secret=reader_secret,
            setting_secret=setting_secret,
            encryption_key=encryption_key,
            authentication_key=authentication_key,
        )
        known = known_model(model, models_dir)
        line = line_of(framing, address_octets, physical_address)
    except (CannotRead, ValueError) as problem:
        refuse(problem)
    from bijlighar.headend.single import read_once  # noqa: PLC0415 (help stays quick)

    try:
        result = asyncio.run(read_once(host, port, known, meter_keys, kinds, period, serial=serial, hdlc=line))
    except Exception as problem:  # noqa: BLE001 (the outer edge: keys that the model needs)
        refuse(f"the meter at {place} cannot be read: {problem}")
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
