"""The benchmarks run, tell what they must tell, and measure what is right."""

from __future__ import annotations

import json

import pytest

from benches import decode, session, transcript
from benches.__main__ import main, table
from benches.blockload import COLUMNS, ROWS, RULES, day_buffer
from benches.registry import MODULES, benchmark
from benches.report import Goal, Report
from benches.session_worker import Decoder
from bijlighar.dlms import axdr
from bijlighar.dlms.template import Template


def test_every_name_has_a_benchmark() -> None:
    assert sorted(MODULES) == [
        "city",
        "day",
        "decode",
        "flow",
        "live",
        "meter-month",
        "push",
        "registry",
        "session",
        "storage",
    ]
    assert all(callable(benchmark(name)) for name in MODULES)
    with pytest.raises(KeyError):
        benchmark("nothing")


def test_the_block_load_is_48_rows_of_8_columns_in_45_octets() -> None:
    octets = day_buffer(seed=1)
    assert len(octets) == 2 + ROWS * 45
    rows = axdr.decode(octets).value
    assert isinstance(rows, tuple)
    assert [len(row.value) for row in rows if isinstance(row.value, tuple)] == [COLUMNS] * ROWS


def test_the_buffer_that_counts_as_row_by_row_says_the_same() -> None:
    octets = day_buffer(seed=3)
    learnt = Template.learn(octets, RULES)
    fast, slow = learnt.decode_rows([octets]), learnt.decode_rows([decode._row_by_row(octets)])
    assert [column.tolist() for column in fast.columns] == [column.tolist() for column in slow.columns]


def test_decode_tells_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    told = decode.run(rounds=1, numbers_of_meters=(16, 64)).as_dict()
    assert told["ns_per_row"] == max(told["ns_per_row_by_meters"].values()) > 0
    assert set(told["ns_per_row_by_meters"]) == {"16", "64"}
    assert told["goals"]["ns_per_row"]["limit"] == 30
    assert {"machine", "input", "versions", "command", "simulator_cpu_share"} <= set(told)
    assert "decode: 64 meters" in capsys.readouterr().err


def test_a_session_comes_in_three_blocks_and_the_client_reads_what_the_meter_has() -> None:
    recorded = transcript.record()
    assert recorded.blocks == 3
    assert recorded.buffer == day_buffer(seed=1)
    settings = transcript.client_settings()
    assert [session.in_memory(recorded, settings) for _ in range(2)] == [recorded.buffer] * 2
    again = transcript.record()
    assert again == recorded, "the same octets in every run"


def test_buffers_are_decoded_in_batches() -> None:
    recorded = transcript.record()
    decoder = Decoder(recorded)
    for _ in range(63):
        decoder.add(recorded.buffer)
    assert decoder.last is None
    decoder.add(recorded.buffer)
    assert len(decoder.last or ()) == 64 * ROWS
    rows = axdr.plain(axdr.decode(recorded.buffer))
    assert isinstance(rows, list)
    assert decoder.checksum() == sum(cell for row in rows for cell in row[1:])  # type: ignore[union-attr, misc]


def test_session_tells_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    few = {"floor": 64, "ours": 64, "headend": 64}
    told = session.run(rounds=1, peers=(), sessions=few).as_dict()
    assert told["floor_ratio"] == pytest.approx(told["cpu_us"] / told["floor_us"], rel=0.01)
    assert told["memory_us"] > 0
    assert told["vs"] == {}
    assert 0 < told["simulator_cpu_share"] < 1
    assert "round 1 of 1" in capsys.readouterr().err


def test_goals_and_tables() -> None:
    report = Report(
        name="x",
        input="nothing",
        figures={"cost": 2.0, "vs": {"other": 3.0}},
        goals=[
            Goal(figure="cost", measured=2.0, limit=1.0),
            Goal(figure="vs.other", measured=3.0, limit=2.0, at_most=False),
        ],
    )
    assert [goal.met for goal in report.goals] == [False, True]
    cost, versus = table([report]).splitlines()[1:]
    assert cost.endswith("<= 1 MISSED")
    assert versus.endswith(">= 2 met")
    assert json.loads(report.as_json())["goals"]["cost"] == {"limit": 1.0, "measured": 2.0, "met": False}


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["nothing"])
    assert ended.value.code == 2
    assert "invalid choice" in capsys.readouterr().err
