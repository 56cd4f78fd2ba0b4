"""The head-end's own way of reading one meter, against a meter that nobody here wrote."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Outcome
from bijlighar.cim.period import Period
from bijlighar.dlms.association import Mechanism
from bijlighar.dlms.models import load_model
from bijlighar.headend.keys import MeterKeys
from bijlighar.headend.single import read_once
from interop import foreign
from interop.processes import foreign_meter

pytestmark = pytest.mark.interop

BIJLIGHAR = str(Path(sys.executable).with_name("bijlighar"))
MODEL = load_model("is15959-d1")
PERIOD_S = 1800
UNITS_A_COUNT = 10
"""Wh, mV and mA a count, in every column of the foreign meter."""

KEYS = MeterKeys(
    encryption_key=foreign.ENCRYPTION_KEY,
    authentication_key=foreign.AUTHENTICATION_KEY,
    reader_secret=foreign.PASSWORD,
    setting_secret=foreign.HLS_SECRET,
)
SELECTED, GET_NEXT = bytes.fromhex("0101"), bytes.fromhex("c002")


class StoppedClock:
    """The utility's clock, two seconds behind the meter's."""

    def now(self):
        return foreign.stamp(47).timestamp() - 2

    async def sleep_until(self, instant_s):
        raise AssertionError(f"nothing waits here, least of all until {instant_s}")


def model_with(mechanism):
    """A model whose reader proves itself by another mechanism, as makes differ."""
    client_address = {Mechanism.LLS: foreign.READER, Mechanism.HLS_AES: foreign.FIRMWARE}.get(
        mechanism, foreign.SETTING
    )
    reader = replace(MODEL.associations["reader"], mechanism=mechanism, client_address=client_address)
    return replace(MODEL, associations={**MODEL.associations, "reader": reader})


def read(tmp_path, mechanism, period, **expected):
    keys = replace(KEYS, reader_secret=foreign.HLS_SECRET) if mechanism is Mechanism.HLS_AES else KEYS
    with foreign_meter(foreign.description(counter="0.0.43.1.2.255"), tmp_path) as meter:
        once = uvloop.run(
            read_once(
                "127.0.0.1",
                meter.port,
                model_with(mechanism),
                keys,
                [ProfileKind.BLOCK_LOAD],
                period,
                clock=StoppedClock(),
                **expected,
            )
        )
    return once, meter.requests


def blocks(first, last):
    """The period of the blocks ``first`` to ``last``, last taken in."""
    start_s = int(foreign.stamp(first).timestamp()) - PERIOD_S
    return Period(start_s=start_s, end_s=start_s + (last - first + 1) * PERIOD_S)


@pytest.mark.parametrize("mechanism", [Mechanism.LLS, Mechanism.HLS_AES, Mechanism.HLS_GMAC])
def test_a_day_of_the_foreign_meter_is_read_cell_by_cell(tmp_path, mechanism):
    known = {"serial": "MMM0000001", "system_title": foreign.SYSTEM_TITLE}
    once, requests = read(tmp_path, mechanism, blocks(0, 47), **known)
    assert (once.outcome, once.faults, once.unmapped) == (Outcome.OK, {}, frozenset())
    assert once.nameplate.serial == "MMM0000001"
    assert abs(once.clock_offset_ms - 2000) <= 1
    [readings] = once.readings
    assert readings.period_s == PERIOD_S
    assert readings.start_s.tolist() == [int(foreign.stamp(row).timestamp()) - PERIOD_S for row in range(48)]
    for channel in foreign.COLUMNS:
        held = [foreign.counts(row)[channel] * UNITS_A_COUNT for row in range(48)]
        assert readings.channels[channel].tolist() == held
    assert any(request.startswith(GET_NEXT) for request in requests)


def test_only_what_is_asked_for_comes(tmp_path):
    once, requests = read(tmp_path, Mechanism.LLS, blocks(20, 21))
    [readings] = once.readings
    assert readings.start_s.tolist() == [int(foreign.stamp(row).timestamp()) - PERIOD_S for row in (20, 21)]
    assert [request[12:14] for request in requests].count(SELECTED) == 1


def test_another_serial_is_another_meter(tmp_path):
    once, _ = read(tmp_path, Mechanism.LLS, blocks(0, 1), serial="MMM0000002")
    assert once.outcome is Outcome.WRONG_METER
    assert once.readings == []


def test_another_system_title_is_another_meter(tmp_path):
    once, _ = read(tmp_path, Mechanism.HLS_GMAC, blocks(0, 1), system_title=b"ANOTHER1")
    assert once.outcome is not Outcome.OK
    assert once.readings == []


def test_an_engineer_reads_the_foreign_meter_from_the_command_line(tmp_path):
    first_day = foreign.FIRST_DAY.date().isoformat()
    with foreign_meter(foreign.description(counter="0.0.43.1.2.255"), tmp_path) as meter:
        asked = [f"127.0.0.1:{meter.port}", "--model", "is15959-d1", "--what", "block-load"]
        done = subprocess.run(
            [BIJLIGHAR, "meter", "read", *asked, "--from", first_day, "--to", first_day, "--json"],
            env={
                "BIJLIGHAR_METER_READER_SECRET": foreign.PASSWORD.decode(),
                "BIJLIGHAR_METER_ENCRYPTION_KEY": foreign.ENCRYPTION_KEY.hex(),
                "BIJLIGHAR_METER_AUTHENTICATION_KEY": foreign.AUTHENTICATION_KEY.hex(),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    [readings] = json.loads(done.stdout)["readings"]
    assert [readings["kind"], readings["period_s"]] == ["block-load", PERIOD_S]
    shown = [{channel: row[channel] for channel in foreign.COLUMNS} for row in readings["rows"]]
    assert shown == [
        {channel: count * UNITS_A_COUNT for channel, count in foreign.counts(row).items()} for row in range(48)
    ]
