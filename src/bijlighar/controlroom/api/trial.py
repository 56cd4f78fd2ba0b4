"""The field trial: its scorecard for the page and as a sheet, and the check of every value against the meters."""

from __future__ import annotations

import time
from typing import Any

import anyio
from litestar import Response, get, post

from bijlighar.controlroom.api.asking import AnyRequest, room_of
from bijlighar.controlroom.api.jobs import JobAsked
from bijlighar.controlroom.errors import Refusal
from bijlighar.controlroom.roles import Permission
from bijlighar.controlroom.room import ControlRoom
from bijlighar.operations.field_trial.checks import CheckUnderWay, current_check, request_check
from bijlighar.operations.field_trial.current import current_scorecard
from bijlighar.operations.field_trial.document import document, sheet
from bijlighar.operations.field_trial.scorecard import Scorecard

FRESH_S = 2.0
"""Wall seconds for which one judgement serves all pages: it reads every contact and block of the trial."""


class TrialBoard:
    """The newest scorecard, judged once for all who ask at the same time."""

    def __init__(self) -> None:
        self._lock = anyio.Lock()
        self._judged_s = float("-inf")
        self._card: Scorecard | None = None

    async def card(self, room: ControlRoom) -> Scorecard:
        """The running trial's scorecard. Raises Refusal 404 when no trial runs."""
        async with self._lock:
            if time.monotonic() - self._judged_s > FRESH_S:
                self._card = await room.in_thread(_judge, room)
                self._judged_s = time.monotonic()
        if self._card is None:
            raise Refusal(404, "no-trial", "No field trial is running.")
        return self._card

    def forget(self) -> None:
        """Judge anew at the next question."""
        self._judged_s = float("-inf")


def _judge(room: ControlRoom) -> Scorecard | None:
    now_s = room.now()
    current_check(room.records, int(now_s))  # keeps what a check found as soon as its last read has ended
    return current_scorecard(room.records, now_s)


def _board(request: AnyRequest) -> TrialBoard:
    board: TrialBoard = request.app.state.trial_board
    return board


@get("/trial", opt={"needs": Permission.READ_TRIAL})
async def trial(request: AnyRequest) -> dict[str, Any]:
    """The scorecard."""
    return document(await _board(request).card(room_of(request)))


@get("/trial.csv", opt={"needs": Permission.READ_TRIAL})
async def trial_sheet(request: AnyRequest) -> Response[bytes]:
    """The scorecard's lines for a spreadsheet: UTF-8 with a byte-order mark, because Excel asks for one."""
    text = sheet(await _board(request).card(room_of(request)))
    headers = {"content-disposition": 'attachment; filename="trial.csv"'}
    return Response(text.encode("utf-8-sig"), media_type="text/csv", headers=headers)


@post("/trial/checks", status_code=202, opt={"needs": Permission.CHECK_TRIAL})
async def check_trial(request: AnyRequest) -> JobAsked:
    """Have every meter of the trial read again and compared with what is kept."""
    room, who = room_of(request), request.user.person.name
    running = await room.in_thread(room.records.trials.current)
    if running is None:
        raise Refusal(404, "no-trial", "No field trial is running.")
    try:
        check = await room.in_thread(
            request_check, room.records, running, asked_by=who, now_ms=int(room.now() * 1_000)
        )
    except CheckUnderWay as problem:
        raise Refusal(409, "check-under-way", "A check is still running; wait for its end.") from problem
    _board(request).forget()
    await room.audit(
        who=who, what="asked-trial-check", subject=f"trial:{running.trial_id}", detail={"check": check.check_id}
    )
    return JobAsked(job_id=check.check_id)


HANDLERS = (trial, trial_sheet, check_trial)
