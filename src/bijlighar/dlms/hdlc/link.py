"""The machine of an HDLC link in normal response mode, both roles, one peer.

A client calls (SNRM) when the first APDU is to be sent, and has the word: what it polls with hands the word over,
the final bit brings it back. APDUs go in segments as the negotiated lengths and windows allow. Time comes in
as ``now``: call ``transmitted(now)`` after ``outgoing`` was sent, ``handle_timer(now)`` at ``get_timer()``.
Without timers nothing is said twice.
"""

from __future__ import annotations

from collections import deque

from bijlighar.dlms.errors import LocalProtocolError, Malformed, RemoteProtocolError
from bijlighar.dlms.hdlc.frames import (
    FRAME_OVERHEAD_OCTETS,
    POLL,
    Frame,
    FrameReader,
    Kind,
    client_octets,
    server_octets,
)
from bijlighar.dlms.hdlc.negotiation import Agreement, HdlcSettings, agreed, decode_agreement, wish
from bijlighar.dlms.hdlc.sequence import LLC_REQUEST, LLC_RESPONSE, Receiving, Sending, without_llc
from bijlighar.dlms.hdlc.states import HEARD, LinkState, Role
from bijlighar.dlms.limits import MAX_FRAME_OCTETS

_CLIENT_OCTETS = 1
_UNKNOWN_CONTROL, _WRONG_NUMBER = 0x01, 0x08
"""Reasons of FRMR: W and Z."""


class LinkLost(RemoteProtocolError):
    """The peer was asked often enough and said nothing."""


