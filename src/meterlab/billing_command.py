"""``meterlab billing``: the stand-in billing server as a process of its own."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from bijlighar.headend.clock import TownClock
from meterlab.billing_accounts import contracts_of
from meterlab.billing_books import Books, Faults
from meterlab.billing_server import BillingServer

SECRET_VARIABLE = "BIJLIGHAR_BILLING_SECRET"  # noqa: S105 (where it stands, not what it is)
DEFAULT_PORT = 8461


def billing(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="TCP port; 0 = any free one.")] = DEFAULT_PORT,
    product: Annotated[
        str, typer.Option(help="Address of the control room, to which answers, dues and payments are told.")
    ] = "",
    registry: Annotated[
        Path | None,
        typer.Option(help="Folder of registry sheets: consumers, whose accounts it keeps; none: no amounts."),
    ] = None,
    clock: Annotated[Path | None, typer.Option(help="Clock file that a demo shares.")] = None,
    away: Annotated[int, typer.Option(min=0, help="Messages that are not answered before it serves.")] = 0,
    later: Annotated[bool, typer.Option("--later", help="Answers come in messages of their own.")] = False,
    twice: Annotated[bool, typer.Option("--twice", help="With --later: every answer comes twice.")] = False,
    wrong_kwh: Annotated[float, typer.Option(min=0, max=1, help="Share that is billed over other kWh.")] = 0.0,
    refused: Annotated[float, typer.Option(min=0, max=1, help="Share that is refused.")] = 0.0,
    nobody: Annotated[
        bool, typer.Option("--nobody", help="Dues and an account also for a usage point that is not there.")
    ] = False,
) -> None:
    """A stand-in billing server on loopback; its secret stands in BIJLIGHAR_BILLING_SECRET."""
    secret = os.environ.get(SECRET_VARIABLE, "")
    if not secret:
        typer.echo(f"meterlab: set {SECRET_VARIABLE}, the secret that both sides sign with", err=True)
        raise typer.Exit(2)
    faults = Faults(away=away, later=later, twice=twice, wrong_kwh=wrong_kwh, refused=refused, nobody=nobody)
    books = Books(faults=faults, contracts=contracts_of(registry))
    now = time.time if clock is None else TownClock.open(clock).now
    server = BillingServer(books, port=port, secret=secret, product=product, now=now)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: server.stop())
    typer.echo(f"meterlab: billing server ready at http://127.0.0.1:{server.port}/statements")
    server.serve()
