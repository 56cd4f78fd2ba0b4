"""Whether a port can be had, asked before anything is started."""

from __future__ import annotations

import errno
import secrets
import socket


class PortTaken(Exception):
    """Another process has the port. ``port`` names it."""

    def __init__(self, port: int, purpose: str, option: str) -> None:
        super().__init__(
            f"port {port}, wanted for {purpose}, is taken by another process; choose another with {option}"
        )
        self.port = port


def require_free(
    host: str,
    port: int,
    purpose: str,
    option: str = "--port",
    *,
    transport: socket.SocketKind = socket.SOCK_STREAM,
) -> None:
    """Return when ``host:port`` can be listened on. ``option`` chooses another port.

    Raises PortTaken; OSError for a foreign address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, transport) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as refusal:
            if refusal.errno in (errno.EADDRINUSE, errno.EACCES):
                raise PortTaken(port, purpose, option) from refusal
            raise


FREE_PORTS = range(20_000, 32_000)
"""Below the ports from which Linux lends to outgoing connections (32,768 and up), any of which may be gone the
moment after it was found free."""
TRIES = 100


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago. Raises PortTaken when TRIES drawn ones were not."""
    return _free(host, (socket.SOCK_STREAM,))


def free_push_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago for TCP and UDP alike, as meters push over both. Raises PortTaken."""
    return _free(host, (socket.SOCK_STREAM, socket.SOCK_DGRAM))


def _free(host: str, transports: tuple[socket.SocketKind, ...]) -> int:
    for _ in range(TRIES):
        number = secrets.choice(FREE_PORTS)
        try:
            for transport in transports:
                require_free(host, number, "a listener", transport=transport)
        except PortTaken:
            continue
        return number
    raise PortTaken(number, "a listener", "--port")
