"""A head-end that nobody here wrote: the gurux-dlms client reads one meter as a JSON file says.

Runs in the environment of external peers, as a process of its own: `python gurux_client.py READ.json`. Prints one
JSON object with what it read; integers stay integers, octets become hex, a clock becomes its wall fields.
The product never imports this file or what it imports.
"""

import datetime as dt
import json
import socket
import sys
from pathlib import Path

from gurux_dlms import GXByteBuffer, GXDateTime, GXReplyData
from gurux_dlms.enums import Authentication, DataType, DateTimeSkips, InterfaceType, ObjectType, Security
from gurux_dlms.objects import (
    GXDLMSClock,
    GXDLMSData,
    GXDLMSDisconnectControl,
    GXDLMSImageTransfer,
    GXDLMSProfileGeneric,
    GXDLMSRegister,
    GXDLMSScriptTable,
    GXDLMSSecuritySetup,
)
from gurux_dlms.secure import GXDLMSSecureClient

ANSWER_S = 20.0
"""A virtual meter without radio answers within milliseconds; this only ends a test that hangs."""

OBJECTS = {
    1: GXDLMSData,
    3: GXDLMSRegister,
    7: GXDLMSProfileGeneric,
    8: GXDLMSClock,
    9: GXDLMSScriptTable,
    70: GXDLMSDisconnectControl,
}


class Line:
    """The client and its socket."""

    def __init__(self, wanted):
        self.client = GXDLMSSecureClient(
            True,
            wanted["client_address"],
            1,
            Authentication(wanted["mechanism"]),
            bytes.fromhex(wanted["secret"]) or None,
            InterfaceType.HDLC if wanted.get("hdlc") else InterfaceType.WRAPPER,
        )
        if wanted.get("hdlc"):
            line = self.client.hdlcSettings
            line.maxInfoTX = line.maxInfoRX = wanted["hdlc"]["octets"]
            line.windowSizeTX = line.windowSizeRX = wanted["hdlc"]["window"]
            if octets := wanted["hdlc"].get("address_octets"):
                physical = wanted["hdlc"]["physical"]
                self.client.serverAddress = self.client.getServerAddress(1, physical, octets)
                self.client.serverAddressSize = octets
        if wanted["ciphered"]:
            ciphering = self.client.ciphering
            ciphering.security = Security.AUTHENTICATION_ENCRYPTION
            ciphering.systemTitle = bytes.fromhex(wanted["system_title"])
            ciphering.blockCipherKey = bytes.fromhex(wanted["encryption_key"])
            ciphering.authenticationKey = bytes.fromhex(wanted["authentication_key"])
            ciphering.invocationCounter = wanted["invocation_counter"]
        self.client.maxReceivePDUSize = wanted["max_pdu"]
        self.socket = socket.create_connection((wanted["host"], wanted["port"]), timeout=ANSWER_S)

    def ask(self, frames):
        """Send one request and collect the whole answer, blocks included."""
        reply = GXReplyData()
        for frame in frames if isinstance(frames, list) else [frames]:
            reply.clear()
            self._exchange(frame, reply)
            while reply.isMoreData():
                self._exchange(self.client.receiverReady(reply), reply)
        if reply.error:
            raise RuntimeError(f"the meter answered with error {reply.error}")
        return reply

    def _exchange(self, frame, reply):
        self.socket.sendall(bytes(frame))
        received = GXByteBuffer()
        while True:
            octets = self.socket.recv(4096)
            if not octets:
                raise ConnectionError("the meter closed the connection")
            received.set(octets)
            if self.client.getData(received, reply, None):
                return

    def open(self):
        """Link, if there is one; associate; with a high level of security prove each other's knowledge."""
        if snrm := self.client.snrmRequest():
            self.client.parseUAResponse(self.ask(snrm).data)
        reply = self.ask(self.client.aarqRequest())
        self.client.parseAareResponse(reply.data)
        if self.client.authentication > Authentication.LOW:
            reply = self.ask(self.client.getApplicationAssociationRequest())
            self.client.parseApplicationAssociationResponse(reply.data)

    def read(self, target, attribute):
        """One attribute, as gurux understands it."""
        reply = self.ask(self.client.read(target, attribute))
        return self.client.updateValue(target, attribute, reply.value)

    def close(self):
        """Release, take leave of the link, and go."""
        self.ask(self.client.releaseRequest())
        if disc := self.client.disconnectRequest():
            self.ask(disc)
        self.socket.close()


