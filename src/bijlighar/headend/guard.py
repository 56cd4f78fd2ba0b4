"""The guard beside the encoder: the only place of the head-end that sends a SET or an ACTION.

Everything is refused by default. Two operations need no warrant, because they cannot change supply: setting a
meter's clock, and the reply that an HLS association demands. Whatever else, known to us or not, needs a warrant of
the gate for exactly these octets on exactly this meter, checked at the moment of encoding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bijlighar.dlms import axdr
from bijlighar.dlms.xdlms import AttributeRef, MethodRef
from bijlighar.gate.warrant import SupplyAction, Warrant, WarrantRefused, check

SET = "set"
ACTION = "action"

CLOCK_OBIS = bytes([0, 0, 1, 0, 0, 255])
CURRENT_ASSOCIATION_OBIS = bytes([0, 0, 40, 0, 0, 255])

UNWARRANTED: frozenset[tuple[str, int, bytes, int]] = frozenset(
    {
        (SET, 8, CLOCK_OBIS, 2),  # clock, time
        (ACTION, 15, CURRENT_ASSOCIATION_OBIS, 1),  # association, reply_to_HLS_authentication
    }
)
"""(service, class, object, attribute or method) of what may be sent without a warrant. Nothing that could cut,
limit, delay or price supply may ever stand here."""


class WritingAssociation(Protocol):
    """What the guard needs of an association."""

    def set(self, ref: AttributeRef, value: bytes) -> None:
        """Queue a SET of these A-XDR octets."""

    def action(self, ref: MethodRef, parameter: bytes | None) -> None:
        """Queue an ACTION with these A-XDR octets."""


class Guard:
    """Guards one association with one meter.

    ``system_title`` eight octets that the meter has proven; ``warrant_key`` verifies the gate's warrants (None:
    there is no gate, so every warrant is refused); ``now`` the utility's clock.
    """

    def __init__(
        self,
        association: WritingAssociation,
        *,
        system_title: bytes,
        warrant_key: bytes | None,
        now: Callable[[], float],
    ) -> None:
        self._association = association
        self._system_title = system_title
        self._warrant_key = warrant_key
        self._now = now

    def set(self, ref: AttributeRef, value: axdr.Data, warrant: Warrant | None = None) -> None:
        """Queue a SET. Raises WarrantRefused, with nothing queued, when it is not covered."""
        payload = axdr.encode(value)
        self._permit(_supply_action(SET, ref.class_id, ref.obis.octets, ref.attribute, payload), warrant)
        self._association.set(ref, payload)

    def action(self, ref: MethodRef, parameter: axdr.Data | None = None, warrant: Warrant | None = None) -> None:
        """Queue an ACTION. Raises WarrantRefused, with nothing queued, when it is not covered."""
        payload = b"" if parameter is None else axdr.encode(parameter)
        self._permit(_supply_action(ACTION, ref.class_id, ref.obis.octets, ref.method, payload), warrant)
        self._association.action(ref, payload or None)

    def _permit(self, action: SupplyAction, warrant: Warrant | None) -> None:
        if (action.service, action.class_id, action.obis, action.index) in UNWARRANTED:
            return
        if self._warrant_key is None:
            raise WarrantRefused("this head-end has no key to verify warrants")
        check(
            warrant,
            key=self._warrant_key,
            system_title=self._system_title,
            action=action,
            now_s=self._now(),
        )


def _supply_action(service: str, class_id: int, obis: bytes, index: int, payload: bytes) -> SupplyAction:
    return SupplyAction(service=service, class_id=class_id, obis=obis, index=index, payload=payload)
