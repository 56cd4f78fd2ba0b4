"""What a GET asks for, found once for all meters of a make: the raw request is the key, for a fleet asks alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from struct import Struct

from bijlighar.dlms.errors import RemoteProtocolError
from bijlighar.dlms.model import Profile
from bijlighar.dlms.xdlms import CLOCK_TIME, AttributeRef, RangeSelection, Selection
from bijlighar.dlms.xdlms.get import GET_REQUEST, GetRequest, decode_get_request
from meterlab.calendar import DAY_S, KOLKATA_S
from meterlab.day_sheets import DaySheets, Sheet
from meterlab.lab import Lab
from meterlab.objects import Answer, Caller, Objects
from meterlab.plans import PROFILE_CLASS, ModelPlan
from meterlab.selection import asked

_BUFFER = 2
_MOST_QUESTIONS = 1024
"""Kept with their sheets, some 10 kB each; a fleet of ten makes asks some twenty a day."""

_HEAD = bytes((GET_REQUEST, 1, 0))
_INSTANT = Struct(">2sHBBBBBBBhB")
_FIRST_DAY = date(1970, 1, 1)
_THURSDAY = 3  # 1970-01-01, counted from Monday = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One attribute. ``is_clock`` the time of one who may read it; ``sheet`` of a day's blocks, or None."""

    ref: AttributeRef
    selection: Selection | None
    is_clock: bool
    profile: Profile | None
    sheet: Sheet | None


class Questions:
    """The questions that a town's meters are asked. For one thread."""

    def __init__(self, lab: Lab) -> None:
        self._objects: Objects = lab.objects
        self._state = lab.state
        self._sheets = DaySheets(lab.objects.source, lab.objects.distortions)
        self._known: dict[tuple[str, str, bytes], Question] = {}

    def of(self, plan: ModelPlan, association: str, descriptor: bytes) -> Question:
        """The question behind the invoke-id of a GET. Raises RemoteProtocolError for octets that are none."""
        key = plan.model.name, association, descriptor
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MOST_QUESTIONS:
                self._known.clear()
            found = self._known[key] = self._read(plan, association, descriptor)
        return found

    def _read(self, plan: ModelPlan, association: str, descriptor: bytes) -> Question:
        request = decode_get_request(_HEAD + descriptor)
        assert isinstance(request, GetRequest)
        ref = request.ref
        rights = plan.rights_of(association, ref.class_id, ref.obis.octets)
        may = rights is not None and ref.attribute in rights.read
        profile = plan.by_obis.get(ref.obis.octets) if ref.class_id == PROFILE_CLASS else None
        sheet = None
        if may and profile is not None and ref.attribute == _BUFFER:
            sheet = self._sheet(plan, profile, request.selection)
        return Question(
            ref=ref,
            selection=request.selection,
            is_clock=may and ref == CLOCK_TIME and request.selection is None,
            profile=profile,
            sheet=sheet,
        )

    def _sheet(self, plan: ModelPlan, profile: Profile, selection: Selection | None) -> Sheet | None:
        if not isinstance(selection, RangeSelection):
            return None
        try:
            return self._sheets.sheet(plan, profile, asked(plan, profile, selection))
        except RemoteProtocolError:
            return None

    def answer(self, question: Question, caller: Caller, plan: ModelPlan) -> Answer:
        """What the meter's objects answer, by the quickest way that gives the same octets."""
        if question.is_clock:
            return clock_octets(self._state.clock_s(caller.meter, caller.now_s), plan.deviation_min)
        if question.sheet is not None and question.profile is not None:
            octets = self._sheets.octets(question.sheet, caller.meter, question.profile, caller.now_s)
            if octets is not None:
                return octets
        return self._objects.get(caller, question.ref, question.selection)


def clock_octets(shown_s: float, deviation_min: int) -> bytes:
    """The date-time that a clock shows, as an A-XDR octet-string."""
    day, into_s = divmod(int(shown_s) + KOLKATA_S, DAY_S)
    hour, rest_s = divmod(into_s, 3600)
    minute, second = divmod(rest_s, 60)
    year, month, of_month = _date(day)
    weekday = (day + _THURSDAY) % 7 + 1
    return _INSTANT.pack(b"\x09\x0c", year, month, of_month, weekday, hour, minute, second, 0, deviation_min, 0)


@lru_cache(maxsize=1024)
def _date(day: int) -> tuple[int, int, int]:
    """Year, month and day of a day number."""
    found = _FIRST_DAY + timedelta(days=day)
    return found.year, found.month, found.day
