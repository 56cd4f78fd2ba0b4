"""Who may push: meters by their system title, with keys made ready and the window of what they have sent.

A sender is made at its first push, for opening keys costs time and most meters of a fleet are not heard all at
once. Whatever changes in the registry makes all senders anew; windows stay.
"""

from __future__ import annotations

from collections.abc import Mapping

from bijlighar.cim.network import Meter
from bijlighar.dlms.association import Ciphering
from bijlighar.dlms.model import MeterModel, ModelPush
from bijlighar.dlms.security import BOTH, KEY_OCTETS, SuiteZero
from bijlighar.dlms.window import CounterWindow
from bijlighar.headend.fleet import Fleet
from bijlighar.headend.keys import KeysNotOpened
from bijlighar.headend.push_windows import WindowKey, Windows, key_id_of

PUSH = "push"
"""Name of the push association in every meter model."""
NO_COUNTER = -1
"""Stands where a push has no counter."""


class Sender:
    """One meter that pushes. ``head``, ``prefix``, ``gathering``: how its last push was dispatched, for the next.

    ``protection`` the least that its pushes must have; 0 where the model lets it push unciphered.
    """

    __slots__ = (
        "aad_both",
        "encrypt",
        "gathering",
        "head",
        "key",
        "meter_id",
        "model",
        "prefix",
        "protection",
        "pushes",
        "suite",
        "window",
    )

    def __init__(
        self,
        *,
        meter_id: int,
        model: MeterModel,
        pushes: Mapping[bytes, ModelPush],
        suite: SuiteZero,
        protection: int,
        key: WindowKey,
        window: CounterWindow,
    ) -> None:
        self.meter_id = meter_id
        self.model = model
        self.pushes = pushes
        self.suite = suite
        self.encrypt = suite.encrypt
        self.aad_both = suite.aad_both
        self.protection = protection
        self.key = key
        self.window = window
        self.head = b""
        self.prefix = b""
        self.gathering: Gathering | None = None


class Gathering:
    """Pushes of one model and setup that wait to be bundled."""

    __slots__ = ("entries", "model", "octets", "push")

    def __init__(self, model: MeterModel, push: ModelPush) -> None:
        self.model = model
        self.push = push
        self.entries: list[Entry] = []
        self.octets = 0


Entry = tuple[Sender, int, bytes, bytes]
"""Sender, counter (NO_COUNTER when unciphered), the APDU as received, and the A-XDR buffer or status inside."""


class Senders:
    """Senders by system title, on the event loop."""

    def __init__(self, fleet: Fleet, windows: Windows) -> None:
        self._fleet = fleet
        self._windows = windows
        self._by_title: dict[bytes, Meter] = {}
        self._by_serial: dict[bytes, Meter] = {}
        self._pushes: dict[str, dict[bytes, ModelPush]] = {}
        self.known: dict[bytes, Sender] = {}

    def fleet_changed(self) -> None:
        """The registry is another one: meters, keys or models may have changed."""
        meters = self._fleet.meters.values()
        self._by_title = {meter.system_title: meter for meter in meters}
        self._by_serial = {meter.serial.encode(): meter for meter in meters}
        self._pushes.clear()
        self.known.clear()

    def find(self, title: bytes) -> Sender | None:
        """The sender with this title, or None when no readable meter with keys for pushing has it."""
        sender = self.known.get(title)
        if sender is None and (meter := self._by_title.get(title)) is not None:
            sender = self._made(meter)
            if sender is not None:
                self.known[title] = sender
        return sender

    def unciphered(self, device_id: bytes) -> Sender | None:
        """The meter that calls itself so, title or serial, when its model lets it push without protection."""
        meter = self._by_title.get(device_id) or self._by_serial.get(device_id)
        if meter is None:
            return None
        sender = self.find(meter.system_title)
        return sender if sender is not None and not sender.protection else None

    def _made(self, meter: Meter) -> Sender | None:
        model = self._fleet.model(meter.meter_id)
        access = model.associations.get(PUSH)
        try:
            keys = self._fleet.keys(meter.meter_id)
        except KeysNotOpened:
            return None
        if access is None or {len(keys.encryption_key), len(keys.authentication_key)} != {KEY_OCTETS}:
            return None
        key = (meter.system_title, key_id_of(keys.encryption_key, keys.authentication_key))
        if model.name not in self._pushes:
            self._pushes[model.name] = {push.obis.octets: push for push in model.pushes.values()}
        open_to_all = access.ciphering is Ciphering.NONE
        return Sender(
            meter_id=meter.meter_id,
            model=model,
            pushes=self._pushes[model.name],
            suite=SuiteZero(keys.encryption_key, keys.authentication_key),
            protection=0 if open_to_all else int(access.protection) or BOTH,
            key=key,
            window=self._windows.of(key),
        )
