"""A meter that nobody here wrote: the simulator of pydlms-client, holding the objects of a JSON file.

Runs in the environment of external peers, as a process of its own: `python pydlms_meter.py METER.json`. Prints
`{"port": N}` once it listens, then one line for each request it understood: `{"request": hex of plain octets}`.
The product never imports this file or what it imports.
"""

import json
import sys
from pathlib import Path

from pydlms.cosem.data import DlmsData
from pydlms.obis import ObisCode
from pydlms.security.hls import Mechanism
from pydlms.simulator import ClientProfile, MeterSimulator, serve

DISCONNECT_CONTROL = 70

KINDS = {
    "null": lambda _: DlmsData.null(),
    "boolean": DlmsData.boolean,
    "i8": DlmsData.int8,
    "i16": DlmsData.int16,
    "i32": DlmsData.int32,
    "u8": DlmsData.uint8,
    "u16": DlmsData.uint16,
    "u32": DlmsData.uint32,
    "enum": DlmsData.enum,
    "text": DlmsData.visible_string,
    "octets": lambda digits: DlmsData.octet_string(bytes.fromhex(digits)),
    "array": lambda items: DlmsData.array([value(item) for item in items]),
    "structure": lambda items: DlmsData.structure([value(item) for item in items]),
}


def value(typed):
    """The simulator's value for `[kind, value]`."""
    kind, content = typed
    return KINDS[kind](content)


def report(facts):
    """One line of JSON for the test that started this meter."""
    print(json.dumps(facts), flush=True)


class ToldMeter(MeterSimulator):
    """The simulator, telling what it is asked."""

    def _service(self, plain, session):
        report({"request": plain.hex()})
        return super()._service(plain, session)


def switched(obis, closed):
    """A method of the simulator that opens or closes the relay ``obis`` at once, as control mode 4 has it."""

    def switch(meter, _parameter):
        relay = meter.objects[(DISCONNECT_CONTROL, ObisCode.parse(obis))]
        relay[2], relay[3] = DlmsData.boolean(closed), DlmsData.enum(int(closed))

    return switch


def meter_of(wanted):
    """The meter that the JSON file describes."""
    meter = ToldMeter(
        system_title=bytes.fromhex(wanted["system_title"]),
        encryption_key=bytes.fromhex(wanted["encryption_key"]),
        authentication_key=bytes.fromhex(wanted["authentication_key"]),
        max_pdu=wanted["max_pdu"],
    )
    meter.set_ic_location(wanted["counter"])
    meter.clients = {
        client["address"]: ClientProfile(
            Mechanism(client["mechanism"]),
            secret=bytes.fromhex(client["secret"]) or None,
            ciphered=client["ciphered"],
        )
        for client in wanted["clients"]
    }
    for entry in wanted["objects"]:
        attributes = {int(number): value(typed) for number, typed in entry["attributes"].items()}
        meter.add_object(entry["class"], entry["obis"], attributes)
        if entry["class"] == DISCONNECT_CONTROL:
            for method, closed in ((1, False), (2, True)):
                meter.add_method(DISCONNECT_CONTROL, entry["obis"], method, switched(entry["obis"], closed))
    return meter


def main():
    """Serve until the starter goes away."""
    wanted = json.loads(Path(sys.argv[1]).read_text())
    window = wanted["hdlc_window"]
    server = serve(meter_of(wanted), wanted["host"], wanted["port"], hdlc=window > 0, hdlc_window=max(window, 1))
    report({"port": server.server_address[1]})
    sys.stdin.read()


if __name__ == "__main__":
    main()