def plain(found):
    """What JSON can carry."""
    if isinstance(found, GXDateTime):
        return found.value.replace(tzinfo=None).isoformat()
    if isinstance(found, dt.datetime):
        return found.replace(tzinfo=None).isoformat()
    if isinstance(found, bytes | bytearray):
        return bytes(found).hex()
    if isinstance(found, list | tuple):
        return [plain(item) for item in found]
    return found if found is None or isinstance(found, str | bool | float) else int(found)


def object_named(class_id, obis):
    """An object of gurux for a class and a name."""
    return OBJECTS[class_id](obis)


def wall_time(text):
    """A date-time that leaves its deviation open, so that the meter takes it for its own wall time."""
    instant = GXDateTime(dt.datetime.fromisoformat(text))
    instant.skip |= DateTimeSkips.DEVITATION
    return instant


def object_list(line):
    """Class and name of every object that the association lists, as gurux understands the list."""
    reply = line.ask(line.client.getObjectsRequest())
    found = line.client.parseObjects(reply.data, onlyKnownObjects=False)
    return [[int(entry.objectType), entry.logicalName] for entry in found]


def profile_rows(line, wanted):
    """The columns of a profile, and its rows between two wall times."""
    profile = GXDLMSProfileGeneric(wanted["obis"])
    line.read(profile, 3)
    start, end = (wall_time(wanted[name]) for name in ("from", "to"))
    reply = line.ask(line.client.readRowsByRange(profile, start, end))
    line.client.updateValue(profile, 2, reply.value)
    columns = [
        [int(entry.objectType), entry.logicalName, how.attributeIndex] for entry, how in profile.captureObjects
    ]
    return {"columns": columns, "rows": [plain(row) for row in profile.buffer]}


def operated(line, orders):
    """What the relay says of itself (attributes 2, 3 and 4) after each order; "mode N" writes its control mode."""
    told = []
    for obis, order in orders:
        relay = GXDLMSDisconnectControl(obis)
        word, _, mode = order.partition(" ")
        if word == "mode":
            relay.controlMode = int(mode)
            line.ask(line.client.write(relay, 4))
        elif word != "read":
            ask = {"disconnect": relay.remoteDisconnect, "reconnect": relay.remoteReconnect}[word]
            line.ask(ask(line.client))
        told.append([plain(line.read(relay, attribute)) for attribute in (2, 3, 4)])
    return told


def invoked(line, class_id, obis, method, octets):
    """What a method returns for an octet-string, as octets in hex."""
    frames = line.client.method(OBJECTS[class_id](obis), method, bytes.fromhex(octets), DataType.OCTET_STRING)
    return bytes(line.ask(frames).value).hex()


def brought(line, wanted):
    """An image brought to the meter, verified and activated, block by block; how many blocks were sent."""
    target = GXDLMSImageTransfer()
    line.read(target, 2)
    image, identifier = bytes.fromhex(wanted["octets"]), bytes.fromhex(wanted["identifier"])
    line.ask(target.imageTransferInitiate(line.client, identifier.decode(), len(image)))
    count = [0]
    for frames in target.imageBlockTransfer(line.client, image, count):
        line.ask(frames)
    line.ask(target.imageVerify(line.client))
    line.ask(target.imageActivate(line.client))
    return {"sent": count[0]}


def given_keys(line, setup, master_key, keys):
    """New global keys, wrapped under the master key."""
    listed = [[int(number), bytes.fromhex(key)] for number, key in keys.items()]
    line.ask(GXDLMSSecuritySetup(setup).globalKeyTransfer(line.client, bytes.fromhex(master_key), listed))


def main():
    """Read everything that was asked for."""
    wanted = json.loads(Path(sys.argv[1]).read_text())
    line = Line(wanted)
    line.open()
    read = []
    for class_id, obis, attribute in wanted["attributes"]:
        target = object_named(ObjectType(class_id), obis)
        if class_id == ObjectType.REGISTER and attribute == 2:
            line.read(target, 3)
        read.append(plain(line.read(target, attribute)))
    profiles = [profile_rows(line, profile) for profile in wanted["profiles"]]
    listed = object_list(line) if wanted["object_list"] else []
    told = operated(line, wanted.get("orders", []))
    returned = [invoked(line, *action) for action in wanted.get("actions", [])]
    image = brought(line, wanted["image"]) if "image" in wanted else None
    if keys := wanted.get("new_keys"):
        given_keys(line, wanted["setup"], wanted["master_key"], keys)
    line.close()
    found = {"attributes": read, "profiles": profiles, "objects": listed, "relays": told}
    print(json.dumps(found | {"returned": returned, "image": image}))


if __name__ == "__main__":
    main()
