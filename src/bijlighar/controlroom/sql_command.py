"""``bijlighar sql``: questions in SQL over what is kept, without a way to change it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from bijlighar.controlroom.command_line import ConfigOption, DataOption, fail, settings_of
from bijlighar.operations.answer_format import AnswerFormat

RENEW_S = 1_800
"""A session of an hour would lose its files, so a prompt asks the newest generation again after half of it."""


def sql(
    question: Annotated[str | None, typer.Argument(help="One SELECT; without it you are asked.")] = None,
    told_as: Annotated[
        AnswerFormat, typer.Option("--format", help="How the answer is told.")
    ] = AnswerFormat.TABLE,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the answer to this file.", metavar="FILE")
    ] = None,
    first: Annotated[str, typer.Option("--from", help="First civil day; all that is kept when left out.")] = "",
    last: Annotated[str, typer.Option("--to", help="Last civil day.")] = "",
    memory: Annotated[str, typer.Option(help="Memory that a question may use, as 2GB.")] = "2GB",
    threads: Annotated[int, typer.Option(min=1, max=256, help="Cores that a question may use.")] = 2,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Answer a question in SQL over one state of the records; docs/analysts.md tells the views."""
    if told_as is AnswerFormat.PARQUET and out is None:
        fail("--format parquet needs --out FILE")
    if out is not None and not out.absolute().parent.is_dir():
        fail(f"there is no folder {out.absolute().parent}")
    with _opened(config, data) as (records, folder, now_s):
        if out is not None and out.absolute().resolve().is_relative_to(folder.resolve()):
            fail("--out must not lie in the data directory")

        def session() -> Any:  # noqa: ANN401 (DuckDB loads only when it is needed)
            return _session(records, folder, now_s, (first, last, memory, threads))

        if question is not None:
            with session() as analyst:
                _answer(analyst, question, told_as, out)
        elif out is not None:
            fail("--out goes with a question")
        else:
            _prompt(session, told_as)


@contextmanager
def _opened(config: Path | None, data: Path | None) -> Iterator[tuple[Any, Path, float]]:
    from bijlighar.cim.exchange import Unavailable  # noqa: PLC0415 (help stays quick)
    from bijlighar.controlroom.instants import NotAnInstant  # noqa: PLC0415
    from bijlighar.controlroom.opening import clock_of, open_records  # noqa: PLC0415
    from bijlighar.operations.analyst import QuestionRefused  # noqa: PLC0415
    from bijlighar.operations.analyst_final import TooManyDays  # noqa: PLC0415
    from bijlighar.records.blocks import BlockDamaged  # noqa: PLC0415
    from bijlighar.records.move import RecordsMoved  # noqa: PLC0415
    from bijlighar.records.schema import SchemaTooNew  # noqa: PLC0415

    settings = settings_of(config, data)
    if not settings.database_url and not (settings.data_path / "records.db").exists():
        fail(f"there are no records in {settings.data_path}; name another place with --data or --config")
    try:
        clock = clock_of(settings)
        with open_records(settings, clock) as records:
            yield records, settings.data_path.absolute(), clock.now()
    except (QuestionRefused, TooManyDays, NotAnInstant, BlockDamaged) as refusal:
        fail(str(refusal))
    except (Unavailable, SchemaTooNew, RecordsMoved, OSError) as fault:
        fail(str(fault))


def _session(records: Any, folder: Path, now_s: float, given: tuple[str, str, str, int]) -> Any:  # noqa: ANN401
    from bijlighar.controlroom.instants import parse_day  # noqa: PLC0415 (help stays quick)
    from bijlighar.operations.analyst import Analyst, Bounds  # noqa: PLC0415
    from bijlighar.operations.analyst_files import EARLIEST, LATEST  # noqa: PLC0415

    first, last, memory, threads = given
    bounds = Bounds(
        memory=memory,
        threads=threads,
        first=parse_day(first, now_s=now_s) if first else EARLIEST,
        last=parse_day(last, now_s=now_s) if last else LATEST,
    )
    if bounds.last < bounds.first:
        fail(f"{bounds.last} lies before {bounds.first}")
    return Analyst(records, folder, bounds, now_s=int(now_s))


def _answer(analyst: Any, question: str, told_as: AnswerFormat, out: Path | None) -> None:  # noqa: ANN401
    from bijlighar.operations.analyst_output import write_answer, write_file  # noqa: PLC0415

    began_s = time.monotonic()
    with analyst.answering():
        reader = analyst.ask(question)
        rows = write_answer(reader, told_as, sys.stdout) if out is None else write_file(reader, told_as, out)
    where = "" if out is None else f" in {out}"
    took_s = time.monotonic() - began_s
    print(f"{rows} rows{where}, generation {analyst.generation}, {took_s:.2f} s", file=sys.stderr)  # noqa: T201


def _prompt(session: Any, told_as: AnswerFormat) -> None:  # noqa: ANN401
    """Ask until the end of input; a question ends with a semicolon, a refusal is told and the next one asked."""
    from bijlighar.operations.analyst import QuestionRefused  # noqa: PLC0415 (help stays quick)
    from bijlighar.operations.analyst_final import TooManyDays  # noqa: PLC0415

    questions = _questions()
    going_on = True
    while going_on:
        going_on = False
        until_s = time.monotonic() + RENEW_S
        with session() as analyst:
            for question in questions:
                try:
                    _answer(analyst, question, told_as, None)
                except (QuestionRefused, TooManyDays) as refusal:
                    print(f"bijlighar: {refusal}", file=sys.stderr)  # noqa: T201
                if time.monotonic() > until_s:
                    going_on = True
                    break


def _questions() -> Iterator[str]:
    talks = sys.stdin.isatty()
    said: list[str] = []
    while True:
        if talks:
            print("sql> " if not said else "  -> ", end="", file=sys.stderr, flush=True)  # noqa: T201
        line = sys.stdin.readline()
        said.append(line)
        text = "".join(said).strip()
        if text in ("exit", "quit", "exit;", "quit;"):
            return
        if text.endswith(";") or (not line and text):
            said = []
            yield text.rstrip(";")
        if not line:
            return
