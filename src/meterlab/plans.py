"""A meter model made ready for answering: profiles, quantities and rights by what a request names."""

from __future__ import annotations

from dataclasses import dataclass

from bijlighar.dlms.clock import INDIA_OFFSET_MIN
from bijlighar.dlms.model import AssociationAccess, MeterModel, Profile, Quantity, Quirk, Rights
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.profile import UNIT_CODES, CaptureObject, Scaler

PROFILE_CLASS = 7
INSTANT_TYPE = "instant"

ObjectKey = tuple[int, bytes]
"""Class and logical name."""

SIGNAL = Quantity(
    name="signal",
    column=CaptureObject(class_id=3, obis=Obis.parse("0.1.96.12.5.255")),
    type="i8",
    scaler=Scaler(exponent=0, unit=UNIT_CODES["dBm"]),
)
"""Signal strength: told by every virtual meter, captured by no profile."""

_SIGNAL_RIGHTS = Rights(read=frozenset({1, 2, 3}))
_NONE = Rights()
_DATA_CLASS = 1
_PUBLIC = "public"
_PUSH = "push"  # pre-established: it is never opened


def exponent_of(quantity: Quantity) -> int:
    """Power of ten of a quantity's numbers on the wire."""
    return quantity.scaler.exponent if quantity.scaler else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """A meter model by what is asked for; logical names are six octets.

    ``quantities`` by logical name and attribute; ``rights`` by object and association; ``clients`` those that
    may associate, by client address.
    """

    model: MeterModel
    deviation_min: int
    by_obis: dict[bytes, Profile]
    by_scaler_obis: dict[bytes, Profile]
    by_period_obis: dict[bytes, Profile]
    quantities: dict[bytes, dict[int, Quantity]]
    rights: dict[ObjectKey, dict[str, Rights]]
    clients: dict[int, AssociationAccess]

    @classmethod
    def of(cls, model: MeterModel) -> ModelPlan:
        """The plan of a model."""
        profiles = model.profiles.values()
        quantities: dict[bytes, dict[int, Quantity]] = {}
        for quantity in (*model.quantities.values(), SIGNAL):
            quantities.setdefault(quantity.column.obis.octets, {})[quantity.column.attribute] = quantity
        rights = {(o.class_id, o.obis.octets): dict(o.access) for o in model.objects.values()}
        signal = (SIGNAL.column.class_id, SIGNAL.column.obis.octets)
        if Quirk.COUNTER_NOT_PUBLIC in model.quirks:
            for counter in (a.counter_obis for a in model.associations.values() if a.counter_obis):
                rights.get((_DATA_CLASS, counter.octets), {}).pop(_PUBLIC, None)
        rights.setdefault(signal, dict.fromkeys(("reader", "setting"), _SIGNAL_RIGHTS))
        return cls(
            model=model,
            deviation_min=INDIA_OFFSET_MIN * model.deviation_sign.value,
            by_obis={profile.obis.octets: profile for profile in profiles},
            by_scaler_obis=_scaler_profiles(model),
            by_period_obis={profile.period_obis.octets: profile for profile in profiles if profile.period_obis},
            quantities=quantities,
            rights=rights,
            clients={a.client_address: a for name, a in model.associations.items() if name != _PUSH},
        )

    def rights_of(self, association: str, class_id: int, obis: bytes) -> Rights | None:
        """What an association may do with an object; None for an object that the meter has not."""
        granted = self.rights.get((class_id, obis))
        return None if granted is None else granted.get(association, _NONE)


def _scaler_profiles(model: MeterModel) -> dict[bytes, Profile]:
    """By the logical name of the scaler profile; event logs share one, and that of the widest holds for all."""
    found: dict[bytes, Profile] = {}
    for profile in model.profiles.values():
        if profile.scaler_obis is not None:
            other = found.get(profile.scaler_obis.octets)
            if other is None or len(other.columns) < len(profile.columns):
                found[profile.scaler_obis.octets] = profile
    return found
