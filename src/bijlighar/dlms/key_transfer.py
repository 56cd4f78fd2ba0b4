"""Changing a meter's global keys so that no crash and no lost answer can lock it out (class 64, method 2).

The octets: each new key wrapped under the master key. The procedure: a value that its keeper stores *before* each
step is taken. As long as it is not proven which keys the meter has, both are kept and tried, the new ones first;
the old ones are forgotten only after the meter has opened an association under the new ones. Changing keys is the
head-end's decision, past its guard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum

from bijlighar.dlms import axdr
from bijlighar.dlms.errors import LocalProtocolError, Malformed
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.security import unwrap_key, wrap_key
from bijlighar.dlms.xdlms import MethodRef

_SECURITY_SETUP_CLASS, _GLOBAL_KEY_TRANSFER = 64, 2


class KeyId(IntEnum):
    """Which global key."""

    UNICAST_ENCRYPTION = 0
    BROADCAST_ENCRYPTION = 1
    AUTHENTICATION = 2


def transfer_method(security_setup: Obis) -> MethodRef:
    """The method that takes new keys, of the security setup of one association."""
    return MethodRef(_SECURITY_SETUP_CLASS, security_setup, _GLOBAL_KEY_TRANSFER)


def transfer_parameter(keys: Mapping[KeyId, bytes], master_key: bytes) -> axdr.Data:
    """What the method is given: all ``keys`` (16 octets each) in one, wrapped under ``master_key``.

    Raises LocalProtocolError for no key or one of another length.
    """
    if not keys:
        raise LocalProtocolError("no key is to be transferred")
    return axdr.array(
        axdr.structure([axdr.enum(key_id), axdr.octets(wrap_key(key, master_key))])
        for key_id, key in sorted(keys.items())
    )


def transferred_keys(parameter: axdr.Data, master_key: bytes) -> dict[KeyId, bytes]:
    """The keys inside, as a meter takes them. Raises Malformed, Truncated, NotAuthentic."""
    if not isinstance(parameter.value, tuple) or not 1 <= len(parameter.value) <= len(KeyId):
        raise Malformed("the keys are no array of one to three")
    keys: dict[KeyId, bytes] = {}
    for entry in parameter.value:
        parts = entry.value
        if not isinstance(parts, tuple) or len(parts) != 2 or parts[0].value not in tuple(KeyId):
            raise Malformed("a key is no structure of its id and octets")
        wrapped = parts[1].value
        if not isinstance(wrapped, bytes):
            raise Malformed("a wrapped key is no octet-string")
        keys[KeyId(int(str(parts[0].value)))] = unwrap_key(wrapped, master_key)
    return keys


class Phase(Enum):
    """How far a change is.

    SETTLED the meter has the current keys, there are no others
    PREPARED new keys are stored and have not reached the meter
    SENT new keys may have reached the meter: nobody knows until it opens an association
    """

    SETTLED = "settled"
    PREPARED = "prepared"
    SENT = "sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """Which keys a meter may have. ``current`` and ``pending`` name sets of keys, which are kept elsewhere.

    Every method gives the value that follows; store it durably, then act.
    """

    current: str
    pending: str | None = None
    phase: Phase = Phase.SETTLED

    def __post_init__(self) -> None:
        if (self.pending is None) is not (self.phase is Phase.SETTLED) or self.pending == self.current:
            raise LocalProtocolError(f"a change that is {self.phase.value} with keys {self.pending!r} pending")

    @property
    def candidates(self) -> tuple[str, ...]:
        """Whose keys to open the next association with, in this order."""
        if self.phase is Phase.SENT and self.pending is not None:
            return (self.pending, self.current)
        return (self.current,)

    def prepare(self, new: str) -> KeyChange:
        """New keys were made and stored."""
        self._only(Phase.SETTLED)
        return KeyChange(current=self.current, pending=new, phase=Phase.PREPARED)

    def send(self) -> KeyChange:
        """The transfer is about to be sent, in an association under the current keys."""
        self._only(Phase.PREPARED)
        return KeyChange(current=self.current, pending=self.pending, phase=Phase.SENT)

    def refused(self) -> KeyChange:
        """The meter answered the transfer, in the same association: it does not take the keys."""
        self._only(Phase.SENT)
        return KeyChange(current=self.current, pending=self.pending, phase=Phase.PREPARED)

    def opened(self, keys: str) -> KeyChange:
        """The meter opened a *later* association than that of the transfer, proofs included, under ``keys``."""
        if keys not in self.candidates:
            raise LocalProtocolError(f"an association under keys {keys!r}, which this meter was not to have")
        if keys == self.pending:
            return KeyChange(current=keys)
        if self.phase is Phase.SENT:  # the transfer did not arrive
            return KeyChange(current=self.current, pending=self.pending, phase=Phase.PREPARED)
        return self

    def give_up(self) -> KeyChange:
        """The new keys are wanted no more; possible as long as they have not been sent."""
        self._only(Phase.PREPARED)
        return KeyChange(current=self.current)

    def _only(self, phase: Phase) -> None:
        if self.phase is not phase:
            raise LocalProtocolError(f"a change that is {self.phase.value}, not {phase.value}")
