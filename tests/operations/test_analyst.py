"""Questions in SQL: right, of one state, and without a way to anything else."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.exchange import SealedKeys
from bijlighar.cim.period import Period, civil_day
from bijlighar.cim.readings import MISSING
from bijlighar.mdm.measurements import Edit, Source
from bijlighar.operations.analyst import Analyst, Bounds, QuestionRefused
from bijlighar.operations.analyst_final import TooManyDays
from bijlighar.operations.analyst_output import TABLE_ROWS, write_answer, write_file
from bijlighar.operations.answer_format import AnswerFormat
from bijlighar.operations.day_estimate import final_day
from bijlighar.operations.engine_day import estimate_days, seal_days, validate_days
from bijlighar.operations.engine_local import LocalEngine
from bijlighar.records import Records
from bijlighar.records.people import Person
from operations.engine_town import DAYS, NOW_S, engine_town, land

MARK = "zq7secret"
"""Stands in everything that must not be seen."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("analyst") / "town"


@pytest.fixture(scope="module")
def records(folder: Path) -> Iterator[Records]:
    """Two days sealed, estimated, validated; a visit; an edit; keys and a person that nobody may see."""
    alone = LocalEngine(workers=1)
    with engine_town(folder) as records:
        list(seal_days(records, alone, DAYS))
        list(estimate_days(records, alone, DAYS, int(NOW_S)))
        list(validate_days(records, alone, DAYS, int(NOW_S)))
        day = civil_day(DAYS[0])
        records.edits.add(
            Edit(
                meter_id=5,
                start_s=day.start_s + 1800,
                period_s=1800,
                channel="import_wh",
                value=123,
                reason="read by hand",
                made_by=MARK,
                made_s=int(NOW_S),
            )
        )
        records.landing.land([], [_visit(day.start_s * 1000)])
        records.people.put(
            Person(name=MARK, display_name=MARK, password_hash=MARK, roles=("viewer",), language="en")
        )
        records.keys.put_sealed_keys([SealedKeys(meter_id=5, sealed=MARK.encode())])
        yield records


def _visit(started_ms: int) -> Contact:
    fields: dict[str, Any] = dict.fromkeys(Contact.__dataclass_fields__, 0)
    fields |= {"meter_id": 5, "started_ms": started_ms, "purpose": "block-load", "detail": "", "attempt": 1}
    return Contact(**(fields | {"outcome": Outcome.OK}))


@pytest.fixture(scope="module")
def analyst(records: Records, folder: Path) -> Iterator[Analyst]:
    with Analyst(records, folder, Bounds(), now_s=int(NOW_S)) as session:
        yield session


def _rows(analyst: Analyst, question: str) -> list[dict[str, Any]]:
    return analyst.ask(question).read_all().to_pylist()


def test_sealed_slots_are_what_the_blocks_hold(records: Records, analyst: Analyst) -> None:
    told = analyst.ask("FROM day_blocks WHERE meter_id % 20 = 1 ORDER BY period_s, meter_id, start_s").read_all()
    for period_s in (1800, 900):
        mine = told.filter(pc.equal(told["period_s"], period_s))
        assert mine.num_rows > 0
        for name in ("import_wh", "import_vah", "voltage_mv", "current_ma"):
            expected = np.concatenate(
                [
                    np.concatenate([_newest(records, meter, day, name) for day in DAYS])
                    for meter in sorted(set(mine["meter_id"].to_pylist()))
                ]
            )
            assert np.array_equal(mine[name].fill_null(MISSING).to_numpy(), expected)
    first = _rows(analyst, f"FROM day_blocks WHERE meter_id = 5 AND day = DATE '{DAYS[1]}' AND slot = 3")
    assert len(first) == 1
    assert first[0]["start_s"] == civil_day(DAYS[1]).start_s + 3 * 1800
    assert first[0]["start"].isoformat() == f"{DAYS[1]}T01:30:00"


def _newest(records: Records, meter_id: int, day: Any, name: str) -> np.ndarray[Any, Any]:
    (found,) = records.blocks.meter_days(meter_id, day, day, [name])
    cells = found.channels[name][0]
    return np.where(cells == np.iinfo(cells.dtype).min, MISSING, cells.astype(np.int64))


