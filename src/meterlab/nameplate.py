"""What stands on a meter: the columns of its nameplate profile."""

from __future__ import annotations

from dataclasses import dataclass

from bijlighar.dlms import axdr
from bijlighar.dlms.model import Quantity
from meterlab import identity
from meterlab.state import State

NAMES = frozenset(
    {
        *("serial", "device-id", "manufacturer", "firmware", "meter-type", "category", "current-rating", "year"),
        *("ct-ratio", "pt-ratio"),
    }
)
"""Quantities that stand on the plate."""

_METER_TYPES = {"D1": 6}
"""6 is a single phase, directly connected smart meter; other numbers are assumed."""

_OTHER_TYPE = 9
_RATINGS = {"D1": "5-60A", "D2": "10-60A"}
_CT_RATING = "-/5A"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nameplate:
    """Nameplate values by the names of the model's quantities."""

    values: dict[str, str | int]

    @classmethod
    def of(cls, state: State, meter: int, category: str) -> Nameplate:
        """The nameplate of a meter; a scene may have given it another serial number."""
        seed = state.town.seed
        serial = state.serials.get(meter, identity.serial(seed, meter))
        return cls(
            values={
                "serial": serial,
                "device-id": identity.FLAG.decode() + serial,
                "manufacturer": identity.MAKER,
                "firmware": identity.FIRMWARE,
                "meter-type": _METER_TYPES.get(category, _OTHER_TYPE),
                "category": category,
                "current-rating": _RATINGS.get(category, _CT_RATING),
                "year": identity.MADE_IN,
            }
        )

    def cell(self, quantity: Quantity) -> axdr.Data | None:
        """A nameplate value with its type, or None for a quantity that stands not on the plate."""
        value = self.values.get(quantity.name)
        if value is None:
            return {"ct-ratio": axdr.u16(1), "pt-ratio": axdr.u16(1)}.get(quantity.name)
        if quantity.type == "octets" or isinstance(value, str):
            return axdr.octets(str(value).encode())
        return axdr.u8(value) if quantity.type == "u8" else axdr.u16(value)
