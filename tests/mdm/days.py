"""Days of a few meters, as plain values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.mdm import DayBlocks

DAY_S = 1_780_252_200  # 2026-06-01 00:00 in Asia/Kolkata
DAY = Period(start_s=DAY_S, end_s=DAY_S + 86_400)
NEXT_MORNING_S = DAY_S + 86_400 + 3_600


def rows(
    cells: Sequence[tuple[int, int, int, int]], *, period_s: int = 1800, channel: str = "import_wh"
) -> ReadingBatch:
    """Rows of ``(meter, slot, received_s, value)``."""
    table = np.array(cells, dtype=np.int64).reshape(-1, 4)
    return ReadingBatch(
        kind=ProfileKind.BLOCK_LOAD,
        period_s=period_s,
        meter_id=table[:, 0].astype(np.int32),
        start_s=DAY_S + table[:, 1] * period_s,
        received_s=table[:, 2],
        channels={channel: table[:, 3]},
    )


def day_of(
    values: Sequence[Sequence[int | None]], *, period_s: int = 1800, channel: str = "import_wh", **more: object
) -> DayBlocks:
    """A block of one channel; None is MISSING and then no row is held. ``more`` gives further channels."""
    channels = {channel: _cells(values)}
    channels |= {name: _cells(given) for name, given in more.items()}  # type: ignore[arg-type]
    held = channels[channel] != MISSING
    return DayBlocks(
        day=DAY,
        period_s=period_s,
        meter_id=np.arange(1, len(values) + 1, dtype=np.int32),
        received_s=np.where(held, NEXT_MORNING_S, MISSING),
        flags=np.zeros(held.shape, dtype=np.uint8),
        channels=channels,
    )


def _cells(values: Sequence[Sequence[int | None]]) -> np.ndarray:
    return np.array([[MISSING if v is None else v for v in row] for row in values], dtype=np.int64)