def test_landed_rows_are_those_of_the_readings(records: Records, analyst: Analyst) -> None:
    whole = Period(start_s=civil_day(DAYS[0]).start_s, end_s=civil_day(DAYS[1]).end_s)
    for view, kind, period_s in (
        ("readings_block_load", ProfileKind.BLOCK_LOAD, 1800),
        ("readings_daily", ProfileKind.DAILY, 0),
        ("events", ProfileKind.EVENT, 0),
    ):
        known = records.readings.table(kind, None, whole, period_s=period_s)
        where = "period_s = 1800" if period_s else f"start_s < {whole.end_s}"
        told = analyst.ask(f"FROM {view} WHERE {where} ORDER BY meter_id, start_s").read_all()
        assert told.num_rows == len(known) >= 80
        for name, values in known.channels.items():
            assert np.array_equal(told[name].fill_null(MISSING).to_numpy(), values), (view, name)


def test_final_measurements_are_those_of_the_bill(records: Records, analyst: Analyst) -> None:
    names = {Source.NOTHING: None, Source.READING: "reading", Source.ESTIMATE: "estimate", Source.EDIT: "edit"}
    for meter_id in (3, 5, 12):
        rows = _rows(
            analyst,
            f"FROM final_measurements WHERE meter_id = {meter_id} AND day = DATE '{DAYS[0]}' "
            "AND channel = 'import_wh' ORDER BY slot",
        )
        state = final_day(records, meter_id, DAYS[0], "import_wh", at_s=int(NOW_S))
        assert [MISSING if row["value"] is None else row["value"] for row in rows] == state.value[0].tolist()
        assert [row["source"] for row in rows] == [names[Source(each)] for each in state.source[0].tolist()]
        assert [row["rule"] for row in rows] == state.rule[0].tolist()
    (edited,) = _rows(analyst, "FROM final_measurements WHERE source = 'edit'")
    assert (edited["meter_id"], edited["slot"], edited["value"]) == (5, 1, 123)
    counted = _rows(analyst, "SELECT count(*) n FROM final_measurements WHERE source = 'estimate'")
    assert counted[0]["n"] > 100


def test_registry_exceptions_and_visits_can_be_joined(records: Records, analyst: Analyst) -> None:
    (row,) = _rows(
        analyst,
        "SELECT count(*) n FROM meters m JOIN usage_points u ON u.code = m.usage_point "
        "JOIN transformers t ON t.code = u.transformer JOIN feeders f ON f.code = t.feeder "
        "JOIN substations s ON s.code = f.substation JOIN divisions d ON d.code = s.division",
    )
    assert row["n"] == len(records.registry.meters()) == 246
    (found,) = _rows(analyst, "SELECT count(*) n, min(day) AS day FROM validation_exceptions WHERE state = 'open'")
    assert (found["n"] > 100, found["day"]) == (True, DAYS[0])
    assert [row["meter_id"] for row in _rows(analyst, "FROM contacts")] == [5]
    assert _rows(analyst, "SELECT reference FROM bills") == [{"reference": "B-1"}]
    assert _rows(analyst, "FROM statements") == []


def test_days_bound_what_is_asked(records: Records, folder: Path) -> None:
    bounds = Bounds(first=DAYS[1], last=DAYS[1])
    with Analyst(records, folder, bounds, now_s=int(NOW_S)) as analyst:
        for view in ("day_blocks", "final_measurements"):
            assert _rows(analyst, f"SELECT DISTINCT day FROM {view}") == [{"day": DAYS[1]}]
        assert _rows(analyst, "FROM contacts") == []
        (row,) = _rows(analyst, "SELECT min(start_s) AS s FROM readings_block_load")
        assert row["s"] == civil_day(DAYS[1]).start_s


