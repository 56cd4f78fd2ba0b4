"""What an association knows of the thing that carries its APDUs, be it TCP wrapper or HDLC."""

from __future__ import annotations

from typing import Protocol


class Link(Protocol):
    """One end of what carries APDUs. Octets go in, APDUs come out; it owns what is ``outgoing``.

    ``peer_address`` the peer's client or server address as far as it is known; ``ended`` whether the peer closed
    the link or began it anew, which ends the association above; ``disconnected`` whether nothing is left to be
    said or heard below the association.
    """

    @property
    def outgoing(self) -> list[bytes]:
        """What is to be sent, in order; the association takes it away."""

    @property
    def peer_address(self) -> int | None:
        """The peer's address."""

    @property
    def ended(self) -> bool:
        """Whether the peer ended the link below the association."""

    @property
    def disconnected(self) -> bool:
        """Whether the link is closed."""

    def send(self, apdu: bytes) -> None:
        """Put ``apdu`` among what is to be sent, now or when the peer lets us. Raises LocalProtocolError."""

    def receive_data(self, octets: bytes) -> None:
        """Store what came."""

    def next_apdu(self) -> bytes | None:
        """The next whole APDU, or None. Raises RemoteProtocolError."""

    def forget_peer(self) -> None:
        """Learn the peer anew; an ended link may begin again."""

    def grant_blocks(self, peer_max_pdu: int) -> None:
        """General blocks were negotiated; the peer receives ``peer_max_pdu`` octets, 0 = any number."""

    def settle(self) -> None:
        """Hear what concerns the link itself while no association listens."""

    def invite(self) -> None:
        """An answer is awaited and nothing is to be said: let the peer go on."""

    def close(self) -> None:
        """The association is over: take leave of the peer."""

    def transmitted(self, now: float) -> None:
        """What was outgoing is sent at ``now``: start the timers."""

    def get_timer(self) -> float | None:
        """When ``handle_timer`` wants to be called, on the clock of ``now``; None = not at all."""

    def handle_timer(self, now: float) -> None:
        """Say again what was not answered; when it was said often enough, ``next_apdu`` raises."""
