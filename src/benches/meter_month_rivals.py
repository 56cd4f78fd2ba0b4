"""One meter's month asked of DuckDB, over the same compacted file and over rows of its own, and of PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from statistics import median

import duckdb
import numpy as np

from benches.postgresql import rival
from bijlighar.records import Records
from bijlighar.records.blocks_file import widened

CHANNELS = ("import_wh", "import_vah", "export_wh", "export_vah", "voltage_mv", "current_ma")

ROWS = f"""
CREATE TABLE rows AS SELECT meter_id, day, unnest(range(48)) AS slot,
{", ".join(f"unnest({name}::BIGINT[]) AS {name}" for name in CHANNELS)} FROM read_parquet($files)
"""


def month_elsewhere(
    records: Records, folder: Path, meters: Sequence[int], days: Sequence[date], ours_ms: float
) -> dict[str, float]:
    """Milliseconds, wall time, and how many times ours. PostgreSQL's rows are those of the asked meters alone."""
    files = [str(folder / "blocks" / block.file) for block in records.blocks.day(days[0])]
    with duckdb.connect(config={"threads": 1}) as connection:
        over_files = "SELECT * FROM read_parquet($files) WHERE meter_id = $meter"
        told = {
            "duckdb_parquet_ms": _median(
                meters, lambda m: len(connection.execute(over_files, {"files": files, "meter": m}).fetchnumpy())
            )
        }
        connection.execute(ROWS, {"files": files})
        over_rows = "SELECT * FROM rows WHERE meter_id = ? ORDER BY day, slot"
        told["duckdb_rows_ms"] = _median(meters, lambda m: len(connection.execute(over_rows, [m]).fetchnumpy()))
    with rival() as found:
        if found is not None:
            columns = ", ".join(f"{name} bigint" for name in CHANNELS)
            found.run(f"CREATE UNLOGGED TABLE months (meter_id bigint, slot bigint, {columns})")
            for meter in meters:
                (month,) = records.blocks.meter_days(meter, days[0], days[-1])
                slot = np.arange(month.flags.size, dtype=np.int64)
                values = [widened(month.channels[name]).reshape(-1) for name in CHANNELS]
                found.copy("months", [np.full(len(slot), meter, dtype=np.int64), slot, *values])
            found.run("CREATE INDEX ON months (meter_id, slot)")
            found.run("ANALYZE months")
            query = "SELECT * FROM months WHERE meter_id = {} ORDER BY slot"
            told["postgresql_ms"] = _median(meters, lambda m: len(found.run(query.format(m))))
    return told | {name.removesuffix("_ms"): round(ms / ours_ms, 2) for name, ms in told.items()}


def _median(meters: Sequence[int], ask: Callable[[int], int]) -> float:
    took = []
    for meter in meters:
        begun = time.perf_counter()
        assert ask(meter) > 0
        took.append(1000 * (time.perf_counter() - begun))
    return round(median(took), 3)
