"""Sessions by gurux-dlms, in an environment of its own: ``python gurux_session.py SETTINGS.json``.

Reads a number of sessions from each line of standard input and answers with one JSON object: CPU seconds, and the
sum over all cells of integers of the last session. Never imported by anything.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

gurux = import_module("gurux_dlms")
enums = import_module("gurux_dlms.enums")
objects = import_module("gurux_dlms.objects")
secure = import_module("gurux_dlms.secure")

ANSWER_S = 20.0


class Session:
    """A client and its socket."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.client = client = secure.GXDLMSSecureClient(
            True, told["client_address"], 1, enums.Authentication.HIGH_GMAC, None, enums.InterfaceType.WRAPPER
        )
        ciphering = client.ciphering
        ciphering.security = enums.Security.AUTHENTICATION_ENCRYPTION
        ciphering.systemTitle = bytes.fromhex(told["client_title"])
        ciphering.blockCipherKey = bytes.fromhex(told["encryption_key"])
        ciphering.authenticationKey = bytes.fromhex(told["authentication_key"])
        ciphering.invocationCounter = 1
        client.settings.useCustomChallenge = True
        client.ctoSChallenge = bytes.fromhex(told["challenge"])
        client.maxReceivePDUSize = told["max_pdu"]
        self.socket = socket.create_connection((told["host"], told["port"]), timeout=ANSWER_S)

    def ask(self, frames: Any) -> Any:  # noqa: ANN401 (what gurux makes has no types)
        """One question and its whole answer."""
        reply = gurux.GXReplyData()
        for frame in frames if isinstance(frames, list) else [frames]:
            reply.clear()
            self.exchange(frame, reply)
            while reply.isMoreData():
                self.exchange(self.client.receiverReady(reply), reply)
        if reply.error:
            raise RuntimeError(f"the meter answered with error {reply.error}")
        return reply

    def exchange(self, frame: Any, reply: Any) -> None:  # noqa: ANN401 (as above)
        """One frame and what comes back."""
        self.socket.sendall(bytes(frame))
        received = gurux.GXByteBuffer()
        while True:
            octets = self.socket.recv(4096)
            if not octets:
                raise ConnectionError("the meter closed the connection")
            received.set(octets)
            if self.client.getData(received, reply, None):
                return


def session(told: dict[str, Any]) -> list[Any]:
    """Associate, read the profile, release. The rows as gurux decodes them."""
    line = Session(told)
    reply = line.ask(line.client.aarqRequest())
    line.client.parseAareResponse(reply.data)
    reply = line.ask(line.client.getApplicationAssociationRequest())
    line.client.parseApplicationAssociationResponse(reply.data)
    rows: list[Any] = line.ask(line.client.read(objects.GXDLMSProfileGeneric(told["obis"]), 2)).value
    line.ask(line.client.releaseRequest())
    line.socket.close()
    return rows


def main() -> None:
    """Answer every line."""
    told = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    answers = sys.stdout
    for line in sys.stdin:
        begun = time.process_time()
        rows: list[Any] = []
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):  # gurux prints
            for _ in range(int(line)):
                rows = session(told)
        cpu_s = time.process_time() - begun
        checksum = sum(int(cell) for row in rows for cell in list(row)[1:])
        print(json.dumps({"cpu_s": cpu_s, "rows": len(rows), "checksum": checksum}), file=answers, flush=True)


if __name__ == "__main__":
    main()
