"""``bijlighar limits``: dated settings, shown and set."""

from __future__ import annotations

import getpass
import json
from contextlib import closing
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bijlighar.cim.exchange import Unavailable
from bijlighar.cim.period import civil_date, civil_day
from bijlighar.controlroom.command_line import ConfigOption, DataOption, fail, settings_of
from bijlighar.controlroom.instants import NotAnInstant, parse_day
from bijlighar.controlroom.settings import Settings
from bijlighar.records import Records

limits_commands = typer.Typer(
    help="Limits and choices with a date: tariff, billing cycle, rules.", no_args_is_help=True
)


@limits_commands.command()
def show(config: ConfigOption = None, data: DataOption = None) -> None:
    """Every dated setting: what it is for, and each value that was set, with its day and who set it."""
    from bijlighar.operations.dated_settings import SETTINGS  # noqa: PLC0415 (help stays quick)

    table = Table("setting", "from", "value", "set by", show_lines=True)
    with closing(_records(settings_of(config, data))) as records:
        for key, known in SETTINGS.items():
            table.add_row(key, "", f"[dim]{known.tells}[/]", "")
            for row in records.settings.history(key):
                value = json.dumps(row.value, ensure_ascii=False)
                table.add_row("", civil_date(row.valid_from_s).isoformat(), value, row.changed_by)
    Console().print(table)


@limits_commands.command(name="set")
def set_one(
    key: Annotated[str, typer.Argument(help="Its name; `bijlighar limits show` tells them.")],
    value: Annotated[str, typer.Argument(help="A word, a number, or JSON.")],
    since: Annotated[
        str, typer.Option("--from", help="First civil day on which it holds.", metavar="DAY")
    ] = "today",
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Set one from a day on; what held before stays on record."""
    from bijlighar.controlroom.opening import clock_of  # noqa: PLC0415
    from bijlighar.operations.dated_settings import SettingRefused, set_dated  # noqa: PLC0415

    settings = settings_of(config, data)
    now_s = clock_of(settings).now()
    try:
        day = parse_day(since, now_s=now_s)
        with closing(_records(settings)) as records:
            set_dated(
                records,
                key,
                _value(value),
                valid_from_s=civil_day(day).start_s,
                by=f"command line ({getpass.getuser()})",
                now_s=int(now_s),
                tariffs=settings.tariffs_path,
            )
    except (NotAnInstant, SettingRefused) as refused:
        fail(str(refused))
    Console().print(f"{key} is {value} from {day} on.")


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _records(settings: Settings) -> Records:
    from bijlighar.controlroom.opening import clock_of, open_records  # noqa: PLC0415
    from bijlighar.records.schema import SchemaTooNew  # noqa: PLC0415

    if not settings.database_url and not (settings.data_path / "records.db").exists():
        fail(f"there are no records in {settings.data_path}; name another place with --data or --config")
    try:
        return open_records(settings, clock_of(settings))
    except (Unavailable, SchemaTooNew, OSError) as fault:
        fail(str(fault))
