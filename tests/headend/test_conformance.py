"""The conformance suite: every shipped make of virtual meter passes, and each seeded defect is found."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import uvloop

from bijlighar.dlms.clock import DeviationSign
from bijlighar.dlms.models import load_model, model_names
from bijlighar.headend.conformance import CHECKS, HDLC_CHECKS, Verdict, bench_of, conform
from bijlighar.headend.keys import MeterKeys
from bijlighar.headend.session import TimeLimits
from meterlab import identity, scenes
from meterlab.exchange import Exchange
from meterlab.framing import HDLC
from meterlab.lab import build, town_named
from meterlab.makes import Share
from meterlab.server import listener, serve

from .doubles import FixedClock
from .in_process import NOW_S, keys_of

SEED, HOME, TRANSFORMER = 7, 3, 11
LIMITS = TimeLimits(answer_s=3.0)
"""For meters that answer: on a busy machine they need it, on a quiet one nobody waits."""
PLANTED = TimeLimits(answer_s=0.3)
"""For meters with a planted defect, which may be silence."""


@asynccontextmanager
async def meters(*texts, make=None, hdlc=None):
    """The trial's meters, listening, with scenes played. Gives lab and port."""
    clock = FixedClock(float(NOW_S))
    shares = [Share(model=make)] if make else []
    calls = [scenes.parse(text) for text in texts]
    lab = build(town_named("trial", SEED, None, shares), now_s=clock.now(), calls=calls)
    bound, stop = asyncio.get_running_loop().create_future(), asyncio.Event()
    exchange = Exchange(lab=lab, clock=clock, hdlc=None if hdlc is None else HDLC)
    server = asyncio.create_task(serve(exchange, listener(0), bound.set_result, stop))
    try:
        yield lab, await bound
    finally:
        stop.set()
        await server


def conformed(*texts, make="is15959-d1", checks=None, keys=None, model=None, hdlc=None, **more):
    """The report, and the lab that was asked."""
    model = model or load_model(make)
    meter = TRANSFORMER if model.category == "D4" else HOME

    async def main():
        async with meters(*texts, make=make, hdlc=hdlc) as (lab, port):
            asked = {
                "now": lambda: float(NOW_S),
                "serial": identity.serial(SEED, meter),
                "limits": PLANTED if texts else LIMITS,
            } | more
            asked |= {"hdlc": hdlc}
            bench = bench_of(lab.town.host(meter), port, model, keys or keys_of(lab, meter), **asked)
            return await conform(bench, checks=checks), lab

    return uvloop.run(main())


def verdicts(report):
    """Names of the checks by verdict."""
    found = {verdict: set() for verdict in Verdict}
    for finding in report.findings:
        found[finding.verdict].add(finding.name)
    return found


def named(*parts):
    """The one check whose name holds each of the parts."""
    return [next(check for check in HDLC_CHECKS if part in check.name) for part in parts]


def failed(*texts, checks=None, **more):
    """Name to detail of every check that failed."""
    report, _ = conformed(*texts, checks=checks, **more)
    return {f.name: f.detail for f in report.findings if f.verdict is Verdict.FAILED}


@pytest.mark.parametrize("make", model_names())
def test_every_shipped_make_conforms(make):
    report, _ = conformed(make=make)
    found = verdicts(report)
    assert found[Verdict.FAILED] == set()
    quirks = {"capture-objects-refused": "the columns are those that the model lists"}
    declared = {quirks[quirk.value] for quirk in load_model(make).quirks if quirk.value in quirks}
    assert found[Verdict.NOT_APPLICABLE] == declared
    assert report.conforms


def test_every_check_has_a_sentence_of_its_own_and_a_clause():
    names = [check.name for check in HDLC_CHECKS]
    assert len(set(names)) == len(names) >= 55
    assert all(len(name.split()) > 3 for name in names)
    assert all(check.clause.startswith("IEC 62056-") for check in HDLC_CHECKS)


