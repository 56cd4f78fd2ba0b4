"""A contact: one try of the head-end to talk with one meter, kept whether it succeeded or not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a contact ended. The words are shown to the operator, so each names one cause."""

    OK = "ok"
    NO_ANSWER = "no-answer"  # connection refused or timed out
    HUNG = "hung"  # connected, then silent or dripping past the time-out
    RESET = "reset"  # the other side closed in the middle
    REFUSED = "refused"  # association refused: wrong secret, wrong client
    NOT_AUTHENTIC = "not-authentic"  # tag or counter of a ciphered frame was wrong
    PROTOCOL = "protocol"  # bytes against the protocol
    WRONG_METER = "wrong-meter"  # another serial or system title than registered
    INCOMPLETE = "incomplete"  # association fine, some reads refused or odd
    NOT_STORED = "not-stored"  # read, but the store could not take it
    STOPPED = "stopped"  # the head-end was told to end in the middle: says nothing of the meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One try. Times in epoch milliseconds UTC of the utility's clock; latency in wall-clock milliseconds.

    ``latency_ms``   connect to released association, None when nothing was heard
    ``clock_offset_ms`` meter clock minus head-end clock at the read, None when not read
    ``signal_dbm``   None when the meter does not tell
    ``purpose``      what was asked for: names of profile kinds joined by "+", or "on-demand ..."
    ``detail``       one English sentence for the log, without consumer data or keys
    """

    meter_id: int
    started_ms: int
    purpose: str
    outcome: Outcome
    attempt: int = 1
    latency_ms: int | None = None
    clock_offset_ms: int | None = None
    signal_dbm: int | None = None
    octets_sent: int = 0
    octets_received: int = 0
    rows: int = 0
    detail: str = ""
