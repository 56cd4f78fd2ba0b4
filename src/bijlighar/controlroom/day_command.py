"""``bijlighar day``: a day's steps by hand, on this machine's cores or on a Spark of many machines.

The worker does the same by itself, day after day; this is for many days at once, and for more than one machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bijlighar.controlroom.command_line import ConfigOption, DataOption, fail, settings_of

day_commands = typer.Typer(help="A day's steps, for one day or many.", no_args_is_help=True)

MOST_DAYS = 3_700
"""Ten years: a longer range is a slip of the pen."""


class EngineName(StrEnum):
    """Where the work is done."""

    LOCAL = "local"
    SPARK = "spark"


DayOption = Annotated[str, typer.Option("--day", help="Civil day: YYYY-MM-DD, yesterday or today.")]
LastOption = Annotated[str, typer.Option("--to", help="Last day, when there are several.")]
EngineOption = Annotated[EngineName, typer.Option("--engine", help="Processes of this machine, or Spark.")]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=0, max=1024, help="Processes of the local engine; 0: one for each core.")
]
MasterOption = Annotated[
    str, typer.Option("--master", help="Spark's master: local[2], spark://HOST:7077, yarn, k8s://…", metavar="URL")
]
SparkOption = Annotated[
    list[str] | None,
    typer.Option("--spark", help="A setting of Spark. Repeatable.", metavar="NAME=VALUE"),
]


@day_commands.command()
def seal(
    day: DayOption = "yesterday",
    last: LastOption = "",
    engine: EngineOption = EngineName.LOCAL,
    workers: WorkersOption = 0,
    master: MasterOption = "local[*]",
    spark: SparkOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Make sealed blocks of what was landed; again, what came late goes where it belongs."""
    with _opened(config, data, day, last) as (records, days, _), _engine(engine, workers, master, spark) as used:
        from bijlighar.operations.engine_day import seal_days  # noqa: PLC0415 (help stays quick)

        for each in seal_days(records, used, days):
            _tell(
                f"{each.day}: {each.blocks_written} blocks written, {each.blocks_unchanged} as they were, "
                f"{each.readings} readings, {each.corrected} corrected, "
                f"{len(each.meters_without_rows)} meters without any"
            )


