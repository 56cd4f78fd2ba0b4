"""What the meters hold, in the units of the records, for comparison with what was kept."""

from __future__ import annotations

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.dlms.model import Quantity, Stamp
from meterlab.lab import Lab
from meterlab.quantities import FLOATS
from meterlab.selection import Asked
from meterlab.truth import _in_thousandths, channel

KINDS = (ProfileKind.BLOCK_LOAD, ProfileKind.DAILY)
"""The kinds that a simulated town is read for."""


def rows(lab: Lab, meter: int, kind: ProfileKind, now_s: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Starts and values by channel of everything that a meter holds of a kind at ``now_s``."""
    plan = lab.objects.plan(meter)
    profile = plan.model.profiles[kind.value]
    table = lab.objects.profiles.table(meter, plan, profile, Asked(columns=profile.columns), now_s)
    ends = kind is ProfileKind.BLOCK_LOAD and plan.model.stamp is Stamp.END
    starts = np.asarray(table.stamps_s, np.int64) - (profile.period_s or 0) * ends
    columns = zip(table.columns, table.cells, strict=True)
    values = {channel(column.name): stored(column, cells) for column, cells in columns if column.name != "clock"}
    return starts, values


def stored(column: Quantity, cells: np.ndarray) -> np.ndarray:
    """``meterlab.truth.in_stored_unit`` for a column."""
    if column.scaler is None:
        return cells.astype(np.int64)
    exponent = column.scaler.exponent + (3 if _in_thousandths(column, column.scaler) else 0)
    if column.type in FLOATS or exponent < 0:
        return np.rint(cells * 10.0**exponent).astype(np.int64)
    return cells.astype(np.int64) * 10**exponent
