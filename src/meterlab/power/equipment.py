"""Transformers and conductors of an Indian distribution network.

Values as Indian utilities quote the standards in their purchase specifications; the standards' own text was not at
hand. Temperatures are those of a loaded conductor on a summer night.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerType:
    """An oil-filled 11 kV/433 V transformer, Dyn11.

    ``impedance`` and ``no_load_current`` are fractions of the rating.
    """

    rating_kva: int
    no_load_w: float
    load_w: float
    impedance: float = 0.045
    no_load_current: float = 0.02


def _from_totals(rating_kva: int, half_load_w: float, full_load_w: float) -> TransformerType:
    """IS 1180 limits total losses at 50 % and at 100 % of the rating: P = no load + load x share squared."""
    load_w = (full_load_w - half_load_w) / 0.75
    return TransformerType(rating_kva=rating_kva, no_load_w=full_load_w - load_w, load_w=load_w)


TRANSFORMER_TYPES = {
    kind.rating_kva: kind
    for kind in (
        _from_totals(25, 190, 635),
        _from_totals(63, 340, 1140),
        _from_totals(100, 475, 1650),
        _from_totals(250, 980, 2930),
        _from_totals(400, 1225, 3450),
    )
}
"""By rating: total losses at 50 % and 100 % load of energy efficiency level 2, impedance 4.5 % (IS 1180 Part 1,
2014: its tables for ratings up to and above 200 kVA)."""

HIGH_VOLTAGE_V = 11_000.0
LOW_VOLTAGE_V = 433.0
"""No-load voltage of the secondary winding (IS 1180)."""

TAP = 0.95
"""Off-circuit tap of the transformers: 411 V without load at 11 kV. Nobody near a transformer has more than
230 V + 6 % at night, and homes see some 231 V on the mean (assumed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conductor:
    """A line's series impedance per kilometre, positive and zero sequence, and what it may carry."""

    r1_ohm_km: float
    x1_ohm_km: float
    r0_ohm_km: float
    x0_ohm_km: float
    limit_a: float


def _hot(ohm_km: float, per_kelvin: float, celsius: float) -> float:
    """Resistance at a temperature, from that at 20 degrees Celsius."""
    return ohm_km * (1 + per_kelvin * (celsius - 20))


_ALUMINIUM_PER_K = 0.00403
_ALLOY_PER_K = 0.0036
_LOADED_C = 60.0
_CORE_OHM_KM = 0.443  # 70 mm² stranded aluminium at 20 °C (IS 8130, IEC 60228 class 2)
_MESSENGER_OHM_KM = 0.63  # 54.6 mm² aluminium alloy at 20 °C, which is the neutral (IS 14255, NF C 33-209)
_CORE_HOT = _hot(_CORE_OHM_KM, _ALUMINIUM_PER_K, _LOADED_C)
_MESSENGER_HOT = _hot(_MESSENGER_OHM_KM, _ALLOY_PER_K, _LOADED_C)
_BUNDLE_X = 0.097  # Ω/km between touching cores of this size

AB_CABLE = Conductor(
    r1_ohm_km=_CORE_HOT,
    x1_ohm_km=_BUNDLE_X,
    r0_ohm_km=_CORE_HOT + 3 * _MESSENGER_HOT,
    x0_ohm_km=4 * _BUNDLE_X,
    limit_a=170.0,
)
"""Aerial bunched cable 3 x 70 mm² with messenger. Return current flows in the messenger alone, not in earth."""

_RABBIT_OHM_KM = 0.5524  # ACSR Rabbit at 20 °C (IS 398 Part 2)

OVERHEAD_11_KV = Conductor(
    r1_ohm_km=_hot(_RABBIT_OHM_KM, _ALUMINIUM_PER_K, _LOADED_C),
    x1_ohm_km=0.37,
    r0_ohm_km=_hot(_RABBIT_OHM_KM, _ALUMINIUM_PER_K, _LOADED_C) + 0.15,
    x0_ohm_km=1.6,
    limit_a=200.0,
)
"""ACSR Rabbit on 11 kV poles; the zero sequence is that of an earth return (0.15 Ω/km at 50 Hz)."""
