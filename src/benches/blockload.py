"""The block load of a day that the benchmarks read: 48 rows of 8 columns, 45 octets a row."""

from __future__ import annotations

import random

from bijlighar.dlms import axdr
from bijlighar.dlms.clock import DeviationSign, encode_instant
from bijlighar.dlms.rows import RowRules

ROWS = 48
COLUMNS = 8
PERIOD_S = 1800
MIDNIGHT_S = 1_782_844_200
"""2026-07-01 00:00 IST."""

RULES = RowRules(columns=COLUMNS, instants=frozenset({0}), clock_column=0, period_s=PERIOD_S)


def day_buffer(seed: int, day: int = 0) -> bytes:
    """One meter's day, stamped with block ends: clock, three long-unsigned, four double-long-unsigned."""
    draw = random.Random(seed)
    rows = []
    for slot in range(1, ROWS + 1):
        stamp = encode_instant(MIDNIGHT_S + 86_400 * day + PERIOD_S * slot, DeviationSign.INDIAN)
        rows.append(
            axdr.structure(
                [
                    axdr.octets(stamp),
                    *(axdr.u16(draw.randrange(1 << 16)) for _ in range(3)),
                    *(axdr.u32(draw.randrange(1 << 32)) for _ in range(4)),
                ]
            )
        )
    return axdr.encode(axdr.array(rows))
