"""Asks a running control room how it is, from the supervisor, over loopback and without a session."""

from __future__ import annotations

import http.client

import msgspec

from bijlighar.controlroom.health import Health

WITHIN_S = 2.0
LARGEST_ANSWER_OCTETS = 10_000


_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared with, not bound to)


def ask_health(host: str, port: int, name: str = "localhost") -> Health | None:
    """The health, or None when the control room does not answer (yet). ``name``: one it is called by."""
    target = _EVERYWHERE.get(host, host)
    connection = http.client.HTTPConnection(target, port, timeout=WITHIN_S)
    try:
        connection.request("GET", "/api/health", headers={"Host": f"{name}:{port}"})
        answer = connection.getresponse()
        body = answer.read(LARGEST_ANSWER_OCTETS)
        return msgspec.json.decode(body, type=Health) if answer.status == http.client.OK else None
    except (OSError, http.client.HTTPException, msgspec.MsgspecError):
        return None
    finally:
        connection.close()
