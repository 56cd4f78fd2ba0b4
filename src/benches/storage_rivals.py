"""What the same sealed day takes in a DuckDB file and in PostgreSQL rows: octets a reading, and times ours."""

from __future__ import annotations

from pathlib import Path

import duckdb

from benches.day_postgresql import STEPS, land, last_of
from benches.day_sql import SEALED
from benches.day_town import PERIOD, City
from benches.postgresql import rival
from bijlighar.cim.channels import ProfileKind
from bijlighar.records import Records

CONSUMERS = 3_000
"""Of PostgreSQL: its octets a row do not depend on how many there are."""


def stored_elsewhere(records: Records, folder: Path, town: City, ours: float) -> dict[str, float]:
    """``ours``: our octets a reading. Consumers alone, the newest version alone: less than we keep."""
    file = folder / "storage.duckdb"
    pin = records.readings.pin(ProfileKind.BLOCK_LOAD, PERIOD)
    files = [str(folder / "segments" / each.file) for each in pin.segments if each.period_s == 1800]
    with duckdb.connect(str(file)) as connection:
        connection.execute(SEALED, {"files": files, "start_s": PERIOD.start_s, "end_s": PERIOD.end_s})
        ((rows,),) = connection.execute("SELECT count(*) FROM sealed").fetchall()
        connection.execute("CHECKPOINT")
    bytes_in_duckdb = file.stat().st_size / rows
    told = {"duckdb_bytes": round(bytes_in_duckdb, 2), "duckdb": round(bytes_in_duckdb / ours, 2)}
    with rival() as found:
        if found is None:
            return told
        land(found, records, town, last_of(town, CONSUMERS))
        found.run(STEPS["seal"])
        found.run("CREATE INDEX ON sealed (meter_id, start_s)")
        ((octets, count),) = found.run("SELECT pg_total_relation_size('sealed'), (SELECT count(*) FROM sealed)")
    each = octets / count
    return {**told, "postgresql_bytes": round(each, 2), "postgresql": round(each / ours, 2)}
