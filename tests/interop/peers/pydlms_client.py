"""A head-end that nobody here wrote: the client of pydlms-client reads one meter as a JSON file says.

Runs in the environment of external peers, as a process of its own: `python pydlms_client.py READ.json`. Prints one
JSON object with what it read; numbers stay numbers, octets become hex, a row's clock becomes its wall fields.
The product never imports this file or what it imports.
"""

import datetime as dt
import json
import sys
from pathlib import Path

from pydlms import CosemDateTime, DlmsClient, Mechanism, SecurityContext
from pydlms.apdu.xdlms import date_time_value, entry_descriptor, range_descriptor
from pydlms.cosem.data import DlmsData
from pydlms.hdlc.connection import HdlcParameters
from pydlms.image import transfer_image

ANSWER_S = 20.0
"""A virtual meter without radio answers within milliseconds; this only ends a test that hangs."""

GET_NEXT = b"\xc0\x02"


def client_of(wanted):
    """The client, not yet connected; the requests for further blocks are noted in ``asked``."""
    line = {"hdlc": False}
    if sizes := wanted.get("hdlc"):
        octets, window = sizes["octets"], sizes["window"]
        line = {"hdlc": True, "hdlc_parameters": HdlcParameters(octets, octets, window, window)}
        if size := sizes.get("address_octets"):
            line |= {"address_size": size, "server_physical": sizes["physical"]}
    security = None
    if wanted["ciphered"]:
        security = SecurityContext(
            bytes.fromhex(wanted["encryption_key"]),
            bytes.fromhex(wanted["authentication_key"]),
            client_system_title=bytes.fromhex(wanted["system_title"]),
            invocation_counter=wanted["invocation_counter"],
            master_key=bytes.fromhex(wanted["master_key"]) if "master_key" in wanted else None,
        )
    client = DlmsClient.tcp(
        wanted["host"],
        wanted["port"],
        client_sap=wanted["client_address"],
        timeout=ANSWER_S,
        mechanism=Mechanism(wanted["mechanism"]),
        password=bytes.fromhex(wanted["secret"]) or None,
        security=security,
        max_receive_pdu_size=wanted["max_pdu"],
        protection=wanted.get("protection", "glo"),
        require_verified_release=wanted["ciphered"],
        expected_server_system_title=bytes.fromhex(wanted["meter_title"]) if wanted["ciphered"] else None,
        **line,
    )
    asked, request = [], client.association.request

    def noted(apdu):
        if apdu.startswith(GET_NEXT):
            asked.append(int.from_bytes(apdu[3:7], "big"))
        return request(apdu)

    client.association.request = noted
    return client, asked


def selection(wanted):
    """Rows between two wall times whose deviation is left open, or from one entry to another."""
    if "entries" in wanted:
        return entry_descriptor(*wanted["entries"])
    ends = (CosemDateTime.from_datetime(dt.datetime.fromisoformat(wanted[name])) for name in ("from", "to"))
    return range_descriptor(*(date_time_value(end) for end in ends))


def plain(cell):
    """What JSON can carry."""
    return cell.hex() if isinstance(cell, bytes) else cell


def wall(octets):
    """The wall fields of a date-time."""
    instant = CosemDateTime.from_bytes(octets)
    return dt.datetime.combine(instant.date.to_date(), instant.time.to_time()).isoformat()


def profile_rows(client, wanted):
    """The columns of a profile, and the selected rows, the first cell as wall time."""
    read = client.read_profile(wanted["obis"], selection(wanted))
    columns = [[class_id, str(obis), attribute] for class_id, obis, attribute, _ in read.columns]
    rows = [[wall(row[0]), *(plain(cell) for cell in row[1:])] for row in read.rows]
    return {"columns": columns, "rows": rows}


def invoked(client, class_id, obis, method, octets):
    """What a method returns for an octet-string, as octets in hex."""
    return client.action(obis, class_id, method, DlmsData.octet_string(bytes.fromhex(octets))).to_python().hex()


def brought(client, wanted):
    """An image brought to the meter, verified and activated: blocks sent, and whether the meter says so."""
    done = transfer_image(
        client, bytes.fromhex(wanted["octets"]), bytes.fromhex(wanted["identifier"]), activate=True, poll=0.0
    )
    return {"sent": done.sent, "blocks": done.blocks, "activated": done.activation_confirmed}


def main():
    """Read everything that was asked for."""
    wanted = json.loads(Path(sys.argv[1]).read_text())
    client, asked = client_of(wanted)
    with client:
        read = [
            plain(client.get(obis, class_id, attribute).to_python())
            for class_id, obis, attribute in wanted["attributes"]
        ]
        profiles = [profile_rows(client, profile) for profile in wanted["profiles"]]
        view = client.get_association_view() if wanted["object_list"] else []
        returned = [invoked(client, *action) for action in wanted.get("actions", [])]
        image = brought(client, wanted["image"]) if "image" in wanted else None
        if keys := wanted.get("new_keys"):
            client.transfer_keys(
                {int(number): bytes.fromhex(key) for number, key in keys.items()}, wanted["setup"]
            )
    listed = [[entry.class_id, str(entry.logical_name)] for entry in view]
    told = {"attributes": read, "profiles": profiles, "objects": listed, "next_blocks": asked}
    print(json.dumps(told | {"returned": returned, "image": image}))


if __name__ == "__main__":
    main()
