"""The rows that a foreign client must read, out of what the town knows of its meter."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from interop.foreign import INDIA


@dataclass(frozen=True)
class Layout:
    """How a model shows a row: what the town stores in one count of the meter; whether the newest row comes first.

    ``counts`` by channel where it is not ``count``; ``floats`` are channels that the meter shows as float32.
    """

    model: str | None
    mechanism: int
    count: int = 10
    counts: dict[str, int] = field(default_factory=dict)
    floats: tuple[str, ...] = ()
    newest_first: bool = False

    def rows(self, truth: list[dict[str, Any]]) -> list[list[Any]]:
        """Wall time and cells of every row, in the meter's counts and in its order."""
        rows = [[_wall(row["stamp"]), *self._cells(row["values"])] for row in truth]
        return sorted(rows, key=lambda row: row[0], reverse=self.newest_first)

    def _cells(self, values: dict[str, int]) -> list[Any]:
        return [self._cell(channel, value) for channel, value in values.items()]

    def _cell(self, channel: str, value: int) -> int | float:
        count = self.counts.get(channel, self.count)
        if channel in self.floats:
            shown: float = struct.unpack(">f", struct.pack(">f", value / count))[0]
            return shown
        if value % count:
            raise ValueError(f"{channel}: {value} is not a number of counts of {count}")
        return value // count


def _wall(stamp: str) -> str:
    return datetime.fromisoformat(stamp).astimezone(INDIA).replace(tzinfo=None).isoformat()


D1 = Layout(model=None, mechanism=2)
D1_OF_12_COLUMNS = Layout(
    model="d1-12-columns",
    mechanism=5,
    counts={
        **dict.fromkeys(("import_wh", "import_vah", "export_wh", "export_vah", "meter_health", "signal_dbm"), 1),
        "frequency_millihz": 100,
    },
    newest_first=True,
)
_PHASES = ("voltage_r_mv", "voltage_y_mv", "voltage_b_mv")
_ENERGIES = (
    *("import_wh", "q1_varh", "q2_varh", "q3_varh", "q4_varh"),
    *("import_vah", "export_wh", "export_vah"),
)
D2_OF_18_COLUMNS = Layout(
    model="d2-18-columns",
    mechanism=5,
    counts=dict.fromkeys((*_PHASES, *_ENERGIES), 1000),
    floats=(*_PHASES, *_ENERGIES),
    newest_first=True,
)
