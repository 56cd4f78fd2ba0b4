"""One visit to one meter: counters, associations, the reading script, and the clock set when it is too far off.

A visit always ends in a ``Visited``. What it raises is never the meter's fault: ``Unavailable`` when the store
cannot reserve counters, ``LeaseLost`` when the meter has become another head-end's, or an error of our own code.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from bijlighar.cim.contacts import Outcome
from bijlighar.cim.network import Meter
from bijlighar.dlms import axdr
from bijlighar.dlms.association import ClientAssociation
from bijlighar.dlms.errors import Malformed
from bijlighar.dlms.limits import DEFAULT_MAX_PDU_OCTETS, MAX_COUNTER
from bijlighar.dlms.model import AssociationAccess, MeterModel, Quirk
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.xdlms import AttributeRef
from bijlighar.headend.associating import PUBLIC, READER, SETTING, KeptSettings, begin, counts
from bijlighar.headend.clock import Clock
from bijlighar.headend.clocksetting import ClockLimits, ClockSetting, set_clock
from bijlighar.headend.counters import CounterBook, Reserved
from bijlighar.headend.heard import FORGOTTEN_S, NOT_HEARD, HeardCounters
from bijlighar.headend.keys import MeterKeys
from bijlighar.headend.reading import CLOCK_UNSET, Errand, Gathered, read_meter
from bijlighar.headend.script import Get, Script
from bijlighar.headend.session import SessionEnd, StandingLine, TimeLimits, converse

T = TypeVar("T")

CLOCK_PAUSE_S = 3600
"""A meter whose clock could not be set is asked again no sooner than this, by the utility's clock."""
_CHALLENGE_OCTETS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitSettings:
    """How meters are visited. ``own_title``: the head-end's system title, 8 octets, unique in the utility.

    ``max_pdu`` octets that we offer to receive at once: more save round trips where a meter can fill them
    ``warrant_key`` verifies the gate's warrants; None refuses them all
    """

    own_title: bytes = b"BJG\x00\x00\x00\x00\x01"
    limits: TimeLimits = field(default_factory=TimeLimits)
    clock: ClockLimits = field(default_factory=ClockLimits)
    max_pdu: int = DEFAULT_MAX_PDU_OCTETS
    warrant_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visited:
    """How a visit went, all associations together. ``clock`` tells of a setting, when one was tried."""

    outcome: Outcome
    detail: str
    latency_ms: int | None
    octets_sent: int
    octets_received: int
    gathered: Gathered
    clock: ClockSetting | None = None


class NoSuchAssociation(Exception):
    """The meter model does not tell how to associate for this purpose."""

    def __init__(self, model: str, role: str) -> None:
        super().__init__(f"meter model {model} has no {role} association")
        self.model = model
        self.role = role


