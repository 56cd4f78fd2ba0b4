"""Sessions with virtual meters without any socket: octets go from one machine into the other."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from bijlighar.cim.contacts import Outcome
from bijlighar.cim.network import Meter, MeterCategory
from bijlighar.cim.readings import MISSING
from bijlighar.dlms.association import (
    NEED_DATA,
    ActionDone,
    AssociationOpened,
    AssociationRefused,
    GetFailed,
    GetSucceeded,
    Released,
    ServerAssociation,
    ServiceRefused,
    SetDone,
)
from bijlighar.dlms.errors import ProtocolError, RemoteProtocolError
from bijlighar.headend.associating import READER, client_association, counts
from bijlighar.headend.counters import Reserved
from bijlighar.headend.decoding import Parcel, Templates, understand
from bijlighar.headend.keys import MeterKeys
from bijlighar.headend.layouts import LayoutBook
from bijlighar.headend.reading import Errand, Gathered, read_meter
from bijlighar.headend.script import Act, Get, ReadRefused, Set
from bijlighar.headend.seen import SeenRows
from bijlighar.headend.session import SessionEnd
from meterlab import identity, truth
from meterlab.access import caller_of, keep_counters, server_settings
from meterlab.answering import answer

LOGS = ("voltage", "current", "power", "transaction", "other", "nonrollover", "control")
NOW_S = int(datetime(2026, 6, 11, 6, 47, 12, tzinfo=UTC).timestamp())


def keys_of(lab, meter):
    """All of a virtual meter's test keys."""
    keys = identity.keys(lab.town.seed, meter)
    return MeterKeys(
        encryption_key=keys.encryption,
        authentication_key=keys.authentication,
        reader_secret=keys.reader_secret,
        setting_secret=keys.setting_secret,
    )


@dataclass
class Wire:
    """One meter of a lab, called as often as one likes. ``asked`` all requests; ``served`` how many sessions."""

    lab: object
    meter: int
    now_s: float = NOW_S
    served: int = 0

    def __post_init__(self):
        self.asked = []

    async def dial(self, association, script):
        """Run a script as ``session.converse`` does."""
        return self.converse(association, script)

    def converse(self, client, script):
        self.served += 1
        server, value, opened, outcome, detail = None, None, False, None, ""
        client.open()
        while outcome is None:
            octets = client.data_to_send()
            if not octets:
                outcome, detail = Outcome.HUNG, "silent"
                break
            if server is None:
                server = ServerAssociation(server_settings(self.lab, self.meter, caller_of(octets)))
            reply = self._reply(server, octets)
            try:
                client.receive_data(reply)
                while outcome is None and (event := client.next_event()) is not NEED_DATA:
                    if isinstance(event, AssociationRefused):
                        outcome, detail = Outcome.REFUSED, f"association refused: {event.diagnostic}"
                    elif isinstance(event, Released):
                        outcome = Outcome.OK
                    else:
                        opened |= isinstance(event, AssociationOpened)
                        value = self._step(client, script, event)
            except RemoteProtocolError as error:
                outcome, detail = Outcome.PROTOCOL, error.reason
            except ReadRefused as error:
                outcome, detail = Outcome.INCOMPLETE, str(error)
        script.close()
        return SessionEnd(
            outcome=outcome,
            detail=detail,
            connected=True,
            opened=opened,
            value=value if outcome is Outcome.OK else None,
            octets_sent=0,
            octets_received=0,
            latency_ms=0,
            next_counter=client.next_invocation_counter,
        )

    def _reply(self, server, octets):
        try:
            server.receive_data(octets)
            while (event := server.next_event()) is not NEED_DATA:
                answer(self.lab, self.meter, server, event, self.now_s)
        except ProtocolError:
            pass
        keep_counters(self.lab, self.meter, server)
        return server.data_to_send()

    def _step(self, client, script, event):
        try:
            request = self._next(script, event)
        except StopIteration as stop:
            client.release()
            return stop.value
        self.asked.append(request)
        if isinstance(request, Get):
            client.get(request.ref, request.selection)
        elif isinstance(request, Set):
            client.set(request.ref, request.value)
        else:
            assert isinstance(request, Act)
            client.action(request.ref, request.parameter)
        return None

    @staticmethod
    def _next(script, event):
        if isinstance(event, AssociationOpened):
            return next(script)
        if isinstance(event, GetSucceeded):
            return script.send(event.octets)
        if isinstance(event, GetFailed):
            return script.throw(ReadRefused("get", event.result.name.lower().replace("_", "-")))
        if isinstance(event, ServiceRefused):
            return script.throw(ReadRefused("service", "refused"))
        assert isinstance(event, SetDone | ActionDone), event
        if event.result != 0:
            return script.throw(ReadRefused("set", event.result.name.lower()))
        return script.send(b"")


def converse(wire, role, script, model=None):
    """What a script brings, in the association of a role as the model (else the meter's own) says."""
    keys = keys_of(wire.lab, wire.meter)
    model = model or wire.lab.objects.plan(wire.meter).model
    access = model.associations[role]
    reserved = Reserved(first=10_000 * (wire.served + 1), count=5000, fresh=False) if counts(access) else None
    client = client_association(
        access, keys, own_title=b"BJG00001", reserved=reserved, challenge=b"0123456789abcdef"
    )
    end = wire.converse(client, script)
    assert end.outcome.value == "ok", end.detail
    return end.value


def read(wire, *orders, model=None):
    """Gathered and readings of a visit in which nothing may go wrong."""
    model = model or wire.lab.objects.plan(wire.meter).model
    seed = wire.lab.town.seed
    serial = identity.serial(seed, wire.meter)
    meter = Meter(
        meter_id=5,
        serial=serial,
        system_title=identity.system_title(seed, wire.meter),
        category=MeterCategory(model.category),
        model=model.name,
        usage_point="",
        host="",
        port=1,
    )
    errand = Errand(
        meter=meter,
        serial=serial,
        model=model,
        firmware=None,
        orders=orders,
        layouts=LayoutBook(None),
        now=lambda: float(NOW_S),
    )
    gathered = Gathered()
    converse(wire, READER, read_meter(errand, gathered), model)
    assert (gathered.refused, gathered.whole) == ({}, True)
    parcel = Parcel(meter_id=5, model=model, reads=tuple(gathered.reads), contact=None, token=None, repeat=True)
    understood = understand([parcel], Templates(), SeenRows(), NOW_S)
    [result] = understood.results
    assert (result.faults, result.unmapped, understood.quarantined) == ({}, set(), [])
    return gathered, understood.readings


def held(wire, kind, period=None):
    """What the meter holds, by profile, start and event code."""
    found = {}
    for line in truth.lines(wire.lab, wire.meter, kind, 0, NOW_S + 86_400, NOW_S):
        row = json.loads(line)
        if period is None or period.start_s <= row["start_s"] < period.end_s:
            found[row["profile"], row["start_s"], row["values"].get("event_code")] = row["values"]
    return found


def stored(batches, kind):
    """The same of readings."""
    found = {}
    for batch in batches:
        for row, start_s in enumerate(batch.start_s.tolist()):
            values = {name: int(column[row]) for name, column in batch.channels.items()}
            log = values.pop("event_log", None)
            profile = kind if log is None else f"event-{LOGS[log]}"
            found[profile, start_s, values.get("event_code")] = {n: v for n, v in values.items() if v != MISSING}
    return found