def test_a_session_sees_one_generation(folder: Path, tmp_path: Path) -> None:
    alone = LocalEngine(workers=1)
    question = (
        "SELECT count(*) n, sum(import_wh) AS wh, (SELECT count(*) FROM readings_block_load) m FROM day_blocks"
    )
    with engine_town(tmp_path / "town") as records:
        list(seal_days(records, alone, DAYS))
        with Analyst(records, tmp_path / "town", Bounds(), now_s=int(NOW_S)) as analyst:
            land(records, DAYS[0], again=1)
            for kind, day in records.manifest.crowded(1):
                records.compaction.compact_day(kind, day)
            list(seal_days(records, alone, DAYS))
            before = _rows(analyst, question)
        with Analyst(records, tmp_path / "town", Bounds(), now_s=int(NOW_S)) as again:
            after = _rows(again, question)
            assert again.generation > analyst.generation
        assert before[0]["wh"] != after[0]["wh"]
    with engine_town(tmp_path / "other") as records:
        list(seal_days(records, alone, DAYS))
        with Analyst(records, tmp_path / "other", Bounds(), now_s=int(NOW_S)) as quiet:
            assert _rows(quiet, question) == before


def test_a_month_and_a_day_sealed_again_count_once(tmp_path: Path) -> None:
    alone = LocalEngine(workers=1)
    with engine_town(tmp_path / "town") as records:
        list(seal_days(records, alone, DAYS))
        assert records.block_compaction.compact_month(DAYS[0].year, DAYS[0].month) > 0
        land(records, DAYS[0], again=1)
        list(seal_days(records, alone, DAYS[:1]))
        with Analyst(records, tmp_path / "town", Bounds(), now_s=int(NOW_S)) as analyst:
            (row,) = _rows(analyst, "SELECT count(*) n, count(DISTINCT (meter_id, start_s)) d FROM day_blocks")
            assert row["n"] == row["d"] == 2 * (240 * 48 + 6 * 96)
            (told,) = _rows(
                analyst,
                f"SELECT import_wh v FROM day_blocks WHERE meter_id = 6 AND day = '{DAYS[0]}' AND slot = 7",
            )
        (found,) = records.blocks.meter_days(6, DAYS[0], DAYS[0], ["import_wh"])
        assert told["v"] == found.channels["import_wh"][0][7]


@pytest.mark.parametrize(
    "question",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM parquet_metadata('{blocks}')",
        "SELECT * FROM read_parquet('{blocks}')",
        "SELECT * FROM sqlite_scan('{folder}/records.db', 'people')",
        "SELECT * FROM read_csv('https://127.0.0.1/x.csv')",
        "SELECT * FROM query('COPY (SELECT 1) TO ''{folder}/x.csv''')",
        "SELECT getenv('HOME')",
        "COPY (SELECT 1) TO '{folder}/x.csv'",
        "ATTACH '{folder}/records.db' (TYPE sqlite)",
        "ATTACH '{folder}/x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/x.csv'",
        "CREATE TABLE x AS SELECT 1",
        "DROP VIEW meters",
        "DELETE FROM meters",
        "INSERT INTO copied_meters SELECT * FROM meters",
        "EXPORT DATABASE '{folder}/x'",
        "SELECT 1; COPY (SELECT 1) TO '{folder}/x.csv'",
        "SELECT * FROM people",
        "SELECT * FROM sealed_keys",
        "SELECT * FROM web_sessions",
        "SELECT * FROM audit",
        "SELECT * FROM records",
        "SELECT host FROM meters",
        "SELECT resolved_by FROM validation_exceptions",
        "SELEC 1",
        "",
    ],
)
def test_a_question_reaches_the_views_alone(
    question: str, analyst: Analyst, folder: Path, records: Records
) -> None:
    file = folder / "blocks" / records.blocks.day(DAYS[0])[0].file
    before = sorted(folder.rglob("*"))
    with pytest.raises(QuestionRefused) as refusal:
        analyst.ask(question.format(folder=folder, blocks=file)).read_all()
    assert str(refusal.value)
    assert sorted(folder.rglob("*")) == before
    assert _rows(analyst, "SELECT count(*) n FROM meters")[0]["n"] == 246


