"""The day in PostgreSQL, the same statements as ``day_sql`` over the same rows: for the ratio.

Landing the rows is not counted, as it is not for us. PostgreSQL takes a part of the city, because rows cost it so
much; the ratio is per reading.
"""

from __future__ import annotations

import numpy as np

from benches.day_town import PERIOD, City
from benches.postgresql import Rival, rival
from benches.report import say
from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.readings import MISSING
from bijlighar.records import Records

CONSUMERS = 20_000
"""A fifteenth of the city: a minute of COPY and statements."""

CHANNELS = ("import_wh", "import_vah", "export_wh", "export_vah", "voltage_mv", "current_ma")
KEYS = ("meter_id", "start_s", "received_s")

LANDED = f"CREATE UNLOGGED TABLE landed ({', '.join(f'{name} bigint' for name in (*KEYS, *CHANNELS))})"

STEPS = {
    "seal": """
CREATE UNLOGGED TABLE sealed AS
SELECT DISTINCT ON (meter_id, start_s) * FROM landed ORDER BY meter_id, start_s, received_s DESC
""",
    "validate": """
CREATE UNLOGGED TABLE findings AS
WITH days AS (
    SELECT meter_id, count(import_wh) AS held, max(import_wh) AS highest, min(import_wh) AS least,
           (array_agg(import_wh ORDER BY import_wh DESC NULLS LAST))[3] AS third,
           count(*) FILTER (WHERE import_vah + 10 < 0.999 * import_wh) AS apparent,
           count(*) FILTER (WHERE import_wh > 6900) AS above
    FROM sealed GROUP BY meter_id
)
SELECT meter_id, 'missing-quantity' AS rule FROM days WHERE held < 48
UNION ALL SELECT meter_id, 'spike' FROM days WHERE highest >= 500 AND highest - third > 1.8 * third
UNION ALL SELECT meter_id, 'negative' FROM days WHERE least < 0
UNION ALL SELECT meter_id, 'dynamic-comparison' FROM days WHERE apparent > 0
UNION ALL SELECT meter_id, 'high-limit' FROM days WHERE above > 0
""",
    "estimate": f"""
CREATE UNLOGGED TABLE final AS
WITH slots AS (
    SELECT meter_id, generate_series({PERIOD.start_s}, {PERIOD.end_s - 1800}, 1800)::bigint AS start_s
    FROM (SELECT DISTINCT meter_id FROM sealed) AS meters
),
whole AS (
    SELECT meter_id, start_s, import_wh, voltage_mv,
           count(import_wh) OVER (PARTITION BY meter_id ORDER BY start_s) AS before,
           count(import_wh) OVER (PARTITION BY meter_id ORDER BY start_s DESC) AS after
    FROM slots LEFT JOIN sealed USING (meter_id, start_s)
)
SELECT meter_id, start_s, voltage_mv,
       coalesce(import_wh, (max(import_wh) OVER (PARTITION BY meter_id, before)
                            + max(import_wh) OVER (PARTITION BY meter_id, after)) / 2) AS wh
FROM whole
""",
    "sums": """
CREATE UNLOGGED TABLE transformer_sums AS
SELECT transformer, start_s, sum(wh) AS wh FROM final JOIN places USING (meter_id) GROUP BY transformer, start_s
""",
    "summaries": """
CREATE UNLOGGED TABLE summaries AS
SELECT meter_id, sum(wh) AS used, max(wh) AS peak, (array_agg(start_s ORDER BY wh DESC))[1] AS peak_s,
       min(voltage_mv) AS least_mv, max(voltage_mv) AS most_mv
FROM final GROUP BY meter_id
""",
}


def day_in_postgresql(records: Records, town: City, ours_s: float, readings: int) -> dict[str, float]:
    """CPU seconds of each step, and how many times our seconds a reading they are; empty without PostgreSQL.

    PostgreSQL does less: 5 of 22 rules, one of five estimation rules, no balance.
    """
    with rival() as found:
        if found is None:
            return {}
        land(found, records, town, last_of(town, CONSUMERS))
        result: dict[str, float] = {}
        for name, statement in STEPS.items():
            result[f"postgresql_{name}_s"] = round(found.timed(statement), 3)
            say(f"day: PostgreSQL {name} in {result[f'postgresql_{name}_s']} s")
        ((theirs,),) = found.run("SELECT count(import_wh) FROM sealed")
    total = sum(result.values())
    return {
        **result,
        "postgresql_s": round(total, 3),
        "postgresql_readings": theirs,
        "postgresql": round((total / theirs) / (ours_s / readings), 2),
    }


def last_of(town: City, consumers: int) -> int:
    """The number of the consumer up to which there are so many, or all."""
    return int(np.flatnonzero(~town.is_transformer_meter)[1:][:consumers][-1])


def land(found: Rival, records: Records, town: City, last: int) -> None:
    """Have the consumers' rows up to a meter in the table ``landed``, with an index, and ``places``."""
    meters = [meter for meter in range(1, last + 1) if not town.is_transformer_meter[meter]]
    found.run(LANDED)
    found.run("CREATE UNLOGGED TABLE places (meter_id bigint, transformer bigint)")
    found.copy("places", [np.array(meters), town.transformer[meters].astype(np.int64)])
    for piece in records.pieces.rows(ProfileKind.BLOCK_LOAD, PERIOD, CHANNELS):
        mine = (piece.meter_id <= last) & ~town.is_transformer_meter[piece.meter_id]
        nothing = np.full(len(mine), MISSING, dtype=np.int64)
        values = [piece.channels.get(name, nothing) for name in CHANNELS]
        columns = [piece.meter_id, piece.start_s, piece.received_s, *values]
        found.copy("landed", [column[mine] for column in columns])
    found.run("CREATE INDEX ON landed (meter_id, start_s)")
    found.run("ANALYZE")
