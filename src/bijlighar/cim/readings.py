"""Readings as columns: what travels from a head-end session to the landing segments.

A batch holds rows of one profile kind. A value that the meter did not give is MISSING, never zero. Raw readings
are only ever added.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import CHANNELS, ProfileKind

MISSING = int(np.iinfo(np.int64).min)
"""The int64 that stands for "no value" in every reading column; written to Parquet as null."""


@dataclass(frozen=True, kw_only=True)
class ReadingBatch:
    """Rows of one profile kind, in columns of equal length.

    meter_id   int32[row]  registry number of the meter
    start_s    int64[row]  epoch seconds UTC: start of the block for block loads, else the instant of the value
                           (the 00:00 instant for midnight registers and billing, the event's time for events)
    period_s   int         block length in seconds; 0 for instants
    received_s int64[row]  epoch seconds UTC at which the head-end had the row
    channels   int64[row]  by channel name of ``cim.channels``, MISSING where the meter gave no value

    Raises ValueError when lengths differ or a channel name is unknown.
    """

    kind: ProfileKind
    period_s: int
    meter_id: NDArray[np.int32]
    start_s: NDArray[np.int64]
    received_s: NDArray[np.int64]
    channels: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = len(self.meter_id)
        columns = {"start_s": self.start_s, "received_s": self.received_s, **self.channels}
        for name, column in columns.items():
            if len(column) != rows:
                raise ValueError(f"column {name} has {len(column)} rows, meter_id has {rows}")
        unknown = self.channels.keys() - CHANNELS.keys()
        if unknown:
            raise ValueError(f"unknown channels: {', '.join(sorted(unknown))}")

    def __len__(self) -> int:
        return len(self.meter_id)