class HdlcLink:
    """One end of a link, as ``bijlighar.dlms.link.Link`` describes it. A server's client of None is learnt.

    ``max_octets`` of an APDU that is heard.
    """

    __slots__ = (
        "_agreement",
        "_awaited_s",
        "_due",
        "_fruitless",
        "_incoming_llc",
        "_is_client",
        "_kept",
        "_lost",
        "_max_octets",
        "_outgoing_llc",
        "_own",
        "_peer",
        "_polling",
        "_reader",
        "_ready",
        "_receiving",
        "_sending",
        "_settings",
        "_table",
        "_tries",
        "_unsent",
        "_word",
        "ended",
        "outgoing",
        "peer_address",
        "state",
    )

    def __init__(
        self,
        role: Role,
        settings: HdlcSettings,
        client_address: int | None,
        server_address: int,
        max_octets: int = MAX_FRAME_OCTETS,
    ) -> None:
        self._settings = settings
        self._max_octets = max_octets
        self._is_client = role is Role.CLIENT
        self._table = HEARD[role]
        server = server_octets(server_address, settings.physical_address, settings.address_octets)
        client = b"" if client_address is None else client_octets(client_address)
        self._own, self._peer = (client, server) if self._is_client else (server, client)
        self._outgoing_llc = LLC_REQUEST if self._is_client else LLC_RESPONSE
        self._incoming_llc = LLC_RESPONSE if self._is_client else LLC_REQUEST
        self.peer_address = server_address if self._is_client else client_address
        self.outgoing: list[bytes] = []
        self.ended = False
        self.state = LinkState.DISCONNECTED
        self._reader = FrameReader(settings.receive_octets + FRAME_OVERHEAD_OCTETS)
        self._kept: Frame | None = None
        self._lost: LinkLost | None = None
        self._ready: deque[bytes] = deque()
        self._unsent: deque[bytes] = deque()
        self._due: float | None = None
        self._awaited_s: float | None = None
        self._polling = False
        self._tries = self._fruitless = 0
        self._begin(Agreement())

    def _begin(self, agreement: Agreement) -> None:
        """Numbers at nought, the client has the word."""
        self._agreement = agreement
        self._sending, self._receiving = Sending(), Receiving(self._max_octets)
        self._sending.window = agreement.send_window
        self._word = self._is_client
        self._tries = self._fruitless = 0

    @property
    def disconnected(self) -> bool:
        """Whether no link stands."""
        return self.state is LinkState.DISCONNECTED

    @property
    def agreement(self) -> Agreement:
        """The lengths and windows that hold now."""
        return self._agreement

    @property
    def damaged_frames(self) -> int:
        """Frames that were passed over because a check sequence or their form was wrong."""
        return self._reader.damaged

    def send(self, apdu: bytes) -> None:
        """Say ``apdu`` as soon as the word is ours. A client without a link calls first."""
        if len(apdu) > MAX_FRAME_OCTETS:
            raise LocalProtocolError(f"an APDU of {len(apdu)} octets is more than a link carries")
        if self.state is LinkState.CONNECTED:
            self._sending.queue(self._outgoing_llc + apdu, self._agreement.send_octets)
            self._speak()
        elif self._is_client and self.state is not LinkState.DISCONNECTING:
            self._unsent.append(apdu)
            if self.state is LinkState.DISCONNECTED:
                self.state = LinkState.CONNECTING
                self._call()
        else:
            raise LocalProtocolError(f"nothing can be said while the link is {self.state.value}")

    def receive_data(self, octets: bytes) -> None:
        """Store what came."""
        self._reader.receive_data(octets)

    def next_apdu(self) -> bytes | None:
        """The next whole APDU, or None. Raises RemoteProtocolError."""
        while not self._ready:
            if self._lost is not None:
                raise self._lost
            frame, self._kept = self._kept or self._reader.next_frame(), None
            if frame is None:
                return None
            self._hear(frame)
            if self.ended:
                return None
        return self._ready.popleft()

    def settle(self) -> None:
        """Hear what concerns the link alone; a frame with octets of an APDU is kept for ``next_apdu``."""
        while self._kept is None:
            frame = self._reader.next_frame()
            if self._is_client:
                self._ready.clear()
            if frame is None:
                return
            fresh = frame.kind is Kind.I and frame.sent == self._receiving.expected
            if fresh and self.state is LinkState.CONNECTED and not self._is_client:
                self._kept = frame
            else:
                self._hear(frame)

    def forget_peer(self) -> None:
        """The next association may begin; a link that stands is used again."""
        self.ended = False

    def grant_blocks(self, peer_max_pdu: int) -> None:
        """Nothing: segments carry any APDU."""

    def invite(self) -> None:
        """A client with the word and nothing to say asks the meter to go on, unless it does so by its timer."""
        timed = self._polling and (self._due is not None or self._awaited_s is not None)
        if self._is_client and self.state is LinkState.CONNECTED and not len(self._sending) and not timed:
            self._poll()

    def close(self) -> None:
        """A client takes leave of the meter (DISC)."""
        if self._is_client and self.state is LinkState.CONNECTED:
            self.state = LinkState.DISCONNECTING
            self._say(Kind.DISC | POLL)
            self._await(self._settings.answer_s)

    # Timers

    def transmitted(self, now: float) -> None:
        """What was outgoing is on its way since ``now``."""
        if self._awaited_s is not None:
            self._due = now + self._awaited_s
            self._awaited_s = None

    def get_timer(self) -> float | None:
        """When ``handle_timer`` is due."""
        return self._due

    def handle_timer(self, now: float) -> None:
        """Say again what was not answered; after the last try ``next_apdu`` raises LinkLost."""
        if self._due is None or now < self._due:
            return
        self._due = None
        if not self._is_client:
            self.ended = self.state is LinkState.CONNECTED
            self.state = LinkState.DISCONNECTED
            return
        self._tries += 1
        if self._tries > (self._settings.max_polls if self._polling else self._settings.retries):
            self.state = LinkState.DISCONNECTED
            self._lost = LinkLost(f"the meter did not answer {self._tries} times")
            return
        if self._polling:
            self._poll()
            return
        self._reader.give_up()
        if self.state is LinkState.CONNECTING:
            self._call()
        elif self.state is LinkState.DISCONNECTING:
            self._say(Kind.DISC | POLL)
            self._await(self._settings.answer_s)
        else:
            self._word = True
            self._sending.rewind()
            self._speak()
            self._poll()

    def _await(self, seconds: float, *, polling: bool = False) -> None:
        if self._polling is not polling:
            self._tries = 0
        self._awaited_s = seconds
        self._due = None
        self._polling = polling

    # Saying

    def _say(self, control: int, information: bytes = b"", *, segmented: bool = False) -> None:
        self.outgoing.append(Frame(self._peer, self._own, control, information, segmented).encode())

    def _say_no_link(self, frame: Frame) -> None:
        self.outgoing.append(Frame(frame.source, self._own, Kind.DM | POLL).encode())

    def _call(self) -> None:
        own = wish(self._settings)
        self._say(Kind.SNRM | POLL, b"" if own == Agreement() else own.encode())
        self._await(self._settings.answer_s)

    def _speak(self) -> None:
        """With the word: say what the window lets go, and hand the word over."""
        if not self._word:
            return
        batch = self._sending.batch()
        expected = self._receiving.expected << 5
        for index, (number, segment) in enumerate(batch, 1):
            final = POLL if index == len(batch) else 0
            self._say(expected | final | number << 1, segment.octets, segmented=segment.segmented)
        if batch:
            self._handed_over()

    def _poll(self) -> None:
        """With the word: nothing but what is expected next."""
        if self._word:
            self._say(self._receiving.expected << 5 | POLL | Kind.RR)
            self._handed_over()

    def _handed_over(self) -> None:
        self._word = False
        self._await(self._settings.answer_s if self._is_client else self._settings.inactivity_s)

    # Hearing

    def _hear(self, frame: Frame) -> None:
        kind = frame.kind
        known = not self._peer or frame.source == self._peer or (kind is Kind.SNRM and not self._is_client)
        if frame.destination != self._own or not known:
            return  # somebody else's conversation on the same line
        following = None if kind is None else self._table[self.state].get(kind)
        if kind is None or following is None:
            self._reject(frame, _UNKNOWN_CONTROL)
            return
        before, self.state = self.state, following
        if kind in _NUMBERED:
            self._hear_numbered(frame, kind, before)
        elif kind is Kind.UI:
            self._ready.append(without_llc(frame.information, self._incoming_llc))
        elif self._is_client:
            self._hear_answer(frame, kind, before)
        else:
            self._hear_call(frame, kind, before)

    def _hear_answer(self, frame: Frame, kind: Kind, before: LinkState) -> None:
        """A client hears UA, DM or FRMR."""
        if kind is Kind.UA and before is LinkState.CONNECTING:
            self._due = self._awaited_s = None
            self._begin(agreed(wish(self._settings), decode_agreement(frame.information)))
            while self._unsent:
                self._sending.queue(self._outgoing_llc + self._unsent.popleft(), self._agreement.send_octets)
            self._speak()
        elif self.state is LinkState.DISCONNECTED:
            self._due = self._awaited_s = None
            if before in (LinkState.CONNECTING, LinkState.CONNECTED):
                raise RemoteProtocolError(f"the meter ended the link while {before.value} ({kind.name})")

    def _hear_call(self, frame: Frame, kind: Kind, before: LinkState) -> None:
        """A server hears SNRM or DISC."""
        self.ended = before is LinkState.CONNECTED
        if kind is Kind.DISC:
            if self.ended:
                self._say(Kind.UA | POLL)
            else:
                self._say_no_link(frame)
            self._due = self._awaited_s = None
            return
        if len(frame.source) != _CLIENT_OCTETS:
            raise Malformed("a client's address has one octet")
        self._peer = frame.source
        self.peer_address = frame.source[0] >> 1
        self._ready.clear()
        self._begin(agreed(wish(self._settings), decode_agreement(frame.information)))
        self._say(Kind.UA | POLL, self._agreement.encode())
        self._await(self._settings.inactivity_s)

    def _hear_numbered(self, frame: Frame, kind: Kind, before: LinkState) -> None:
        """I, RR, RNR and REJ."""
        if before is not LinkState.CONNECTED:
            if not self._is_client and frame.poll:
                self._say_no_link(frame)
            return
        waiting, expected = len(self._sending), self._receiving.expected
        try:
            self._sending.acknowledge(frame.received)
        except RemoteProtocolError:
            self._reject(frame, _WRONG_NUMBER)
            return
        whole = False
        if kind is Kind.I:
            message = self._receiving.take(frame.sent, frame.information, segmented=frame.segmented)
            if message is not None:
                self._ready.append(without_llc(message, self._incoming_llc))
                whole = True
        if len(self._sending) < waiting or self._receiving.expected != expected:
            self._fruitless = 0
        if frame.poll and not self._gives_up():
            self._take_word(kind, whole=whole)

    def _gives_up(self) -> bool:
        """A client does, when the meter keeps answering but takes and tells nothing."""
        self._fruitless += self._is_client
        if self._fruitless <= self._settings.max_polls:
            return False
        self.state = LinkState.DISCONNECTED
        self._due = self._awaited_s = None
        self._lost = LinkLost(f"the meter took and told nothing in {self._fruitless} answers")
        return True

    def _take_word(self, kind: Kind, *, whole: bool) -> None:
        self._word = True
        self._due = self._awaited_s = None
        if kind is Kind.I or not self._polling:
            self._tries = 0
        self._sending.rewind()
        if kind is not Kind.RNR:
            self._speak()
        if not self._word or (whole and not len(self._sending)):
            return  # said, or the association above has something to answer
        if self._is_client and not self._receiving.incomplete and kind is not Kind.I:
            self._await(self._settings.poll_s, polling=True)  # the meter is not ready
        else:
            self._poll()

    def _reject(self, frame: Frame, reason: int) -> None:
        """A client gives the link up; a server says FRMR and waits for a new call."""
        if self._is_client:
            self.state = LinkState.DISCONNECTED
            raise RemoteProtocolError(f"an HDLC frame {frame.control:#04x} that is not possible here")
        if self.state is LinkState.CONNECTED:
            numbers = self._receiving.expected << 5 | self._sending.number << 1
            self._say(Kind.FRMR | POLL, bytes((frame.control, numbers, reason)))
            self.state = LinkState.DISCONNECTED
            self.ended = True


_NUMBERED = frozenset((Kind.I, Kind.RR, Kind.RNR, Kind.REJ))
