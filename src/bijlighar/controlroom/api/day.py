"""The day's report over HTTP: a civil day, its week or its month, of the utility or of a place; as a sheet too."""

from __future__ import annotations

from datetime import date, timedelta

from litestar import Response, get

from bijlighar.cim.day_scope import DayScope, ReportPeriod
from bijlighar.cim.period import civil_date, civil_day
from bijlighar.controlroom.api.asking import AnyRequest, Text, room_of
from bijlighar.controlroom.errors import not_found, not_valid
from bijlighar.controlroom.instants import NotAnInstant, parse_day
from bijlighar.controlroom.roles import Permission
from bijlighar.operations.day_report.documents import Document, document, parquet, sheet
from bijlighar.operations.day_report.told import NotWithin, Question, Told, UnknownPlace, tell


def _question(now_s: float, *, day: str, period: str, scope: str, code: str, by: str) -> Question:
    """What is asked. Raises Refusal 400."""
    try:
        asked = parse_day(day or "yesterday", now_s=now_s)
    except NotAnInstant as problem:
        raise not_valid("day", str(problem)) from problem
    if asked > civil_date(int(now_s)):
        raise not_valid("day", "has not begun yet")
    if period not in ("", *ReportPeriod):
        raise not_valid("period", f"is none of {', '.join(ReportPeriod)}")
    for name, given in (("place", scope), ("by", by)):
        if given not in ("", *DayScope):
            raise not_valid(name, f"is none of {', '.join(DayScope)}")
    return Question(
        day=asked,
        period=ReportPeriod(period or ReportPeriod.DAY),
        scope=DayScope(scope or DayScope.UTILITY),
        code=code if scope not in ("", DayScope.UTILITY) else "",
        by=DayScope(by) if by else None,
    )


async def _told(request: AnyRequest, question: Question) -> Told:
    room = room_of(request)
    first: date = question.period.span(question.day)[0]
    try:
        return await room.in_thread(tell, room.records, question, day_start_s=civil_day(first).start_s)
    except UnknownPlace as problem:
        raise not_found(problem.scope.value) from problem
    except NotWithin as problem:
        raise not_valid("by", str(problem)) from problem


@get("/day", opt={"needs": Permission.READ_METERS})
async def day_report(
    request: AnyRequest, day: Text = "", period: Text = "", place: Text = "", code: Text = "", by: Text = ""
) -> Document:
    """The report of the period that holds ``day`` (yesterday unless named), taken apart ``by`` a kind of place."""
    now_s = room_of(request).now()
    question = _question(now_s, day=day, period=period, scope=place, code=code, by=by)
    told = document(await _told(request, question), now_s=int(now_s))
    latest = civil_date(int(now_s))
    return {**told, "latest_day": latest.isoformat(), "default_day": (latest - timedelta(days=1)).isoformat()}


@get("/day.csv", opt={"needs": Permission.READ_METERS})
async def day_sheet(
    request: AnyRequest, day: Text = "", period: Text = "", place: Text = "", code: Text = "", by: Text = ""
) -> Response[bytes]:
    """The place and all of its parts for a spreadsheet: UTF-8 with a byte-order mark, as Excel asks for one."""
    question = _question(room_of(request).now(), day=day, period=period, scope=place, code=code, by=by)
    told = await _told(request, question)
    return _file(sheet(told).encode("utf-8-sig"), told, "csv", "text/csv")


@get("/day.parquet", opt={"needs": Permission.READ_METERS})
async def day_parquet(
    request: AnyRequest, day: Text = "", period: Text = "", place: Text = "", code: Text = "", by: Text = ""
) -> Response[bytes]:
    """The same rows as a Parquet file."""
    question = _question(room_of(request).now(), day=day, period=period, scope=place, code=code, by=by)
    told = await _told(request, question)
    return _file(parquet(told), told, "parquet", "application/vnd.apache.parquet")


def _file(octets: bytes, told: Told, ending: str, media_type: str) -> Response[bytes]:
    name = f"{told.question.period.value}-{told.first.isoformat()}.{ending}"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(octets, media_type=media_type, headers=headers)


HANDLERS = (day_report, day_sheet, day_parquet)
"""For the application."""