def test_nothing_secret_is_in_any_view(analyst: Analyst) -> None:
    names = [row["name"] for row in _rows(analyst, "SHOW TABLES")]
    assert {"day_blocks", "meters", "final_measurements"} < set(names)
    for name in names:
        assert MARK not in str(analyst.ask(f"SELECT * FROM {name}").read_all().to_pydict()), name
    for question in ("FROM duckdb_settings()", "FROM duckdb_views()", "FROM duckdb_tables()"):
        assert MARK not in str(_rows(analyst, question))


def test_memory_and_threads_are_bounded(records: Records, folder: Path) -> None:
    with Analyst(records, folder, Bounds(memory="64MB", threads=1), now_s=int(NOW_S)) as analyst:
        assert _rows(analyst, "SELECT current_setting('threads') AS n") == [{"n": 1}]
        with pytest.raises(QuestionRefused, match=r"[Mm]emory"), analyst.answering():
            analyst.ask("SELECT list(a.range || b.range) FROM range(20000) a, range(2000) b").read_all()
    with pytest.raises(QuestionRefused), Analyst(records, folder, Bounds(memory="much"), now_s=0):
        pass


def test_too_many_final_measurements_are_refused(
    records: Records, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bijlighar.operations.analyst_final.MOST_METER_DAYS", 100)
    with (
        Analyst(records, folder, Bounds(), now_s=int(NOW_S)) as analyst,
        pytest.raises(TooManyDays, match="narrow with --from"),
    ):
        analyst.ask("FROM final_measurements")


def test_files_that_are_gone_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "town"
    with engine_town(folder) as records, Analyst(records, folder, Bounds(), now_s=int(NOW_S)) as analyst:
        for file in (folder / "segments" / "daily").rglob("*.parquet"):
            file.unlink()
        with pytest.raises(QuestionRefused, match="no longer kept"), analyst.answering():
            analyst.ask("SELECT sum(import_wh) FROM readings_daily").read_all()


def _answer(analyst: Analyst, question: str, told_as: AnswerFormat) -> str:
    out = io.StringIO()
    write_answer(analyst.ask(question), told_as, out)
    return out.getvalue()


def test_answers_in_every_form(analyst: Analyst, tmp_path: Path) -> None:
    question = (
        "SELECT 1 AS n, 'बिजली' AS word, NULL AS nothing, DATE '2026-06-01' AS day, "
        "sum(9000000000000000000) AS big, 0.5::DECIMAL(3,1) AS half, "
        "TIMESTAMP '2026-06-01 10:00:00' AS at, 'ab'::BLOB AS octets, [1, 2] AS list"
    )
    assert _answer(analyst, question, AnswerFormat.CSV).splitlines() == [
        "n,word,nothing,day,big,half,at,octets,list",
        '1,बिजली,,2026-06-01,9000000000000000000,0.5,2026-06-01 10:00:00,6162,"[1, 2]"',
    ]
    (row,) = json.loads(_answer(analyst, question, AnswerFormat.JSON))
    assert (row["word"], row["nothing"], row["big"], row["list"]) == ("बिजली", None, 9 * 10**18, [1, 2])
    assert json.loads(_answer(analyst, "SELECT 1 WHERE false", AnswerFormat.JSON)) == []
    shown = _answer(analyst, "SELECT 7 AS n, 'x' AS word", AnswerFormat.TABLE).splitlines()
    assert shown == ["n  word", "-  ----", "7  x"]
    many = _answer(analyst, f"FROM range({TABLE_ROWS + 5})", AnswerFormat.TABLE)
    assert "and 5 more rows" in many
    file = tmp_path / "answer.parquet"
    assert write_file(analyst.ask("FROM meters"), AnswerFormat.PARQUET, file) == 246
    assert pq.read_table(file).num_rows == 246
    assert write_file(analyst.ask("FROM meters"), AnswerFormat.CSV, tmp_path / "answer.csv") == 246
    with pytest.raises(ValueError, match="Parquet"):
        write_answer(analyst.ask("SELECT 1"), AnswerFormat.PARQUET, io.StringIO())
    with pytest.raises(OSError, match="No such file"):
        write_file(analyst.ask("SELECT 1"), AnswerFormat.CSV, tmp_path / "nowhere" / "x.csv")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["answer.csv", "answer.parquet"]
