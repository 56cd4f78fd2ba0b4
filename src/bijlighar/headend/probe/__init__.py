"""Probing a live meter of an unknown make: which associations answer, and what its profiles are like.

``probe`` only reads. It tries each form of an association once and stops at the first that opens, because some
makes lock an association after several wrong tries. ``draft.draft_of`` writes what was found as a meter model.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from bijlighar.cim.contacts import Outcome
from bijlighar.dlms import axdr
from bijlighar.dlms.association import Ciphering, ClientAssociation, Mechanism
from bijlighar.dlms.errors import LocalProtocolError, RemoteProtocolError
from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.dlms.model import AssociationAccess, MeterModel, Quirk
from bijlighar.dlms.models import load_model
from bijlighar.dlms.security import SecurityControl
from bijlighar.dlms.xdlms import AttributeRef
from bijlighar.headend.associating import PUBLIC, READER, SETTING, client_association, counts, passing_title
from bijlighar.headend.counters import Reserved
from bijlighar.headend.keys import MeterKeys
from bijlighar.headend.octet_gateway import OctetGateway
from bijlighar.headend.probe.findings import Findings
from bijlighar.headend.probe.ranges import Ranges
from bijlighar.headend.probe.survey import Survey
from bijlighar.headend.script import Get, ReadRefused, Script
from bijlighar.headend.session import SessionEnd, TimeLimits, converse

GUIDE: Final = "is15959-d1"
"""Addresses, profiles and objects to look for are those of IS 15959, which all its categories share."""
_COUNTERS_A_SESSION = 5000
_CHALLENGE_OCTETS = 16
_MOST_SILENT = 3
"""Sessions in a row that do not open, before the rest is left unasked."""

Dial: TypeAlias = Callable[[ClientAssociation, Script[Any]], Awaitable[SessionEnd[Any]]]
Step: TypeAlias = tuple[str, Callable[[], Script[None]]]

_BOTH, _ENCRYPTED = SecurityControl.AUTHENTICATED_ENCRYPTED, SecurityControl.ENCRYPTED
_FORMS: Final[dict[str, tuple[tuple[Mechanism, Ciphering, SecurityControl], ...]]] = {
    READER: (
        (Mechanism.LLS, Ciphering.GLO, _BOTH),
        (Mechanism.LLS, Ciphering.GENERAL_GLO, _BOTH),
        (Mechanism.LLS, Ciphering.GLO, _ENCRYPTED),
        (Mechanism.LLS, Ciphering.NONE, SecurityControl(0)),
    ),
    SETTING: (
        (Mechanism.HLS_AES, Ciphering.GLO, _BOTH),
        (Mechanism.HLS_GMAC, Ciphering.GLO, _BOTH),
        (Mechanism.HLS_AES, Ciphering.GENERAL_GLO, _BOTH),
        (Mechanism.HLS_GMAC, Ciphering.GENERAL_GLO, _BOTH),
        (Mechanism.HLS_AES, Ciphering.NONE, SecurityControl(0)),
    ),
}
"""Forms to try, the most frequent first."""


class NothingToRead(Exception):
    """No association opened that may read profiles. ``tried`` how each went."""

    def __init__(self, tried: list[str]) -> None:
        super().__init__("no association opened that may read profiles: " + "; ".join(tried))
        self.tried = tried


def over_tcp(
    host: str,
    port: int,
    now: Callable[[], float],
    limits: TimeLimits | None = None,
    hdlc: HdlcSettings | None = None,
) -> Dial:
    """Sessions with the meter at an address; ``hdlc`` how it is called behind a gateway of octets."""
    within = limits or TimeLimits()
    gateway = None if hdlc is None else OctetGateway(host, port, hdlc, within)

    async def dial(association: ClientAssociation, script: Script[Any]) -> SessionEnd[Any]:
        end: SessionEnd[Any] = await converse(
            host,
            port,
            association,
            script,
            limits=within,
            expected_title=None,
            warrant_key=None,
            now=now,
            line=gateway,
        )
        if gateway is not None:
            await gateway.left()
        return end

    return dial


async def probe(
    dial: Dial,
    keys: MeterKeys,
    *,
    now: Callable[[], float],
    tell: Callable[[str], None],
    own_title: bytes | None = None,
    first_counter: int = 1,
    draw: Callable[[int], bytes] = secrets.token_bytes,
) -> Findings:
    """What the meter behind ``dial`` is like. ``tell`` is called with progress, a line at a time.

    ``own_title`` of 8 octets, None: drawn; ``first_counter`` the invocation counter to begin with where the public
    client is not told one. Raises NothingToRead.
    """
    title = passing_title(draw) if own_title is None else own_title
    caller = _Caller(dial=dial, keys=keys, tell=tell, own_title=title, draw=draw, first=first_counter)
    guide, findings = load_model(GUIDE), caller.findings
    survey = Survey(findings, guide, now, tell)
    ranges = Ranges(findings, now, tell, guide.default_offset_min)
    await caller.ask(
        guide.associations[PUBLIC], [("object list", survey.object_list), ("counters", caller.counters)]
    )
    steps: list[Step] = [
        ("object list", survey.object_list),
        ("clock", survey.clock),
        ("nameplate", survey.nameplate),
        *((name, lambda profile=profile: survey.profile(profile)) for name, profile in guide.profiles.items()),
        ("block load by range", lambda: ranges.block_load(findings.profiles["block-load"])),
    ]
    if not await caller.open(guide.associations[READER], steps):
        if not await caller.open(guide.associations[SETTING], steps):
            raise NothingToRead(findings.tried)
    else:
        await caller.open(guide.associations[SETTING], [("object list", survey.object_list)])
    return findings


@dataclass(slots=True, kw_only=True)
class _Caller:
    """Opens associations, with invocation counters that only grow."""

    dial: Dial
    keys: MeterKeys
    tell: Callable[[str], None]
    own_title: bytes
    draw: Callable[[int], bytes]
    first: int
    findings: Findings = field(default_factory=Findings)
    next_counters: dict[str, int] = field(default_factory=dict)

    def counters(self) -> Script[None]:
        """What the meter last accepted from each client, as it tells the public one."""
        guide: MeterModel = load_model(GUIDE)
        for name in (READER, SETTING):
            obis = guide.associations[name].counter_obis
            assert obis is not None, "the guide's clients count"
            try:
                value = axdr.plain(axdr.decode((yield Get(AttributeRef(1, obis, 2)))))
            except ReadRefused as refusal:
                self.findings.quirks[Quirk.COUNTER_NOT_PUBLIC] = f"refused to the public client: {refusal.result}"
                continue
            if isinstance(value, int):
                self.next_counters[name] = value + 1

    async def open(self, usual: AssociationAccess, steps: list[Step]) -> bool:
        """Find the form in which this association opens and go through the steps. Whether it opened."""
        for mechanism, ciphering, protection in _FORMS[usual.name]:
            access = replace(usual, mechanism=mechanism, ciphering=ciphering, protection=protection)
            if self._able(access) and await self.ask(access, steps):
                return True
        if usual.name not in {tried.partition(" ")[0] for tried in self.findings.tried}:
            self.findings.tried.append(f"{usual.name} was not tried: its secret or the keys were not given")
        return False

    def _able(self, access: AssociationAccess) -> bool:
        keyed = bool(self.keys.encryption_key and self.keys.authentication_key)
        secret = {Mechanism.LLS: self.keys.reader_secret, Mechanism.HLS_AES: self.keys.setting_secret}
        return (keyed or not counts(access)) and bool(secret.get(access.mechanism, b"-"))

    async def ask(self, access: AssociationAccess, steps: list[Step]) -> bool:
        """Go through the steps in as many sessions as it takes. Whether one opened."""
        left, opened, silent = list(steps), False, 0
        label = _words(access)
        while left and silent < (_MOST_SILENT if opened else 1):
            self.tell(f"calling as {label}")
            try:
                end = await self._session(access, self._through(left))
            except LocalProtocolError as fault:
                self.findings.tried.append(f"{label}: {fault.reason}")
                return False
            if end.opened and not opened:
                opened = True
                self.findings.associations[access.name] = access
            silent = 0 if end.opened else silent + 1
            if end.outcome is not Outcome.OK:
                words = f"{label}: {end.detail or end.outcome.value}"
                (self.findings.remarks if opened else self.findings.tried).append(words)
                self.tell(words)
        return opened

    def _through(self, left: list[Step]) -> Script[None]:
        """Each step in its turn; a fault of one costs that one only."""
        while left:
            label, step = left.pop(0)
            try:
                yield from step()
            except ReadRefused as refusal:
                self.findings.remarks.append(f"{label}: {refusal}")
            except RemoteProtocolError as fault:
                self.findings.remarks.append(f"{label}: {fault.reason}")

    async def _session(self, access: AssociationAccess, script: Script[None]) -> SessionEnd[None]:
        reserved = None
        if counts(access):
            first = self.next_counters.get(access.name, self.first)
            reserved = Reserved(first=first, count=_COUNTERS_A_SESSION, fresh=False)
        client = client_association(
            access,
            self.keys,
            own_title=self.own_title,
            reserved=reserved,
            challenge=self.draw(_CHALLENGE_OCTETS),
        )
        end: SessionEnd[None] = await self.dial(client, script)
        if reserved is not None:
            self.next_counters[access.name] = max(end.next_counter, reserved.first + 1)
        return end


def _words(access: AssociationAccess) -> str:
    how = [access.mechanism.name.lower().replace("_", "-"), access.ciphering.value]
    if access.protection == _ENCRYPTED:
        how.append("encrypted only")
    return f"{access.name} ({', '.join(how)})"
