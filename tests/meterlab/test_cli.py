"""The commands as a person or the demo's supervisor starts them."""

import csv
import json
import signal
import socket
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from bijlighar.dlms.hdlc import HdlcLink, HdlcSettings, Role
from bijlighar.dlms.hdlc.negotiation import Agreement
from bijlighar.dlms.hdlc.states import LinkState
from bijlighar.headend.clock import TownClock
from meterlab.cli import app
from meterlab.scenes import SCENES
from meterlab.server import listener

START = "2025-11-23T17:43:20+05:30"
NOW = 1_763_900_000


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def truth(*arguments):
    result = run("truth", "--start", START, *arguments)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def start_serving():
    processes = []

    def start(*arguments):
        command = [
            sys.executable,
            "-c",
            "from meterlab.cli import main; main()",
            "serve",
            "--port",
            "0",
            *arguments,
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        return process, process.stdout.readline()

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_says_when_it_is_ready_and_ends_cleanly(start_serving, tmp_path, number):
    process, line = start_serving(
        "--start", START, "--registry-out", str(tmp_path), "--keys-out", str(tmp_path / "k")
    )
    assert line.startswith("meterlab: ready: 11 consumer and 1 transformer meters of town trial, seed 1")
    with (tmp_path / "meters.csv").open() as file:
        port = {row["port"] for row in csv.DictReader(file)}
    assert port == {line.rsplit(" ", 1)[1].strip()}
    assert (tmp_path / "k").read_text() == (tmp_path / "keys.csv").read_text()
    process.send_signal(number)
    assert process.wait(timeout=60) == 0
    assert "meters stopped" in process.stderr.read()


def test_serve_follows_the_clock_of_a_demo(start_serving, tmp_path):
    TownClock.create(tmp_path / "clock", start_s=NOW, speed=60.0)
    _, line = start_serving("--clock", str(tmp_path / "clock"), "--meters", "30", "--town", "mohalla")
    assert line.startswith("meterlab: ready: 30 consumer and")


def test_serve_over_hdlc_answers_a_call_with_what_the_client_proposed(start_serving):
    _, line = start_serving("--framing", "hdlc")
    call = HdlcLink(Role.CLIENT, HdlcSettings(send_octets=64, receive_octets=256, send_window=2), 16, 1)
    call.send(b"\x60\x00")
    with socket.create_connection(("127.16.0.1", int(line.split()[-1])), timeout=60) as connection:
        connection.sendall(b"".join(call.outgoing))
        while call.state is not LinkState.CONNECTED:
            call.receive_data(connection.recv(4096))
            call.settle()
    assert call.agreement == Agreement(send_octets=64, receive_octets=256, send_window=2, receive_window=1)


@pytest.mark.parametrize(
    ("model", "says"), [("d9", "no meter model is named 'd9'"), ("d1-9-columns=2", "a share is a number")]
)
@pytest.mark.parametrize("command", [["serve"], ["truth", "--meter", "0"], ["registry", "out"]])
def test_a_make_that_cannot_be_served_is_said_in_words(command, model, says):
    result = run(*command, "--model", model)
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_taken_port_is_one_sentence_and_exit_2():
    with listener(0) as sock:
        result = run("serve", "--port", str(sock.getsockname()[1]))
    assert result.exit_code == 2
    assert result.output == (
        f"meterlab: port {result.output.split()[2]} is taken by another program; choose another with --port\n"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["serve", "--scene", "no-such"], "there is no scene 'no-such'"),
        (["serve", "--town", "metropolis"], "there is no town 'metropolis'"),
        (["serve", "--start", "yesterday"], "is no ISO 8601 time"),
        (["serve", "--start", "2020-01-01"], "start later"),
        (["serve", "--clock", "/nowhere"], "the clock file cannot be used"),
        (["serve", "--meters", "0"], "a town has 1 to"),
        (["truth", "--meter", "99"], "there is no meter '99'"),
        (["truth", "--meter", "0", "--kind", "weather"], "'weather' is no kind"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(arguments, says):
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.output
    assert result.output.count("\n") == 1


def test_truth_tells_blocks_in_the_units_of_readings():
    rows = truth("--meter", "2", "--from", "2025-11-22T00:00:00+05:30", "--to", "2025-11-23T00:00:00+05:30")
    assert len(rows) == 49
    assert rows[0]["stamp"] == "2025-11-21T18:30:00Z"
    assert rows[0]["serial"] == "ML28000003"
    assert rows[0]["period_s"] == 1800
    assert all(row["values"]["import_wh"] % 10 == 0 for row in rows)
    assert 200_000 < rows[0]["values"]["voltage_mv"] < 250_000
    days = truth("--meter", "ML28000003", "--kind", "daily")
    assert sum(row["values"]["import_wh"] for row in rows[1:]) == (
        days[-1]["values"]["import_wh"] - days[-2]["values"]["import_wh"]
    )


@pytest.mark.parametrize(
    ("kind", "count", "channel"),
    [("instantaneous", 1, "active_power_w"), ("daily", 35, "import_wh"), ("billing", 13, "import_wh_tz1")],
)
def test_truth_knows_every_kind(kind, count, channel):
    rows = truth("--meter", "11", "--kind", kind)
    assert len(rows) == count
    assert rows[0]["values"][channel] > 0


def test_truth_plays_scenes_from_the_start_and_tells_rows_up_to_the_clock(tmp_path):
    TownClock.create(tmp_path / "clock", start_s=NOW + 3 * 86_400, speed=0.0)
    rows = truth("--meter", "0", "--clock", str(tmp_path / "clock"), "--scene", "missing-slots")
    assert rows[-1]["stamp"] == "2025-11-26T12:00:00Z"
    stamps = {row["stamp"] for row in rows}
    assert "2025-11-22T08:30:00Z" in stamps  # the cut begins at 14:00 of the day before the start
    assert "2025-11-22T09:30:00Z" not in stamps


def test_truth_tells_events_and_nameplate():
    codes = [
        row["values"]["event_code"] for row in truth("--meter", "0", "--kind", "event", "--scene", "missing-slots")
    ]
    assert {101, 102, 151} <= set(codes)
    assert truth("--meter", "0", "--kind", "nameplate")[0]["values"]["category"] == "D1"


def test_scenes_are_listed_for_people_and_programs():
    listed = json.loads(run("scenes", "--json").stdout)
    assert [scene["name"] for scene in listed] == list(SCENES)
    for text in (run("scenes").stdout, run("serve", "--help").stdout):
        assert all(name in text for name in SCENES)


def test_registry_writes_the_files(tmp_path):
    assert run("registry", str(tmp_path / "import"), "--seed", "7").exit_code == 0
    assert len(list((tmp_path / "import").glob("*.csv"))) == 7


def test_a_town_of_many_makes_is_told_by_registry_and_truth(tmp_path):
    makes = ["--model", "d1-9-columns=0.5", "--model", "d3-15-columns=0.5", "--model", "is15959-d4-feeder"]
    assert run("registry", str(tmp_path), *makes).exit_code == 0
    with (tmp_path / "meters.csv").open(encoding="utf-8") as file:
        meters = list(csv.DictReader(file))
    assert [row["model"] for row in meters].count("d1-9-columns") in (5, 6)
    assert {row["model"] for row in meters} == {"d1-9-columns", "d3-15-columns", "is15959-d4-feeder"}
    for row in meters:
        [first, *_] = truth("--meter", row["serial"], "--from", "2025-11-23T12:00:00+05:30", *makes)
        assert len(first["values"]) == {"D1": 8, "D3": 14, "D4": 14}[row["category"]]
        assert first["period_s"] == (900 if row["category"] == "D4" else 1800)


def test_blocks_that_are_named_by_their_begin_start_there():
    asked = ["--meter", "0", "--from", "2025-11-23T12:00:00+05:30"]
    [by_end, *_], [by_begin, *_] = truth(*asked), truth(*asked, "--model", "d1-11-columns")
    assert by_begin["stamp_s"] - by_begin["start_s"] == 0
    assert by_end["stamp_s"] - by_end["start_s"] == 1800
