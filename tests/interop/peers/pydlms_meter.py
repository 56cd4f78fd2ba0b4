"""A meter that nobody here wrote: the simulator of pydlms-client, holding the objects of a JSON file.

Runs in the environment of external peers, as a process of its own: `python pydlms_meter.py METER.json`. Prints
`{"port": N}` once it listens, then one line for each request it understood: `{"request": hex of plain octets}`; at
the end `{"image": …}` when it takes images, and `{"keys": …}` whenever it was given new ones.
The product never imports this file or what it imports.
"""

import json
import sys
from pathlib import Path

from pydlms.cosem.data import DlmsData
from pydlms.obis import ObisCode
from pydlms.security.hls import Mechanism
from pydlms.security.keywrap import unwrap_key
from pydlms.simulator import ClientProfile, ImageTransferTarget, MeterSimulator, serve

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


def keys_taken(master_key):
    """A method that unwraps new global keys and tells them."""

    def take(_meter, parameter):
        pairs = [(entry.value[0].value, entry.value[1].value) for entry in parameter.value]
        report({"keys": {int(number): unwrap_key(master_key, wrapped).hex() for number, wrapped in pairs}})

    return take


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
    if echo := wanted.get("echo"):
        meter.add_object(echo["class"], echo["obis"], {})
        meter.add_method(echo["class"], echo["obis"], echo["method"], lambda _meter, parameter: parameter)
    if setup := wanted.get("security_setup"):
        meter.add_object(64, setup["obis"], {})
        meter.add_method(64, setup["obis"], 2, keys_taken(bytes.fromhex(setup["master_key"])))
    return meter


def target_of(wanted, meter):
    """The object that takes images, None where the meter has none."""
    if "image" not in wanted:
        return None
    return ImageTransferTarget(**wanted["image"]).install(meter)


def main():
    """Serve until the starter goes away."""
    wanted = json.loads(Path(sys.argv[1]).read_text())
    window = wanted["hdlc_window"]
    meter = meter_of(wanted)
    target = target_of(wanted, meter)
    server = serve(meter, wanted["host"], wanted["port"], hdlc=window > 0, hdlc_window=max(window, 1))
    report({"port": server.server_address[1]})
    sys.stdin.read()
    if target is not None:
        image = target.image()
        report({"image": image and image.hex(), "received": target.received, "activated": target.activated})


if __name__ == "__main__":
    main()
