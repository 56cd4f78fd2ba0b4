"""The day in DuckDB SQL, over the same segments, and in PostgreSQL where there is one: for the ratio."""

from __future__ import annotations

import time
from pathlib import Path

import duckdb

from benches.day_postgresql import day_in_postgresql
from benches.day_town import PERIOD, City
from benches.report import say
from bijlighar.cim.channels import ProfileKind
from bijlighar.records import Records

SEALED = """
CREATE TABLE sealed AS
SELECT meter_id, start_s, max(received_s) AS received_s,
       arg_max(import_wh, received_s) AS import_wh, arg_max(import_vah, received_s) AS import_vah,
       arg_max(export_wh, received_s) AS export_wh, arg_max(export_vah, received_s) AS export_vah,
       arg_max(voltage_mv, received_s) AS voltage_mv, arg_max(current_ma, received_s) AS current_ma
FROM read_parquet($files, union_by_name = true)
WHERE start_s >= $start_s AND start_s < $end_s
GROUP BY meter_id, start_s
"""

FINDINGS = """
CREATE TABLE findings AS
WITH days AS (
    SELECT meter_id, count(import_wh) AS held, sum(import_wh) AS used, max(import_wh) AS highest,
           min(import_wh) AS least, list_sort(list(import_wh), 'DESC')[3] AS third,
           count_if(import_vah + 10 < 0.999 * import_wh) AS apparent, count_if(import_wh > 6900) AS above
    FROM sealed GROUP BY meter_id
)
SELECT meter_id, 'missing-quantity' AS rule FROM days WHERE held < 48
UNION ALL SELECT meter_id, 'spike' FROM days WHERE highest >= 500 AND highest - third > 1.8 * third
UNION ALL SELECT meter_id, 'negative' FROM days WHERE least < 0
UNION ALL SELECT meter_id, 'dynamic-comparison' FROM days WHERE apparent > 0
UNION ALL SELECT meter_id, 'high-limit' FROM days WHERE above > 0
"""

ESTIMATED = """
CREATE TABLE final AS
WITH slots AS (SELECT DISTINCT meter_id, unnest(range($start_s, $end_s, 1800)) AS start_s FROM sealed),
whole AS (SELECT meter_id, start_s, import_wh, voltage_mv FROM slots LEFT JOIN sealed USING (meter_id, start_s))
SELECT meter_id, start_s, voltage_mv,
       coalesce(import_wh, (lag(import_wh IGNORE NULLS) OVER w + lead(import_wh IGNORE NULLS) OVER w) / 2) AS wh
FROM whole WINDOW w AS (PARTITION BY meter_id ORDER BY start_s)
"""

SUMMED = """
CREATE TABLE transformer_sums AS
SELECT transformer, start_s, sum(wh) AS wh FROM final JOIN places USING (meter_id) GROUP BY ALL
"""

SUMMARIES = """
CREATE TABLE summaries AS
SELECT meter_id, sum(wh) AS used, max(wh) AS peak, arg_max(start_s, wh) AS peak_s,
       min(voltage_mv) AS least_mv, max(voltage_mv) AS most_mv
FROM final GROUP BY meter_id
"""

STEPS = {"seal": SEALED, "validate": FINDINGS, "estimate": ESTIMATED, "sums": SUMMED, "summaries": SUMMARIES}


def day_in_sql(records: Records, folder: Path, town: City, ours_s: float) -> dict[str, float]:
    """CPU seconds of each step and how many times ours they are; both in one process.

    DuckDB does less: 5 of 22 rules, one of five estimation rules, no balance.
    """
    connection = duckdb.connect(str(folder / "day.duckdb"), config={"threads": 1})
    pin = records.readings.pin(ProfileKind.BLOCK_LOAD, PERIOD)
    files = [str(folder / "segments" / each.file) for each in pin.segments if each.period_s == 1800]
    pairs = [(meter, int(owner)) for meter, owner in enumerate(town.transformer.tolist()) if meter]
    _places(connection, folder, pairs)
    result: dict[str, float] = {}
    for name, statement in STEPS.items():
        given = {"files": files, "start_s": PERIOD.start_s, "end_s": PERIOD.end_s}
        begun = time.process_time()
        connection.execute(statement, {key: value for key, value in given.items() if f"${key}" in statement})
        result[f"duckdb_{name}_s"] = round(time.process_time() - begun, 3)
        say(f"day: DuckDB {name} in {result[f'duckdb_{name}_s']} s")
    held = (connection.execute("SELECT count(import_wh) FROM sealed").fetchone() or (0,))[0]
    connection.close()
    total = sum(result.values())
    told = {**result, "duckdb_s": round(total, 3), "duckdb": round(total / ours_s, 2)}
    of_transformers = int(town.is_transformer_meter.sum()) * 2 / town.consumers
    return told | day_in_postgresql(records, town, ours_s, round(held * (1 + of_transformers)))


def _places(connection: duckdb.DuckDBPyConnection, folder: Path, pairs: list[tuple[int, int]]) -> None:
    sheet = folder / "places.csv"
    sheet.write_text("meter_id,transformer\n" + "".join(f"{m},{t}\n" for m, t in pairs), encoding="utf-8")
    connection.execute("CREATE TABLE places AS SELECT * FROM read_csv($sheet)", {"sheet": str(sheet)})