@day_commands.command()
def estimate(
    day: DayOption = "yesterday",
    last: LastOption = "",
    engine: EngineOption = EngineName.LOCAL,
    workers: WorkersOption = 0,
    master: MasterOption = "local[*]",
    spark: SparkOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Estimate what is missing in sealed days; every version is kept."""
    with (
        _opened(config, data, day, last) as (records, days, now_s),
        _engine(engine, workers, master, spark) as used,
    ):
        from bijlighar.operations.engine_day import estimate_days  # noqa: PLC0415

        for each in estimate_days(records, used, days, int(now_s)):
            made, left = sum(each.made.values()), sum(each.left.values())
            _tell(f"{each.day}: {made} estimates made, {left} slots that no rule can estimate")


@day_commands.command()
def validate(
    day: DayOption = "yesterday",
    last: LastOption = "",
    engine: EngineOption = EngineName.LOCAL,
    workers: WorkersOption = 0,
    master: MasterOption = "local[*]",
    spark: SparkOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Hold sealed days against every rule; what is found goes to the queue of exceptions."""
    with (
        _opened(config, data, day, last) as (records, days, now_s),
        _engine(engine, workers, master, spark) as used,
    ):
        from bijlighar.operations.engine_day import validate_days  # noqa: PLC0415

        for each, judged in validate_days(records, used, days, int(now_s)):
            _tell(
                f"{each}: {judged.opened} exceptions opened, {judged.reopened} opened again, "
                f"{judged.standing} standing, {judged.gone} gone"
            )


@day_commands.command()
def report(
    day: DayOption = "yesterday", last: LastOption = "", config: ConfigOption = None, data: DataOption = None
) -> None:
    """Compute the totals of sealed days by place and make, of which the day's report is told; in this process."""
    with _opened(config, data, day, last) as (records, days, now_s):
        from bijlighar.operations.day_report.totals import keep_totals  # noqa: PLC0415

        for each in days:
            _tell(f"{each}: {keep_totals(records, each, now_s=int(now_s))} totals kept")


def _tell(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 (the command's answer)


@contextmanager
def _opened(
    config: Path | None, data: Path | None, day: str, last: str
) -> Iterator[tuple[Any, list[date], float]]:
    """The records, the days and the utility's time; whatever can go wrong is one sentence."""
    from bijlighar.cim.exchange import Unavailable  # noqa: PLC0415 (help stays quick)
    from bijlighar.controlroom.instants import NotAnInstant  # noqa: PLC0415
    from bijlighar.controlroom.opening import clock_of, open_records  # noqa: PLC0415
    from bijlighar.headend.model_files import ModelsNotUsable, add_models_of  # noqa: PLC0415
    from bijlighar.mdm.validation.limits import UnknownLimit  # noqa: PLC0415
    from bijlighar.operations.engine_day import DamagedMeanwhile  # noqa: PLC0415
    from bijlighar.operations.engine_local import WorkersDied  # noqa: PLC0415
    from bijlighar.operations.spark_engine import SparkRefused  # noqa: PLC0415
    from bijlighar.records.blocks import BlockDamaged  # noqa: PLC0415
    from bijlighar.records.blocks_manifest import Superseded  # noqa: PLC0415
    from bijlighar.records.move import RecordsMoved  # noqa: PLC0415
    from bijlighar.records.schema import SchemaTooNew  # noqa: PLC0415
    from bijlighar.records.segment import SegmentDamaged  # noqa: PLC0415

    settings = settings_of(config, data)
    if not settings.database_url and not (settings.data_path / "records.db").exists():
        fail(f"there are no records in {settings.data_path}; name another place with --data or --config")
    began_s = time.monotonic()
    try:
        add_models_of(settings.models_path)
        clock = clock_of(settings)
        days = _days(day, last or day, clock.now())
        with open_records(settings, clock) as records:
            yield records, days, clock.now()
    except (BlockDamaged, SegmentDamaged, Superseded, DamagedMeanwhile) as fault:
        fail(f"{fault}; days before it are done, repeat the command for the others")
    except (
        ModelsNotUsable,
        NotAnInstant,
        UnknownLimit,
        SparkRefused,
        WorkersDied,
        Unavailable,
        SchemaTooNew,
        RecordsMoved,
        OSError,
    ) as fault:
        fail(str(fault))
    typer.echo(f"Done in {time.monotonic() - began_s:.1f} s.", err=True)


def _days(first: str, last: str, now_s: float) -> list[date]:
    from bijlighar.controlroom.instants import parse_day  # noqa: PLC0415

    begin, end = parse_day(first, now_s=now_s), parse_day(last, now_s=now_s)
    if not 0 <= (end - begin).days < MOST_DAYS:
        fail(f"{end} does not lie at or after {begin}, or ten years later")
    return [begin + timedelta(days=number) for number in range((end - begin).days + 1)]


@contextmanager
def _engine(name: EngineName, workers: int, master: str, spark: list[str] | None) -> Iterator[Any]:
    from bijlighar.operations.engine_local import LocalEngine  # noqa: PLC0415 (help stays quick)
    from bijlighar.operations.spark_engine import SparkEngine  # noqa: PLC0415

    if name is EngineName.LOCAL:
        yield LocalEngine(workers=workers or len(os.sched_getaffinity(0)))
        return
    pairs = [each.partition("=") for each in spark or []]
    if odd := [key for key, equals, _ in pairs if not equals or not key.startswith("spark.")]:
        fail(f"{odd[0]!r} is no setting of Spark: write spark.executor.memory=4g")
    with SparkEngine(master, {key: value for key, _, value in pairs}) as engine:
        yield engine
