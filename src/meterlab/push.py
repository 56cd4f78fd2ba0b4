"""What a virtual meter pushes: a row of a profile or an alert with its status word, sealed under its own keys.

Counters of pushes are those of their own setup (0.0.43.1.4.255) and lie in the upper half of the 32 bits, so that
none is ever the counter of an answer under the same key. They start where the town's time stands, and so do not
fall back when the process starts again.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import Final

import numpy as np

from bijlighar.dlms.axdr import Tag, encode_length
from bijlighar.dlms.general_block import stream
from bijlighar.dlms.notification import DataNotification, encode_notification, seal_push
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.security import SecurityMaterial
from bijlighar.dlms.wrapper import HEADER_OCTETS, WrapperLink
from meterlab import identity, rows
from meterlab.lab import Lab
from meterlab.registers import INSTALLED_S
from meterlab.selection import Asked

FIRST_COUNTER: Final = 1 << 31
PUSH_CLIENT, METER = 64, 1
"""wPorts of the push association and of the meter's logical device."""
MOST_MATERIALS: Final = 100_000

INSTANTANEOUS, BLOCK_LOAD, DAILY, ALERT = "instantaneous", "block-load", "daily", "alert"
ON_CONNECTIVITY: Final = Obis.parse("0.7.25.9.0.255")
"""Push setup for the moment at which a meter gets its connection (IDIS package 2; IS 15959 names none)."""

_STATUS_BITS: Final = 128


class Bit(Enum):
    """Bits of the event status word that a virtual meter sets."""

    EARTH_LOADING = 51
    MAGNET = 81
    NEUTRAL_DISTURBANCE = 82
    COVER_OPEN = 83
    LOAD_SWITCH = 84
    LAST_GASP = 85
    FIRST_BREATH = 86


class PushMaker:
    """Makes pushes of all meters of a lab. ``counters`` uint32[meter]: the next one of each."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        begun_s = max(0, int(lab.state.start_s - INSTALLED_S))
        self.counters = np.full(len(lab.town), FIRST_COUNTER + begun_s, np.uint32)
        self._link = WrapperLink(METER, PUSH_CLIENT)
        self._material = lru_cache(maxsize=MOST_MATERIALS)(self._made_material)

    def material(self, meter: int) -> SecurityMaterial:
        """The meter's title and keys."""
        return self._material(meter)

    def row(self, meter: int, name: str, now_s: float) -> bytes | None:
        """The body of a profile's push with its newest row; None when there is no row or no such push."""
        plan = self.lab.objects.plan(meter)
        push = plan.model.pushes.get(name)
        if push is None or push.profile is None:
            return None
        profile = plan.model.profiles[push.profile]
        period_s = profile.period_s or 0
        recent = Asked(columns=profile.columns, begin_s=int(now_s) - 2 * period_s - 1) if period_s else None
        asked = recent or Asked(columns=profile.columns)
        table = self.lab.objects.profiles.table(meter, plan, profile, asked, now_s)
        if not len(table.stamps_s):
            return None
        cells = rows.cells_of(table.encoded(), plan.deviation_min)
        return self._body(meter, push.obis, cells[0 if plan.model.newest_first else -1])

    def alert(self, meter: int, bits: tuple[Bit, ...], now_s: float) -> bytes:
        """The body of an alert with these bits set."""
        plan = self.lab.objects.plan(meter)
        word = sum(1 << (_STATUS_BITS - 1 - bit.value) for bit in bits).to_bytes(_STATUS_BITS // 8, "big")
        cells = [self._clock(meter, now_s), bytes([Tag.BIT_STRING, 0x81, _STATUS_BITS]) + word]
        return self._body(meter, plan.model.pushes[ALERT].obis, cells)

    def greeting(self, meter: int, now_s: float) -> bytes:
        """The body by which a meter that dials in says who it is: device, the setup for connectivity, clock."""
        return self._body(meter, ON_CONNECTIVITY, [self._clock(meter, now_s)])

    def _clock(self, meter: int, now_s: float) -> bytes:
        shown = np.asarray([int(self.lab.state.clock_s(meter, now_s))])
        return b"\x09\x0c" + rows.instants(shown, self.lab.objects.plan(meter).deviation_min).tobytes()

    def sealed(self, meter: int, body: bytes) -> bytes:
        """A body as the wrapper frame that leaves the meter, under its next counter."""
        counter = int(self.counters[meter])
        self.counters[meter] = counter + 1
        return self.framed(seal_push(self.notification(body, counter), self.material(meter), counter))

    def sealed_as(self, body: bytes, material: SecurityMaterial, counter: int) -> bytes:
        """A body under any title, keys and counter: what a forger makes."""
        return self.framed(seal_push(self.notification(body, counter), material, counter))

    def unciphered(self, body: bytes) -> bytes:
        """A body without any protection."""
        return self.framed(encode_notification(self.notification(body, 1)))

    def framed(self, apdu: bytes) -> bytes:
        """An APDU in its wrapper frame."""
        return self._link.frame(apdu)

    def in_blocks(self, frame: bytes, octets: int) -> bytes:
        """A frame's APDU as frames of general blocks of at most ``octets``; as it is when it is not longer."""
        apdu = frame[HEADER_OCTETS:]
        return frame if len(apdu) <= octets else b"".join(map(self.framed, stream(apdu, octets)))

    @staticmethod
    def notification(body: bytes, number: int) -> DataNotification:
        """A body as notification; its date-time is left out, as the row has its own."""
        return DataNotification(invoke_id=0x40000000 | number & 0xFFFFFF, instant=None, octets=body)

    def _body(self, meter: int, setup: Obis, cells: list[bytes]) -> bytes:
        device_id = str(self.lab.objects.nameplate(meter).values["device-id"]).encode()
        lead = b"".join(bytes([Tag.OCTET_STRING, len(text)]) + text for text in (device_id, setup.octets))
        return bytes([Tag.STRUCTURE]) + encode_length(2 + len(cells)) + lead + b"".join(cells)

    def _made_material(self, meter: int) -> SecurityMaterial:
        keys = identity.keys_in(self.lab.keys[meter])
        return SecurityMaterial(
            system_title=identity.system_title(self.lab.town.seed, meter),
            encryption_key=keys.encryption,
            authentication_key=keys.authentication,
        )
