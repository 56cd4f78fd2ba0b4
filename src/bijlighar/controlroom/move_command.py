"""``bijlighar move``: the records to another database, while nothing uses them."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from bijlighar.controlroom.command_line import ConfigOption, DataOption, fail, settings_of


def move(
    to: Annotated[
        str,
        typer.Option(
            help="Where to: postgresql://USER@HOST/DATABASE, or sqlite:////PATH/records.db.", metavar="URL"
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only look whether it would go, and how much there is.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Move the records to another, empty database; readings stay. End head-ends and control room first."""
    from bijlighar.controlroom.supervisor import AlreadyRunning, DataDirLock  # noqa: PLC0415 (help stays quick)
    from bijlighar.operations.move import Move, move_records  # noqa: PLC0415
    from bijlighar.records.move import MoveRefused  # noqa: PLC0415
    from bijlighar.records.schema import SchemaTooNew  # noqa: PLC0415

    settings = settings_of(config, data)
    if not settings.database_url and not (settings.data_path / "records.db").exists():
        fail(f"there are no records in {settings.data_path}; name another place with --data or --config")
    asked = Move(
        source_url=settings.records_url,
        target_url=to,
        data_dir=settings.data_path,
        by=f"command line ({getpass.getuser()})",
        dry_run=dry_run,
    )
    console = Console()
    try:
        with closing(DataDirLock(settings.data_path)), shown_progress(console) as told:
            report = move_records(asked, time.time, told)
    except (AlreadyRunning, MoveRefused, SchemaTooNew, OSError) as fault:
        fail(f"nothing was moved: {fault}" if isinstance(fault, MoveRefused) else str(fault))
    table = Table("table", "rows", "digest")
    for content in report.tables:
        table.add_row(content.name, str(content.rows), content.digest[:16])
    console.print(table)
    chain = report.audit
    if chain.broken_at is not None:
        console.print(f"[bold red]The audit log was broken before: {chain.reason}.[/]")
    if dry_run:
        console.print(f"{report.rows} rows would be moved to {report.to}.")
        return
    console.print(
        f"{report.rows} rows stand in {report.to}, compared; {chain.entries} audit entries in one chain."
    )
    console.print("Set database_url to it in the settings; the old records are closed and may be put aside.")


@contextmanager
def shown_progress(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each table on a terminal, and nothing elsewhere."""
    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bars: dict[str, TaskID] = {}

        def told(name: str, done: int, rows: int) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name, total=rows)
            progress.update(bars[name], completed=done)

        yield told
