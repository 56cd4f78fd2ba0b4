"""Ports that can be had, for TCP alone or for pushes, which come over UDP too."""

from __future__ import annotations

import socket

import pytest

from bijlighar.controlroom import ports
from bijlighar.controlroom.ports import PortTaken, free_port, free_push_port

HOST = "127.77.66.55"
"""An address of our own: another test's connections to 127.0.0.1 cannot take a port of it."""


def test_a_port_for_pushes_is_free_for_datagrams_too(monkeypatch: pytest.MonkeyPatch) -> None:
    other = free_push_port(HOST)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind((HOST, free_port(HOST)))
        taken = held.getsockname()[1]
        drawn = iter([taken, taken, other, taken])
        monkeypatch.setattr(ports.secrets, "choice", lambda _: next(drawn))
        assert free_push_port(HOST) == other
        assert free_port(HOST) == taken


def test_when_every_drawn_port_is_taken_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        taken = held.getsockname()[1]
        monkeypatch.setattr(ports.secrets, "choice", lambda _: taken)
        with pytest.raises(PortTaken, match=str(taken)):
            free_push_port()
