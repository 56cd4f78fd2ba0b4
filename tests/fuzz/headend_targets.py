"""The head-end above the meters' language: visits, probes and alerts of meters that answer what they like.

An answer is the honest one of a virtual meter, that one with some octets changed, any octets, or a refusal. A
visit must end by itself, by a refusal or by the peer's fault, and what it brought must be understood without any
other exception; a probe must end in a draft that is a model, or in the sentence that there is nothing to read.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from bijlighar.cim.contacts import Outcome
from bijlighar.cim.network import Meter, MeterCategory
from bijlighar.dlms.errors import RemoteProtocolError
from bijlighar.dlms.general_block import GeneralBlock, decode_general_block
from bijlighar.dlms.model import parse_model
from bijlighar.dlms.models import load_model, model_text
from bijlighar.headend.decoding import Parcel, Templates, understand
from bijlighar.headend.keys import MeterKeys
from bijlighar.headend.layouts import LayoutBook
from bijlighar.headend.probe import NothingToRead, probe
from bijlighar.headend.probe.draft import draft_of
from bijlighar.headend.push_blocks import MOST_HELD_OCTETS, PushBlocks
from bijlighar.headend.push_status import read_status
from bijlighar.headend.reading import Errand, Gathered, Order, read_meter
from bijlighar.headend.script import Get, ReadRefused, WrongMeter
from bijlighar.headend.seen import SeenRows
from bijlighar.headend.session import SessionEnd
from fuzz.codec_targets import chunks
from meterlab import identity
from meterlab.lab import Lab, build, town_named
from meterlab.makes import Share
from meterlab.objects import Caller
from meterlab.plans import ModelPlan

_NOW_S = int(datetime(2026, 6, 11, 6, 47, 12, tzinfo=UTC).timestamp())
_SEED, _METER = 7, 3
_MAKES = ("is15959-d1", "d2-18-columns", "d1-11-columns")
_KEYS = MeterKeys(
    encryption_key=bytes(16), authentication_key=bytes(16), reader_secret=b"12345678", setting_secret=bytes(16)
)
_DEPTH = 20
_MOST_QUESTIONS = 512
"""More than a visit or a probe asks: one that goes beyond has been led in a circle."""


@cache
def _lab(make: str) -> Lab:
    """A meter that keeps a few rows: what a fuzzer can change is among them."""
    lab = build(town_named("trial", _SEED, None, [Share(model=make)]), now_s=float(_NOW_S))
    model = load_model(make)
    profiles = {name: replace(kept, depth=min(kept.depth, _DEPTH)) for name, kept in model.profiles.items()}
    lab.objects._plans[make] = ModelPlan.of(replace(model, profiles=profiles))
    return lab


@cache
def _honest(make: str, request: Get) -> object:
    lab = _lab(make)
    answer = lab.objects.get(
        Caller(meter=_METER, association="reader", now_s=_NOW_S), request.ref, request.selection
    )
    return bytes(answer) if isinstance(answer, bytes) else answer


class Liar:
    """Answers in turn as the input says; honestly once it is used up."""

    def __init__(self, make: str, octets: bytes) -> None:
        self._make = make
        self._lies = iter(chunks(octets))
        self._asked = 0

    def answer(self, request: Get) -> bytes | None:
        """The octets; None for a refusal."""
        self._asked += 1
        assert self._asked < _MOST_QUESTIONS
        honest = _honest(self._make, request)
        lie = next(self._lies, b"")
        if not lie:
            return honest if isinstance(honest, bytes) else None
        if lie[0] % 4 == 0:
            return lie[1:]
        if lie[0] % 4 == 1 or not isinstance(honest, bytes):
            return None
        changed = bytearray(honest)
        for at in range(1, len(lie) - 2, 3):
            where = int.from_bytes(lie[at : at + 2], "big") % len(changed)
            changed[where] = lie[at + 2]
        return bytes(changed[: len(changed) - lie[-1] % 8 if lie[0] % 4 == 3 else len(changed)])

    def run(self, script):
        """Run a script to its end; what it returns."""
        try:
            request = next(script)
            while True:
                octets = self.answer(request)
                if octets is None:
                    request = script.throw(ReadRefused("get", "read-write-denied"))
                else:
                    request = script.send(octets)
        except StopIteration as stop:
            return stop.value


def visits(octets: bytes) -> None:
    """One visit that reads everything, and what it brought, understood."""
    make = _MAKES[octets[0] % len(_MAKES)] if octets else _MAKES[0]
    model = load_model(make)
    errand = Errand(
        meter=Meter(
            meter_id=5,
            serial=identity.serial(_SEED, _METER),
            system_title=b"",
            category=MeterCategory(model.category),
            model=make,
            usage_point="",
            host="",
            port=1,
        ),
        serial=identity.serial(_SEED, _METER) if octets[1:2] == b"\x01" else None,
        model=model,
        firmware=None,
        orders=tuple(Order(profile=name) for name in ("instantaneous", "daily", "event-voltage", "billing")),
        layouts=LayoutBook(None),
        now=lambda: float(_NOW_S),
        want_nameplate=True,
    )
    gathered = Gathered()
    with suppress(RemoteProtocolError, ReadRefused, WrongMeter):
        Liar(make, octets[2:]).run(read_meter(errand, gathered))
    parcel = Parcel(meter_id=5, model=model, reads=tuple(gathered.reads), contact=None, token=None, repeat=True)
    understood = understand([parcel], Templates(), SeenRows(), float(_NOW_S))
    assert len(understood.results) == 1


def probes(octets: bytes) -> None:
    """A probe of a meter that lies: a draft that is a model, or nothing to read."""
    make = _MAKES[octets[0] % len(_MAKES)] if octets else _MAKES[0]
    liar = Liar(make, octets[1:])

    async def dial(client, script):
        outcome, opened = Outcome.OK, True
        try:
            liar.run(script)
        except RemoteProtocolError:
            outcome = Outcome.PROTOCOL
        except ReadRefused:
            outcome = Outcome.INCOMPLETE
        return SessionEnd(
            outcome=outcome,
            detail="",
            connected=True,
            opened=opened,
            value=None,
            octets_sent=0,
            octets_received=0,
            latency_ms=0,
            next_counter=client.next_invocation_counter,
        )

    try:
        found = asyncio.run(probe(dial, _KEYS, now=lambda: float(_NOW_S), tell=lambda _: None, draw=bytes))
    except NothingToRead:
        return
    parse_model(draft_of(found), base=model_text)


def statuses(octets: bytes) -> None:
    """The clock and status word of an alert."""
    stamp_s, word = read_status(octets, load_model(_MAKES[0]))
    assert 0 <= word < 1 << 128
    assert stamp_s is None or abs(stamp_s) < 1 << 40


class Judge:
    """What pushes in blocks come to: each whole one is told, each refused one counted."""

    def __init__(self) -> None:
        self.whole: list[bytes] = []
        self.now_s = 0.0

    def take(self, apdu: bytes, _origin: object) -> bool:
        """A whole push."""
        self.whole.append(apdu)
        return True

    def refuse_blocks(self, _octets: bytes, _origin: object) -> bool:
        """One that did not come whole."""
        return False


def pushes(octets: bytes) -> None:
    """General blocks of two connections and two devices each: what is joined came whole, in order and alone.

    A piece: which connection and device, the block's control and number, then its octets; or, from 80 on, the
    octets of an APDU as they are.
    """
    judge, seen = Judge(), defaultdict(list)
    blocks = PushBlocks(judge, within_s=30.0, now=lambda: judge.now_s)
    for piece in chunks(octets):
        if len(piece) < 3:
            judge.now_s += 7.0 * len(piece)
            blocks.sweep()
            continue
        whose, ports = piece[0] & 1, (1 + (piece[0] >> 1 & 1), 64)
        block = piece[1:] if piece[0] & 0x80 else _block(piece)
        before = len(judge.whole)
        taken = blocks.take(whose, ports, block, Origin())
        with suppress(RemoteProtocolError):
            seen[whose].append((ports, decode_general_block(block)))
        if len(judge.whole) > before:
            assert taken is True
            _judge_joined(judge.whole[-1], seen[whose])
    assert blocks.octets <= MOST_HELD_OCTETS
    assert len(blocks) <= 2


class Origin:
    """Where a block came from."""

    peer = "fuzzer"


def _block(piece: bytes) -> bytes:
    last, number = bool(piece[1] & 0x80), piece[2] & 0x0F
    return GeneralBlock(
        last=last, streaming=not last, window=0, number=number, acknowledged=0, octets=piece[3:]
    ).encode()


def _judge_joined(apdu: bytes, seen: list[tuple[tuple[int, int], GeneralBlock]]) -> None:
    """The newest blocks of its connection, numbered from 1 on, of one device, are the push and nothing else."""
    count = seen[-1][1].number
    run = seen[-count:]
    assert [block.number for _, block in run] == list(range(1, count + 1))
    assert len({ports for ports, _ in run}) == 1
    assert b"".join(block.octets for _, block in run) == apdu


HEADEND = {target.__name__: target for target in (visits, probes, statuses, pushes)}
