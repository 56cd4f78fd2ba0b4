"""``bijlighar meter conform``: what a meter does, clause by clause; a table, or JSON with every octet.

Secrets come as for ``meter read``; none of them is printed, also where it went over the line in clear.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from bijlighar.controlroom.meter_options import (
    AddressOctets,
    AuthenticationKey,
    CannotRead,
    EncryptionKey,
    FirstCounter,
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
from bijlighar.controlroom.probe_command import meter_commands

__all__ = ["meter_commands"]
"""With ``conform`` among them."""

_OCTETS_SHOWN = 48
"""Octets of a failed check's exchange on a terminal; ``--json`` gives all."""
_STYLES = {"pass": "green", "fail": "bold red", "not applicable": "dim"}


@meter_commands.command(name="conform")
def conform(
    place: Place,
    model: Annotated[
        str, typer.Option(help="Meter model by name, or the file of a drafted one.", metavar="NAME|FILE")
    ] = "is15959-d1",
    serial: Annotated[
        str | None, typer.Option(help="Serial that the meter must show; names the row of the sheet of keys.")
    ] = None,
    keys: KeySheet = None,
    reader_secret: ReaderSecret = "",
    setting_secret: SettingSecret = "",
    encryption_key: EncryptionKey = "",
    authentication_key: AuthenticationKey = "",
    counter: FirstCounter = 1,
    answer_s: Annotated[
        float, typer.Option("--answer", min=0.1, max=120, help="Seconds in which an answer must be there.")
    ] = 10.0,
    framing: MeterFraming = Framing.WRAPPER,
    address_octets: AddressOctets = 1,
    physical_address: PhysicalAddress = None,
    models_dir: ModelsDir = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object, with the octets of each check.")
    ] = False,
) -> None:
    """Try a meter clause by clause, without changing it. Ends with 1 when anything fails."""
    try:
        host, port = parse_place(place)
        meter_keys = given_keys(
            keys,
            serial,
            reader_secret=reader_secret,
            setting_secret=setting_secret,
            encryption_key=encryption_key,
            authentication_key=authentication_key,
        )
        known = known_model(model, models_dir)
        line = line_of(framing, address_octets, physical_address, answer_s)
    except CannotRead as problem:
        refuse(problem)
    report = _report(
        host, port, known, meter_keys, serial=serial, first_counter=counter, hdlc=line, wait_s=answer_s
    )
    if as_json:
        print(msgspec.json.encode(shown(report)).decode())  # noqa: T201 (what was asked for)
    else:
        _print(report, Console())
    if not report.conforms:
        raise typer.Exit(1)


def _report(host: str, port: int, model: Any, keys: Any, *, wait_s: float, **asked: Any) -> Any:  # noqa: ANN401
    from bijlighar.headend.conformance import LIMITS, bench_of, checks_of, conform  # noqa: PLC0415
    from bijlighar.headend.session import TimeLimits  # noqa: PLC0415

    limits = TimeLimits(connect_s=LIMITS.connect_s, answer_s=wait_s)
    bench = bench_of(host, port, model, keys, now=time.time, limits=limits, **asked)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"{host}:{port}", total=len(checks_of(bench)))
        return asyncio.run(conform(bench, tell=lambda _: progress.advance(task)))


def shown(report: Any) -> dict[str, Any]:  # noqa: ANN401 (headend.conformance.Report)
    """The report as plain values; octets as hexadecimal digits."""
    return {
        "conforms": report.conforms,
        "checks": [
            {
                "check": finding.name,
                "clause": finding.clause,
                "verdict": finding.verdict.value,
                "detail": finding.detail,
                "exchanges": [
                    {
                        "sent": exchange.sent.hex(),
                        "received": exchange.received.hex(),
                        "sent_plain": exchange.sent_plain.hex(),
                        "received_plain": exchange.received_plain.hex(),
                    }
                    for exchange in finding.exchanges
                ],
            }
            for finding in report.findings
        ],
    }


def _print(report: Any, console: Console) -> None:  # noqa: ANN401
    table = Table("", "check", "clause", "seen")
    for finding in report.findings:
        verdict = finding.verdict.value
        table.add_row(f"[{_STYLES[verdict]}]{verdict}[/]", finding.name, finding.clause, _plain(finding.detail))
    console.print(table)
    for finding in report.findings:
        if finding.verdict.value == "fail" and finding.exchanges:
            last = finding.exchanges[-1]
            console.print(f"{finding.name}:", style="bold", markup=False, highlight=False)
            for word, octets in (("sent", last.sent), ("came", last.received)):
                console.print(f"  {word} {_octets(octets)}", markup=False, highlight=False)
    counts = ", ".join(f"{sum(f.verdict.value == word for f in report.findings)} {word}" for word in _STYLES)
    console.print(counts, markup=False, highlight=False)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _octets(octets: bytes) -> str:
    if not octets:
        return "nothing"
    more = f" … {len(octets)} octets" if len(octets) > _OCTETS_SHOWN else ""
    return octets[:_OCTETS_SHOWN].hex(" ") + more
