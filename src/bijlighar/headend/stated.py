"""What meters state of their blocks, and what their model says: unit, power of ten, block length."""

from __future__ import annotations

from dataclasses import dataclass

from bijlighar.dlms.errors import RemoteProtocolError
from bijlighar.dlms.obis import Obis
from bijlighar.headend.layouts import KeptLayout, default_layout
from bijlighar.headend.model_files import ModelsNotUsable, model_of

BLOCK_LOAD = "block-load"
IMPORT_OF_BLOCK = Obis.parse("1.0.1.29.0.255")
_VALUE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """Of the imported energy of a block: DLMS ``unit`` code and ``exponent`` of ten, None where none is stated.

    ``period_s``  length of a block, 0 where none is stated
    """

    unit: int | None
    exponent: int | None
    period_s: int


def stated_by_meter(octets: bytes) -> Stated | None:
    """What is in a kept layout; None when the meter told nothing itself, or the octets are no layout."""
    try:
        layout = KeptLayout.from_octets(octets)
    except RemoteProtocolError:
        return None
    return _stated(layout) if layout.from_meter else None


def stated_by_model(name: str) -> Stated | None:
    """What a model says; None for one that is not known here, or has no blocks."""
    try:
        model = model_of(name)
    except ModelsNotUsable:
        return None
    return _stated(default_layout(model, BLOCK_LOAD)) if BLOCK_LOAD in model.profiles else None


def _stated(layout: KeptLayout) -> Stated:
    columns = zip(layout.columns.capture_objects, layout.columns.scalers, strict=True)
    for column, scaler in columns:
        if (column.obis, column.attribute, column.data_index) == (
            IMPORT_OF_BLOCK,
            _VALUE,
            0,
        ) and scaler is not None:
            return Stated(unit=scaler.unit, exponent=scaler.exponent, period_s=layout.period_s)
    return Stated(unit=None, exponent=None, period_s=layout.period_s)