class Visitor:
    """Visits meters. ``ledger`` is the one thread in which the store is asked for counters.

    ``line_of`` a meter's number: the line on which it has dialled in, None where it must be called.
    """

    def __init__(
        self,
        *,
        counters: CounterBook,
        clock: Clock,
        settings: VisitSettings,
        ledger: Executor | None = None,
        draw: Callable[[int], bytes] = secrets.token_bytes,
        line_of: Callable[[int], StandingLine | None] = lambda _: None,
    ) -> None:
        self._counters = counters
        self._clock = clock
        self._settings = settings
        self._kept = KeptSettings(settings.own_title, settings.max_pdu)
        self._ledger = ledger
        self._draw = draw
        self._line_of = line_of
        self._heard = HeardCounters()
        self._went_back: dict[int, float] = {}
        self._suspect: set[tuple[int, int]] = set()
        self._clock_tried_s: dict[int, float] = {}

    async def visit(self, errand: Errand, keys: MeterKeys, gathered: Gathered) -> Visited:
        """Read what the errand names; set the clock when it is too far off and the meter may be set.

        ``gathered`` fills as answers come, so that a visit which is cancelled leaves what it had.
        """
        end = await self._converse(errand, keys, READER, read_meter(errand, gathered))
        visited = _visited(end, gathered)
        if visited.outcome in (Outcome.OK, Outcome.INCOMPLETE) and self._must_set_clock(errand, keys, gathered):
            return await self._set_clock(errand, keys, visited)
        return visited

    def _must_set_clock(self, errand: Errand, keys: MeterKeys, gathered: Gathered) -> bool:
        meter_id, now_s = errand.meter.meter_id, self._clock.now()
        unset = gathered.clock is None and CLOCK_UNSET in gathered.remarks
        far = gathered.clock is not None and gathered.clock.surely_beyond(self._settings.clock.set_s)
        rested = now_s - self._clock_tried_s.get(meter_id, float("-inf")) >= CLOCK_PAUSE_S
        able = SETTING in errand.model.associations and bool(keys.setting_secret)
        return (unset or far) and rested and able and errand.may_set_clock()

    async def _set_clock(self, errand: Errand, keys: MeterKeys, visited: Visited) -> Visited:
        self._clock_tried_s[errand.meter.meter_id] = self._clock.now()
        script = set_clock(errand.model, self._clock.now, self._settings.clock, errand.may_set_clock)
        end = await self._converse(errand, keys, SETTING, script)
        setting = end.value
        if setting is None:
            word = f"clock not set: {end.detail or end.outcome}"
        else:
            word = f"clock {setting.word}, was {_seconds(setting.before_ms)}, is {_seconds(setting.after_ms)}"
        return replace(
            visited,
            detail="; ".join(part for part in (visited.detail, word) if part),
            octets_sent=visited.octets_sent + end.octets_sent,
            octets_received=visited.octets_received + end.octets_received,
            clock=setting,
        )

    async def _converse(self, errand: Errand, keys: MeterKeys, role: str, script: Script[T]) -> SessionEnd[T]:
        access = _access(errand.model, role)
        if not counts(access):
            return await self._over_tcp(errand, self._association(errand, keys, role, None), script)
        named = (errand.meter.meter_id, access.client_address)
        reserved = await self._reserve(named)
        obis = None if Quirk.COUNTER_NOT_PUBLIC in errand.model.quirks else access.counter_obis
        if obis is not None and (reserved.fresh or named in self._suspect):
            told = await self._ask_counter(errand, keys, obis)
            if told.value is None:
                script.close()
                return _without_value(told)
            above = self._counters.above(reserved, told.value)
            reserved = above or await self._in_ledger(self._counters.take_above, *named, told.value)
        association = self._association(errand, keys, role, reserved)
        end = await self._over_tcp(errand, association, script)
        self._counters.put_back(*named, reserved, end.next_counter)
        self._note_heard(errand.meter, keys, role, association, went_back=end.went_back)
        if end.opened:
            self._suspect.discard(named)
        elif end.connected:
            self._suspect.add(named)
        return end

    def _note_heard(
        self, meter: Meter, keys: MeterKeys, role: str, association: ClientAssociation, *, went_back: bool
    ) -> None:
        """Remember the meter's own counter, and whose sessions began with one from before."""
        now_s, counter = self._clock.now(), association.last_heard_counter
        if went_back:
            self._went_back[meter.meter_id] = now_s
        elif counter != NOT_HEARD:
            self._heard.note(meter.meter_id, role, (meter.system_title, keys), now_s, counter)
            self._went_back.pop(meter.meter_id, None)

    def told_of_replays(self) -> str | None:
        """Whose last session looked like an old one, for the alarm; None when there is none."""
        limit_s = self._clock.now() - FORGOTTEN_S
        for meter_id in [meter_id for meter_id, at_s in self._went_back.items() if at_s < limit_s]:
            del self._went_back[meter_id]
        if not self._went_back:
            return None
        last = next(reversed(self._went_back))
        return f"{len(self._went_back)} meters answered with a counter from before, the last of them meter {last}"

    async def _reserve(self, named: tuple[int, int]) -> Reserved:
        if self._counters.ready(*named):
            return self._counters.take(*named)
        return await self._in_ledger(self._counters.take, *named)

    async def _in_ledger(self, act: Callable[..., Reserved], *arguments: int) -> Reserved:
        return await asyncio.get_running_loop().run_in_executor(self._ledger, act, *arguments)

    async def _ask_counter(self, errand: Errand, keys: MeterKeys, obis: Obis) -> SessionEnd[int]:
        """What the meter itself last accepted, read by the public client, unciphered."""
        public = self._association(errand, keys, PUBLIC, None)
        return await self._over_tcp(errand, public, _read_counter(obis))

    def _association(
        self, errand: Errand, keys: MeterKeys, role: str, reserved: Reserved | None
    ) -> ClientAssociation:
        model = errand.model
        meter = errand.meter
        settings = self._kept.of(meter.meter_id, model, _access(model, role), keys, meter.gateway_address)
        heard = NOT_HEARD
        if reserved is not None and Quirk.COUNTER_RESTARTS not in model.quirks:
            heard = self._heard.of(meter.meter_id, role, (meter.system_title, keys), self._clock.now())
        return begin(settings, reserved, self._draw(_CHALLENGE_OCTETS), heard)

    async def _over_tcp(self, errand: Errand, association: ClientAssociation, script: Script[T]) -> SessionEnd[T]:
        meter = errand.meter
        return await converse(
            meter.host,
            meter.port,
            association,
            script,
            limits=self._settings.limits,
            expected_title=meter.system_title or None,
            warrant_key=self._settings.warrant_key,
            now=self._clock.now,
            line=self._line_of(meter.meter_id),
        )


def _without_value(end: SessionEnd[int]) -> SessionEnd[T]:
    """A session that ended before its script could begin."""
    return SessionEnd(
        outcome=end.outcome if end.outcome is not Outcome.OK else Outcome.INCOMPLETE,
        detail=f"invocation counter: {end.detail}" if end.connected else end.detail,
        connected=end.connected,
        opened=False,
        value=None,
        octets_sent=end.octets_sent,
        octets_received=end.octets_received,
        latency_ms=end.latency_ms,
        next_counter=end.next_counter,
    )


def _read_counter(obis: Obis) -> Script[int]:
    value = axdr.plain(axdr.decode((yield Get(AttributeRef(1, obis, 2)))))
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < MAX_COUNTER:
        raise Malformed(f"an invocation counter of {value!r}")
    return value


def _access(model: MeterModel, role: str) -> AssociationAccess:
    access = model.associations.get(role)
    if access is None:
        raise NoSuchAssociation(model.name, role)
    return access


def _visited(end: SessionEnd[None], gathered: Gathered) -> Visited:
    """Nothing of another meter is kept; refused profiles make a good conversation an incomplete one."""
    outcome, detail = end.outcome, end.detail
    if outcome is Outcome.WRONG_METER:
        gathered = Gathered()
    parts = [detail, *(f"{profile} {why}" for profile, why in gathered.refused.items()), *gathered.remarks]
    if outcome is Outcome.OK and (gathered.refused or gathered.remarks):
        outcome = Outcome.INCOMPLETE
    return Visited(
        outcome=outcome,
        detail="; ".join(part for part in parts if part),
        latency_ms=end.latency_ms,
        octets_sent=end.octets_sent,
        octets_received=end.octets_received,
        gathered=gathered,
    )


def _seconds(offset_ms: int | None) -> str:
    return "unknown" if offset_ms is None else f"{offset_ms / 1000:+.1f} s"
