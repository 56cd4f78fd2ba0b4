"""Sessions by dlms-cosem, 21.3.2 or later, in an environment of its own: ``cosem_session.py SETTINGS.json``.

Reads a number of sessions from each line of standard input and answers with one JSON object: CPU seconds, and the
sum over all cells of integers of the last session. Never imported by anything.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

cosem = import_module("dlms_cosem.cosem")
enumerations = import_module("dlms_cosem.enumerations")
utils = import_module("dlms_cosem.utils")


def client_of(told: dict[str, Any]) -> Any:  # noqa: ANN401 (what dlms-cosem makes has no types)
    """A client of whichever version is installed; both are given the same settings."""
    common = {
        "encryption_key": bytes.fromhex(told["encryption_key"]),
        "authentication_key": bytes.fromhex(told["authentication_key"]),
        "client_system_title": bytes.fromhex(told["client_title"]),
        "client_initial_invocation_counter": 1,
        "block_transfer": True,
        "max_pdu_size": told["max_pdu"],
    }
    challenge = bytes.fromhex(told["challenge"])
    if find_spec("dlms_cosem.client") is None:
        client = import_module("dlms_cosem.clients.dlms_client").DlmsClient.with_tcp_transport(
            host=told["host"],
            port=told["port"],
            client_logical_address=told["client_address"],
            server_logical_address=1,
            authentication_method=enumerations.AuthenticationMechanism.HLS_GMAC,
            **common,
        )
        client.dlms_connection.client_to_meter_challenge = challenge
        return client
    io, security = import_module("dlms_cosem.io"), import_module("dlms_cosem.security")
    authentication = security.HighLevelSecurityGmacAuthentication(challenge_length=len(challenge))
    authentication.calling_authentication_value = challenge
    transport = io.TcpTransport(
        client_logical_address=told["client_address"],
        server_logical_address=1,
        io=io.BlockingTcpIO(host=told["host"], port=told["port"]),
    )
    make = import_module("dlms_cosem.client").DlmsClient
    return make(transport=transport, authentication=authentication, **common)


def session(told: dict[str, Any], attribute: Any) -> list[Any]:  # noqa: ANN401 (as above)
    """Associate, read the profile, release. The rows as dlms-cosem decodes them."""
    with client_of(told).session() as client:
        rows: list[Any] = utils.parse_as_dlms_data(client.get(attribute))
    return rows


def silence() -> None:
    """No log lines: their cost would be counted."""
    logging.disable(logging.CRITICAL)
    if find_spec("structlog") is not None:
        structlog = import_module("structlog")
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def main() -> None:
    """Answer every line."""
    silence()
    told = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    profile = enumerations.CosemInterface.PROFILE_GENERIC
    attribute = cosem.CosemAttribute(profile, cosem.Obis.from_string(told["obis"]), 2)
    for line in sys.stdin:
        begun = time.process_time()
        rows: list[Any] = []
        for _ in range(int(line)):
            rows = session(told, attribute)
        cpu_s = time.process_time() - begun
        checksum = sum(int(cell) for row in rows for cell in row[1:])
        print(json.dumps({"cpu_s": cpu_s, "rows": len(rows), "checksum": checksum}), flush=True)


if __name__ == "__main__":
    main()
