"""`bijlighar meter conform`: a table or JSON, exit status 1 when a meter fails, one sentence for a fault."""

import csv
import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from bijlighar.dlms.models import model_text
from bijlighar.headend.conformance import CHECKS, HDLC_CHECKS

TOOLS = Path(sys.executable).parent
METER = "2"


@contextmanager
def town(folder, *more):
    """The trial's meters in a process of their own; place and serial of one of them, and the sheet of keys."""
    keys, registry = folder / "keys.csv", folder / "registry"
    command = [TOOLS / "meterlab", "serve", "--seed", "7", "--port", "0", "--speed", "1", *more]
    with subprocess.Popen(
        [*command, "--keys-out", keys, "--registry-out", registry], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            port = process.stdout.readline().split()[-1]
            with (registry / "meters.csv").open(encoding="utf-8", newline="") as file:
                meter = list(csv.DictReader(file))[int(METER)]
            yield f"{meter['host']}:{port}", meter["serial"], keys
        finally:
            process.terminate()


def conform(*arguments):
    command = [TOOLS / "bijlighar", "meter", "conform", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"COLUMNS": "200"})


def test_a_meter_that_conforms_ends_with_0_and_a_table(tmp_path):
    draft = tmp_path / "draft.toml"
    draft.write_text(model_text("is15959-d1"), encoding="utf-8")
    with town(tmp_path) as (place, serial, keys):
        done = conform(place, "--keys", keys, "--serial", serial, "--model", draft)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a wrong password is refused" in done.stdout
    assert f"{len(CHECKS)} pass, 0 fail, 0 not applicable" in done.stdout
    assert done.stderr == ""


def test_a_meter_that_fails_ends_with_1_and_tells_what_went_and_came(tmp_path):
    with town(tmp_path, "--scene", f"short-rows:meter={METER}") as (place, serial, keys):
        table = conform(place, "--keys", keys, "--serial", serial)
        done = conform(place, "--keys", keys, "--serial", serial, "--json")
    assert (table.returncode, done.returncode) == (1, 1)
    assert "  sent c8" in table.stdout
    told = json.loads(done.stdout)
    assert told["conforms"] is False
    assert [check["check"] for check in told["checks"]] == [check.name for check in CHECKS]
    [failing] = [check for check in told["checks"] if check["verdict"] == "fail"]
    assert failing["clause"] == "IEC 62056-6-2, class 7, capture_objects"
    assert "rows of [6, 7] cells" in failing["detail"]
    assert all(exchange["sent_plain"].startswith("c0") for exchange in failing["exchanges"][-3:])


def test_a_meter_behind_a_gateway_of_octets_is_tried_with_its_link(tmp_path):
    with town(tmp_path, "--framing", "hdlc") as (place, serial, keys):
        done = conform(place, "--keys", keys, "--serial", serial, "--framing", "hdlc", "--answer", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(HDLC_CHECKS)} pass, 0 fail, 0 not applicable" in done.stdout
    assert "IEC 62056-46, SNRM and UA" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["127.0.0.1", "--framing", "hdlc", "--address-octets", "3"], "does not fit an address of 3 octets"),
        (["127.0.0.1", "--framing", "hdlc", "--physical-address", "17"], "does not fit an address of 1 octets"),
        (["127.0.0.1:0"], "is no HOST[:PORT]"),
        (["127.0.0.1", "--model", "no-such-make"], "the model 'no-such-make' cannot be used: no meter model"),
        (["127.0.0.1", "--model", "nowhere.toml"], "the model 'nowhere.toml' cannot be used: No such file"),
        (["127.0.0.1", "--keys", "nowhere.csv"], "the sheet of keys nowhere.csv cannot be read"),
    ],
)
def test_a_fault_of_the_user_is_one_sentence(arguments, sentence):
    done = conform(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