def test_nothing_is_written_and_nothing_is_invoked():
    model, changed = load_model("is15959-d1"), []

    async def main():
        async with meters() as (lab, port):
            lab.objects.set = lambda *asked: changed.append(asked)
            lab.objects.act = lambda *asked: changed.append(asked)
            bench = bench_of(
                lab.town.host(HOME), port, model, keys_of(lab, HOME), now=lambda: float(NOW_S), limits=LIMITS
            )
            return await conform(bench)

    assert uvloop.run(main()).conforms
    assert changed == []


def test_a_report_tells_the_octets_and_no_secret():
    report, lab = conformed()
    keys = keys_of(lab, HOME)
    octets = [
        part
        for finding in report.findings
        for exchange in finding.exchanges
        for part in (exchange.sent, exchange.received, exchange.sent_plain, exchange.received_plain)
    ]
    assert any(part.startswith(b"\x60") for part in octets)
    assert any(part.startswith(b"\xc0\x01") for part in octets)
    for secret in (keys.reader_secret, keys.setting_secret, keys.encryption_key, keys.authentication_key):
        assert not any(secret in part for part in octets)


def test_short_rows_are_found():
    found = failed("short-rows:meter=3")
    assert set(found) == {"every row has as many cells as there are capture objects"}
    assert "rows of [6, 7] cells" in found.popitem()[1]


def test_cells_with_a_tag_that_no_type_has_are_found():
    found = failed("wrong-tags:meter=3")
    assert "every row has as many cells as there are capture objects" in found
    assert {detail.split(":")[0] for detail in found.values()} == {"Malformed"}


def test_an_old_answer_sent_again_is_found():
    found = failed("replay:meter=3")
    assert found["the counter of the meter grows from answer to answer"].startswith("Replayed:")


def test_another_serial_is_found():
    found = failed("changed-serial:meter=3")
    assert set(found) == {"the meter shows the serial that the register of meters holds"}


def test_a_meter_that_hangs_up_within_a_long_answer_is_found():
    found = failed("reset-mid-block:meter=3")
    name = "a long value comes in numbered blocks and only the final one is the last"
    assert found[name] == "the meter closed the connection"


def test_more_rows_than_any_profile_has_are_found():
    name = "a profile holds no more rows than it has room for"
    found = failed("oversized:meter=3", checks=named(name))
    assert "than" in found[name]


def test_a_clock_in_the_year_2000_is_found():
    found = failed("year-2000:meter=3")
    assert "shows 2000-01-01" in found["the clock is set and within five minutes of ours"]


def test_null_cells_that_no_model_declares_are_found():
    found = failed("null-cells:meter=3")
    assert "cells are null" in found["no cell is null but where the model says so"]


@pytest.mark.parametrize("scene", ["hang:meter=3", "drip:meter=3:seconds=0.1", "late:meter=3:seconds=1"])
def test_a_meter_that_gives_no_whole_answer_is_given_up_after_three_checks(scene):
    report, _ = conformed(scene)
    found = verdicts(report)
    assert len(found[Verdict.FAILED]) == 3
    assert not report.conforms
    assert len(found[Verdict.NOT_APPLICABLE]) == len(CHECKS) - 3


def test_the_other_sign_of_the_deviation_is_told_as_such():
    model = replace(load_model("is15959-d1"), deviation_sign=DeviationSign.BLUE_BOOK)
    found = failed(checks=named("the clock is set"), model=model)
    assert "counts the other way" in found["the clock is set and within five minutes of ours"]


def test_a_meter_that_lists_other_columns_than_its_model_is_found():
    model = load_model("is15959-d1")
    other = replace(model.profiles["block-load"], obis=model.profiles["daily"].obis)
    model = replace(model, profiles={"block-load": other})
    assert failed(checks=named("the columns are those"), model=model)


def test_without_secrets_only_the_public_client_is_tried():
    report, _ = conformed(keys=MeterKeys())
    found = verdicts(report)
    assert found[Verdict.FAILED] == set()
    assert "a client that nobody knows is refused" in found[Verdict.PASSED]
    assert "a wrong password is refused" in found[Verdict.NOT_APPLICABLE]
