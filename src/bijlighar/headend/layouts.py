"""The columns of each profile: asked of the meter once per model and firmware, then kept.

Layouts differ by make and firmware, so they are never assumed while the meter will tell. A meter that refuses to
tell its capture objects (some do) is read with its model's default, and the layout is marked so.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as struct_error

from bijlighar.dlms import axdr
from bijlighar.dlms.errors import Malformed, RemoteProtocolError
from bijlighar.dlms.model import MeterModel, Profile, Quirk, Stamp
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.profile import ProfileLayout
from bijlighar.dlms.xdlms import AttributeRef
from bijlighar.headend.ports import Layouts
from bijlighar.headend.script import Get, ReadRefused, Script

PROFILE_CLASS = 7
BUFFER, CAPTURE_OBJECTS, CAPTURE_PERIOD = 2, 3, 4

_HEAD = Struct(">BBI")
_FORMAT = 1
_FROM_METER, _STAMPS_END, _NEWEST_FIRST = 1, 2, 4

MOST_PERIOD_S = 31 * 86_400
"""No profile captures less often than monthly; a longer period is a wrong answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLayout:
    """How to read the rows of one profile of one model and firmware.

    ``period_s``     capture period in seconds, 0 for profiles that are not captured by time
    ``stamps_end``   the clock of a row is the end of its block, else its start
    ``from_meter``   False: the meter refused to tell, these are the model's defaults
    """

    columns: ProfileLayout
    period_s: int
    stamps_end: bool
    newest_first: bool
    from_meter: bool

    def to_octets(self) -> bytes:
        """For keeping."""
        flags = self.from_meter * _FROM_METER | self.stamps_end * _STAMPS_END | self.newest_first * _NEWEST_FIRST
        return _HEAD.pack(_FORMAT, flags, self.period_s) + self.columns.to_octets()

    @classmethod
    def from_octets(cls, octets: bytes) -> KeptLayout:
        """From ``to_octets``. Raises RemoteProtocolError for anything else."""
        try:
            number, flags, period_s = _HEAD.unpack_from(octets)
        except struct_error:
            raise Malformed("a kept layout is cut short") from None
        if number != _FORMAT:
            raise Malformed(f"a kept layout of format {number} is not known")
        return cls(
            columns=ProfileLayout.from_octets(octets[_HEAD.size :]),
            period_s=period_s,
            stamps_end=bool(flags & _STAMPS_END),
            newest_first=bool(flags & _NEWEST_FIRST),
            from_meter=bool(flags & _FROM_METER),
        )


def read_layout(model: MeterModel, profile_name: str) -> Script[KeptLayout]:
    """Ask the meter for capture objects, scalers and capture period of one profile.

    Raises RemoteProtocolError when an answer is no such list.
    """
    profile = model.profiles[profile_name]
    default = default_layout(model, profile_name)
    if Quirk.CAPTURE_OBJECTS_REFUSED in model.quirks:
        return default
    try:
        captures = yield Get(AttributeRef(PROFILE_CLASS, profile.obis, CAPTURE_OBJECTS))
    except ReadRefused:
        return default
    columns = yield from _with_scalers(model, profile, captures, default.columns)
    period_s = default.period_s
    if period_s:
        period_s = yield from _capture_period(profile.obis, default.period_s)
    return KeptLayout(
        columns=columns,
        period_s=period_s,
        stamps_end=default.stamps_end,
        newest_first=default.newest_first,
        from_meter=True,
    )


def default_layout(model: MeterModel, profile_name: str) -> KeptLayout:
    """What the model says of a profile, for a meter that does not tell."""
    profile = model.profiles[profile_name]
    return KeptLayout(
        columns=profile.layout,
        period_s=profile.period_s or 0,
        stamps_end=model.stamp is Stamp.END,
        newest_first=model.newest_first,
        from_meter=False,
    )


def _with_scalers(
    model: MeterModel, profile: Profile, captures: bytes, default: ProfileLayout
) -> Script[ProfileLayout]:
    if profile.scaler_obis is None or Quirk.SCALERS_REFUSED in model.quirks:
        return _defaulted(ProfileLayout.from_meter(captures), default)
    try:
        listed = yield Get(AttributeRef(PROFILE_CLASS, profile.scaler_obis, CAPTURE_OBJECTS))
        row = yield Get(AttributeRef(PROFILE_CLASS, profile.scaler_obis, BUFFER))
    except ReadRefused:
        return _defaulted(ProfileLayout.from_meter(captures), default)
    return ProfileLayout.from_meter(captures, listed, row)


def _defaulted(columns: ProfileLayout, default: ProfileLayout) -> ProfileLayout:
    """Scalers of the model for a meter that tells its columns but not their scalers."""
    known = dict(zip(default.capture_objects, default.scalers, strict=True))
    return ProfileLayout(
        capture_objects=columns.capture_objects,
        scalers=tuple(known.get(column) for column in columns.capture_objects),
    )


def _capture_period(obis: Obis, default_s: int) -> Script[int]:
    try:
        octets = yield Get(AttributeRef(PROFILE_CLASS, obis, CAPTURE_PERIOD))
    except ReadRefused:
        return default_s
    period_s = axdr.plain(axdr.decode(octets))
    if not isinstance(period_s, int) or not 0 <= period_s <= MOST_PERIOD_S:
        raise Malformed(f"a capture period of {period_s!r} s")
    return period_s or default_s


class LayoutBook:
    """Layouts in memory over those in the store. ``load`` and ``keep`` block; ``find`` does not."""

    def __init__(self, store: Layouts | None) -> None:
        self._store = store
        self._known: dict[tuple[str, str, str], KeptLayout] = {}
        self._doubted: set[tuple[str, str, str]] = set()

    def find(self, model: str, firmware: str, profile: str) -> KeptLayout | None:
        """The layout, when it is in memory."""
        return self._known.get((model, firmware, profile))

    def load(self, model: str, firmware: str, profiles: list[str]) -> None:
        """Bring kept layouts into memory. Octets that are no layout count as none. Raises Unavailable."""
        for profile in profiles:
            named = (model, firmware, profile)
            if self._store is None or named in self._known or named in self._doubted:
                continue
            octets = self._store.layout(model, firmware, profile)
            if octets is not None and (found := _readable(octets)) is not None:
                self._known[named] = found

    def remember(self, model: str, firmware: str, profile: str, layout: KeptLayout) -> None:
        """Use this layout from now on."""
        self._known[model, firmware, profile] = layout
        self._doubted.discard((model, firmware, profile))

    def keep(self, model: str, firmware: str, profile: str, layout: KeptLayout) -> None:
        """Put it into the store. Raises Unavailable."""
        if self._store is not None:
            self._store.put_layout(model, firmware, profile, layout.to_octets())

    def forget(self, model: str, firmware: str, profile: str) -> None:
        """The layout did not fit what came; ask the meter again."""
        self._known.pop((model, firmware, profile), None)
        self._doubted.add((model, firmware, profile))


def _readable(octets: bytes) -> KeptLayout | None:
    try:
        return KeptLayout.from_octets(octets)
    except RemoteProtocolError:
        return None
