"""``bijlighar report``: what the office asks for each morning, without a browser."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bijlighar.cim.day_scope import DayScope, ReportPeriod
from bijlighar.controlroom.command_line import ConfigOption, DataOption, fail, settings_of

report_commands = typer.Typer(help="Reports for the office.", no_args_is_help=True)


class ReportFormat(StrEnum):
    """How a report is told."""

    TEXT = "text"
    CSV = "csv"
    JSON = "json"


class DayFormat(StrEnum):
    """How the day's report is told."""

    TEXT = "text"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


@contextmanager
def _opened(config: Path | None, data: Path | None) -> Iterator[tuple[Any, float]]:
    """The records that the settings name, and the utility's time."""
    from bijlighar.cim.exchange import Unavailable  # noqa: PLC0415 (help stays quick)
    from bijlighar.controlroom.opening import clock_of, open_records  # noqa: PLC0415
    from bijlighar.records.move import RecordsMoved  # noqa: PLC0415
    from bijlighar.records.schema import SchemaTooNew  # noqa: PLC0415

    settings = settings_of(config, data)
    if not settings.database_url and not (settings.data_path / "records.db").exists():
        fail(f"there are no records in {settings.data_path}; name another place with --data or --config")
    try:
        clock = clock_of(settings)
        with open_records(settings, clock) as records:
            yield records, clock.now()
    except (Unavailable, SchemaTooNew, RecordsMoved, OSError) as fault:
        fail(str(fault))


@report_commands.command(name="day")
def day_report(
    day: Annotated[
        str, typer.Option("--day", help="Civil day of the report: YYYY-MM-DD, yesterday or today.")
    ] = "yesterday",
    period: Annotated[
        ReportPeriod, typer.Option("--period", help="The day alone, or the week or the month that holds it.")
    ] = ReportPeriod.DAY,
    scope: Annotated[
        DayScope, typer.Option("--scope", help="A kind of place, or a make; with --code which of them.")
    ] = DayScope.UTILITY,
    code: Annotated[str, typer.Option("--code", help="Code of the place, or name of the make.")] = "",
    by: Annotated[
        DayScope | None, typer.Option("--by", help="What the utility is taken apart into; divisions by default.")
    ] = None,
    told_as: Annotated[
        DayFormat, typer.Option("--format", help="For people, spreadsheets or programs; parquet is octets.")
    ] = DayFormat.TEXT,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """What a day, a week or a month was: energy, peak, completeness, voltage, losses, interruptions, visits."""
    from bijlighar.cim.period import civil_day  # noqa: PLC0415 (help stays quick)
    from bijlighar.controlroom.instants import NotAnInstant, parse_day  # noqa: PLC0415
    from bijlighar.mdm.day_summary_limits import UnknownVoltageLimit  # noqa: PLC0415
    from bijlighar.operations.day_report.documents import document, lines, parquet, sheet  # noqa: PLC0415
    from bijlighar.operations.day_report.told import NotWithin, Question, UnknownPlace, tell  # noqa: PLC0415

    with _opened(config, data) as (records, now_s):
        try:
            question = Question(day=parse_day(day, now_s=now_s), period=period, scope=scope, code=code, by=by)
            first = question.period.span(question.day)[0]
            told = tell(records, question, day_start_s=civil_day(first).start_s)
        except (NotAnInstant, NotWithin, UnknownPlace, UnknownVoltageLimit) as fault:
            fail(str(fault))
    if told_as is DayFormat.JSON:
        print(json.dumps(document(told, now_s=int(now_s)), ensure_ascii=False))  # noqa: T201
    elif told_as is DayFormat.CSV:
        sys.stdout.write(sheet(told))
    elif told_as is DayFormat.PARQUET:
        sys.stdout.buffer.write(parquet(told))
    else:
        print("\n".join(lines(told)))  # noqa: T201


@report_commands.command(name="service-levels")
def service_levels(
    day: Annotated[
        str, typer.Option("--day", help="Civil day whose data is judged: YYYY-MM-DD, yesterday or today.")
    ] = "yesterday",
    told_as: Annotated[ReportFormat, typer.Option("--format", help="For people, spreadsheets or programs.")] = (
        ReportFormat.TEXT
    ),
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """How complete a day's data was by which hour, how quickly was answered, and which faults cost most."""
    from bijlighar.controlroom.instants import NotAnInstant, parse_day  # noqa: PLC0415 (help stays quick)
    from bijlighar.mdm.service_levels.limits import UnknownServiceLimit  # noqa: PLC0415
    from bijlighar.operations.service_levels.documents import lines, sheet  # noqa: PLC0415
    from bijlighar.operations.service_levels.keeping import ServiceLevelBoard  # noqa: PLC0415

    began_s = time.monotonic()
    with _opened(config, data) as (records, now_s):
        try:
            told = ServiceLevelBoard().document(records, parse_day(day, now_s=now_s), now_s)
        except (NotAnInstant, UnknownServiceLimit) as fault:
            fail(str(fault))
    if told_as is ReportFormat.JSON:
        print(json.dumps(told, ensure_ascii=False))  # noqa: T201
    elif told_as is ReportFormat.CSV:
        sys.stdout.write(sheet(told))
    else:
        print("\n".join(lines(told)))  # noqa: T201
        print(f"Judged in {time.monotonic() - began_s:.1f} s.", file=sys.stderr)  # noqa: T201
