"""Where a fuzzer begins: octets of real meters and of the standards, of honest sessions, and of what broke others.

``corpus/TARGET.hex`` holds, a line each, what the fuzzer itself found worth keeping (``python -m fuzz.grow``).
"""

from __future__ import annotations

import json
from pathlib import Path

from bijlighar.dlms.association import Ciphering, Mechanism
from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.dlms.models import model_names, model_text
from bijlighar.dlms.notification import DataNotification, seal_push
from bijlighar.dlms.profile import capture_objects_to_octets
from dlms.wire import (
    LOAD_PROFILE,
    METER_TITLE,
    ROW,
    Wire,
    client_settings,
    material,
    server_settings,
    whole_session,
)
from fuzz.targets import TARGETS

FUZZ = Path(__file__).resolve().parent
CORPUS = FUZZ / "corpus"
VECTORS = FUZZ.parent / "vectors"
WRAPPER_OCTETS = 8

KNOWN_TO_BREAK_OTHERS = [
    "130200021206",  # a compact array that makes a known library loop for ever
    "0181ff",
    "01840000ffff00",
    "02ff",
    "0982ffff",
    "09847fffffff",
    "0c0280ff",
    "13010500",
    "1302000000",
    "0113" * 20,
]


def _sessions() -> list[Wire]:
    wires = []
    for mechanism, ciphering, line in (
        (Mechanism.NONE, Ciphering.NONE, None),
        (Mechanism.LLS, Ciphering.GLO, None),
        (Mechanism.HLS_GMAC, Ciphering.GENERAL_GLO, None),
        (Mechanism.HLS_AES, Ciphering.GLO, HdlcSettings()),
    ):
        client = client_settings(mechanism, ciphering, hdlc=line, max_pdu=256)
        wire = Wire(client, server_settings(mechanism, ciphering, hdlc=line), b"\x01\x0a" + ROW * 10)
        whole_session(wire)
        wires.append(wire)
    return wires


_ORDERS = [
    [(0, 0, 1), (0, 0, 2), (0, 0x80, 3)],
    [(0, 0, 1), (1, 0, 1), (0, 0x80, 2), (1, 0x80, 2)],
    [(0, 0, 1), (2, 0, 1), (0, 0x80, 2), (2, 0x80, 2)],
    [(0, 0, 1), (0, 0, 1), (0, 0, 3), (0, 0x80, 4), (0, 0x80, 1)],
    [(0, 0, 2), (0, 0, 3), (0, 0, 0), (0, 0x80, 5)],
]
"""Pushes in blocks: connection and device, control, number; whole, apart, interleaved, doubled, beginless."""


def _piece(octets: bytes) -> bytes:
    """As ``chunks`` cuts it again."""
    return bytes([len(octets)]) + octets if len(octets) < 0xFF else b"\xff" + octets


def seeds() -> dict[str, list[bytes]]:
    """For every target what it begins with, the kept corpus included."""
    vectors = json.loads((VECTORS / "security-suite-0.json").read_text())
    clocks = [
        bytes.fromhex(row["octets"]) for row in json.loads((VECTORS / "clock-rows.json").read_text())["rows"]
    ]
    broken = [bytes.fromhex(digits) for digits in KNOWN_TO_BREAK_OTHERS]
    plain_wire, *others = _sessions()
    plain = [frame[WRAPPER_OCTETS:] for frame in plain_wire.sent + plain_wire.answered]
    glo = [bytes.fromhex(case["ciphered"]) for case in vectors["glo"]]
    layout = capture_objects_to_octets(())
    push = seal_push(DataNotification(invoke_id=1, instant=None, octets=ROW), material(METER_TITLE), 7)
    found: dict[str, list[bytes]] = {
        "encodings": [LOAD_PROFILE, ROW, *broken, *(b"\x09\x0c" + clock for clock in clocks)],
        "openings": [
            apdu for wire in (plain_wire, *others[:2]) for apdu in _bare(wire) if apdu[0] in range(0x60, 0x64)
        ],
        "services": [*plain, bytes.fromhex("D8010602000001"), b"\x0f\x00\x00\x00\x01\x00" + ROW],
        "cells": [b"\x01\x01\x08" + ROW * 8, b"\x00\x01\x01" + ROW, *(b"\x02" + octets for octets in broken)],
        "layouts": [layout, *clocks, b"\x02\x02\x0f\x00\x16\x1e", *broken],
        "envelopes": [*plain_wire.sent, b"\x06\xe0\x81\x00\x01\x00\x00\x01\x00", bytes.fromhex("e60102abcdc001")],
        "forgeries": [*glo, push, bytes.fromhex(vectors["key_wrap"]["wrapped"])],
        "models": [model_text(name).encode() for name in model_names()],
        "visits": [],
        "probes": [],
        "pushes": [
            b"".join(_piece(bytes([whose, control]) + bytes([number]) + ROW) for whose, control, number in order)
            for order in _ORDERS
        ],
        "statuses": [b"\x09\x0c" + clock + b"\x04\x81\x80" + bytes(16) for clock in clocks],
        "clients": [],
        "servers": [],
        "strangers": [],
        "frames": [b"\x03\x01" + b"".join(others[-1].sent), b"\x05\x06" + b"".join(others[-1].answered)],
        "links": [bytes([which, 3]) + b"".join(plain_wire.sent) for which in (0, 4)],
    }
    lies = [
        b"",
        b"\x01",
        b"\x00\x00",
        b"\x02\x00\x00\x01",
        b"\x02\x00\x01\xff\x00\x02\x00",
        b"\x03\x00\x09\x09\x05",
    ]
    for make in range(3):
        for lie in lies:
            for honest in (0, 1, 2, 5, 9):
                told = bytes(honest) + b"".join(map(_piece, [lie, b"", lie, lie, lie]))
                found["visits"].append(bytes([make, honest % 2]) + told)
                found["probes"] += [bytes([make]) + told] if honest in (2, 9) else []
    for mode in (0x81, 0x82, 0x86, 0x01):
        for form in (0, 1, 3, 16, 19):
            for asked in range(4):
                answers = b"".join(_piece(apdu) for apdu in _bare(plain_wire, "answered"))
                found["clients"].append(bytes([form, mode, asked]) + answers)
            requests = b"".join(_piece(apdu) for apdu in _bare(plain_wire, "sent"))
            found["servers"].append(bytes([form, mode, 0]) + requests)
            found["strangers"].append(bytes([form, mode & 0x7F, 0]) + requests)
    for name in found:
        found[name] += kept(name)
    assert set(found) == set(TARGETS)
    return found


def _bare(wire: Wire, *which: str) -> list[bytes]:
    frames = [frame for name in which or ("sent", "answered") for frame in getattr(wire, name)]
    return [frame[WRAPPER_OCTETS:] for frame in frames]


def kept(name: str) -> list[bytes]:
    """What the fuzzer found worth keeping for a target."""
    file = CORPUS / f"{name}.hex"
    return [bytes.fromhex(line) for line in file.read_text().split()] if file.exists() else []
