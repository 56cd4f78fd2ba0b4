"""Our client over a plain blocking socket: one question, one event."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from bijlighar.dlms import axdr
from bijlighar.dlms.association import NEED_DATA, ClientAssociation, ClientSettings, GetSucceeded
from bijlighar.dlms.association.events import ClientEvent
from bijlighar.dlms.procedure import Outcome, Procedure, Read, Wait
from bijlighar.dlms.xdlms import AttributeRef, MethodRef, Selection

T = TypeVar("T")

ANSWER_S = 20.0
"""A peer on loopback answers within milliseconds; this only ends a test that hangs."""


class Conversation:
    """A client association and its socket."""

    def __init__(self, association: ClientAssociation, line: socket.socket) -> None:
        self.association = association
        self._line = line

    def open(self) -> ClientEvent:
        """How the meter answered the wish to associate."""
        self.association.open()
        return self._event()

    def get(self, ref: AttributeRef, selection: Selection | None = None) -> ClientEvent:
        """How the meter answered one GET."""
        self.association.get(ref, selection)
        return self._event()

    def value(self, ref: AttributeRef, selection: Selection | None = None) -> axdr.Data:
        """The value of an attribute that the meter is expected to give."""
        event = self.get(ref, selection)
        assert isinstance(event, GetSucceeded), event
        return event.data()

    def action(self, ref: MethodRef, parameter: axdr.Data | None = None) -> ClientEvent:
        """How the meter answered one ACTION."""
        self.association.action(ref, parameter)
        return self._event()

    def run(self, procedure: Procedure[T]) -> T:
        """Go through a procedure, step by step, without waiting."""
        outcome: Outcome = None
        while True:
            try:
                step = procedure.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(step, Wait):
                outcome = None
            elif isinstance(step, Read):
                got = self.get(step.ref)
                outcome = got.octets if isinstance(got, GetSucceeded) else got.result  # type: ignore[union-attr]
            else:
                outcome = self.action(step.ref, step.parameter).result  # type: ignore[union-attr]

    def release(self) -> ClientEvent:
        """How the meter answered the release; an HDLC link is then taken down too."""
        self.association.release()
        event = self._event()
        while octets := self.association.data_to_send():
            self._line.sendall(octets)
            self.association.receive_data(self._line.recv(4096))
            assert self.association.next_event() is NEED_DATA
        return event

    def _event(self) -> ClientEvent:
        while (event := self.association.next_event()) is NEED_DATA:
            if octets := self.association.data_to_send():
                self._line.sendall(octets)
            received = self._line.recv(4096)
            if not received:
                raise ConnectionError("the peer closed the connection")
            self.association.receive_data(received)
        return event


@contextmanager
def conversation(settings: ClientSettings, port: int, host: str = "127.0.0.1") -> Iterator[Conversation]:
    """Connect; the association is opened by the test."""
    with socket.create_connection((host, port), timeout=ANSWER_S) as line:
        yield Conversation(ClientAssociation(settings), line)
