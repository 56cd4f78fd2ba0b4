"""Tables copied for questions: the right rows of either database, and no column that is nobody's business."""

from __future__ import annotations

from pathlib import Path

from bijlighar.cim.period import civil_day
from bijlighar.mdm.measurements import Bill
from bijlighar.records.copied_tables import NAMES
from operations.engine_town import DAYS, engine_town

FORBIDDEN = {"system_title", "host", "port", "sealed", "password_hash", "resolved_by", "made_by", "sha256", "next"}


def test_every_table_is_copied_with_its_rows(records_url: str, tmp_path: Path) -> None:
    with engine_town(tmp_path / "town", records_url) as records:
        day = civil_day(DAYS[1])
        records.edits.add_bills([Bill(meter_id=4, period=day, reference="B-2", billed_s=day.end_s)])
        copies = {name: records.copied_tables.table(name) for name in NAMES}
        meters = {meter.meter_id: meter for meter in records.registry.meters()}
        points = {point.code: point for point in records.registry.usage_points()}
    assert not {name for table in copies.values() for name in table.schema.names} & FORBIDDEN
    told = {row["meter_id"]: row for row in copies["meters"].to_pylist()}
    assert {number: row["serial"] for number, row in told.items()} == {n: m.serial for n, m in meters.items()}
    assert all(row["transformer"] == points[row["usage_point"]].transformer for row in told.values())
    assert [row["reference"] for row in copies["bills"].to_pylist()] == ["B-1", "B-2"]
    assert copies["installations"].num_rows == len(meters)
    assert copies["divisions"].to_pylist() == [{"code": "D1", "name": "Parade", "name_hi": "परेड"}]
    assert copies["statements"].num_rows == 0
    assert str(copies["statements"].schema.field("billed_wh").type) == "int64"
