"""``bijlighar meter conform``: what a meter does, clause by clause; a table, or JSON with every octet.

Secrets come as for ``meter read``; none of them is printed, also where it went over the line in clear.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from bijlighar.controlroom.children import EXIT_USER_FAULT
from bijlighar.controlroom.meter_command import CannotRead, keys_of, parse_place, secrets_of_sheet
from bijlighar.controlroom.probe_command import (
    AuthenticationKey,
    EncryptionKey,
    ReaderSecret,
    SettingSecret,
    meter_commands,
)

__all__ = ["meter_commands"]
"""With ``conform`` among them."""

_MOST_COUNTER = (1 << 32) - 10_000_000
_OCTETS_SHOWN = 48
"""Octets of a failed check's exchange on a terminal; ``--json`` gives all."""
_STYLES = {"pass": "green", "fail": "bold red", "not applicable": "dim"}


@meter_commands.command(name="conform")
def conform(
    place: Annotated[
        str, typer.Argument(help="Where the meter answers; the port is 4059 unless named.", metavar="HOST[:PORT]")
    ],
    model: Annotated[
        str, typer.Option(help="Meter model by name, or the file of a drafted one.", metavar="NAME|FILE")
    ] = "is15959-d1",
    serial: Annotated[
        str | None, typer.Option(help="Serial that the meter must show; names the row of the sheet of keys.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="Sheet of keys (CSV as in the registry's keys.csv).", metavar="FILE")
    ] = None,
    reader_secret: ReaderSecret = "",
    setting_secret: SettingSecret = "",
    encryption_key: EncryptionKey = "",
    authentication_key: AuthenticationKey = "",
    counter: Annotated[
        int,
        typer.Option(
            min=1, max=_MOST_COUNTER, help="First invocation counter for a meter that does not tell its own."
        ),
    ] = 1,
    answer_s: Annotated[
        float, typer.Option("--answer", min=0.1, max=120, help="Seconds in which an answer must be there.")
    ] = 10.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object, with the octets of each check.")
    ] = False,
) -> None:
    """Try a meter clause by clause, without changing it. Ends with 1 when anything fails."""
    named = {
        "reader_secret": reader_secret,
        "setting_secret": setting_secret,
        "encryption_key": encryption_key,
        "authentication_key": authentication_key,
    }
    try:
        host, port = parse_place(place)
        given = secrets_of_sheet(keys, serial) if keys is not None else {}
        meter_keys = keys_of({**given, **{name: value for name, value in named.items() if value}})
        known = _model(model)
    except CannotRead as problem:
        print(f"bijlighar: {problem}", file=sys.stderr)  # noqa: T201 (the command line's own voice)
        raise typer.Exit(EXIT_USER_FAULT) from None
    report = _report(host, port, known, meter_keys, serial, counter, answer_s)
    if as_json:
        print(msgspec.json.encode(shown(report)).decode())  # noqa: T201 (what was asked for)
    else:
        _print(report, Console())
    if not report.conforms:
        raise typer.Exit(1)


def _model(named: str) -> Any:  # noqa: ANN401 (models load only when a meter is asked)
    """A shipped model by name, or that of a file. Raises CannotRead."""
    from bijlighar.headend.conformance.models import ModelNotFound, model_of  # noqa: PLC0415 (help stays quick)

    try:
        return model_of(named)
    except ModelNotFound as problem:
        raise CannotRead(str(problem)) from None


def _report(
    host: str,
    port: int,
    model: Any,  # noqa: ANN401
    keys: Any,  # noqa: ANN401
    serial: str | None,
    counter: int,
    answer_s: float,
) -> Any:  # noqa: ANN401
    from bijlighar.headend.conformance import CHECKS, LIMITS, bench_of, conform  # noqa: PLC0415
    from bijlighar.headend.session import TimeLimits  # noqa: PLC0415

    limits = TimeLimits(connect_s=LIMITS.connect_s, answer_s=answer_s)
    bench = bench_of(host, port, model, keys, now=time.time, serial=serial, first_counter=counter, limits=limits)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"{host}:{port}", total=len(CHECKS))
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
