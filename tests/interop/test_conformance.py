"""The conformance suite on a meter that nobody here wrote: what it fails is the simulator's own, known by name."""

from dataclasses import replace

import pytest
import uvloop

from bijlighar.dlms.association import Mechanism
from bijlighar.dlms.models import load_model
from bijlighar.dlms.obis import Obis
from bijlighar.headend.conformance import Verdict, bench_of, conform
from bijlighar.headend.keys import MeterKeys
from bijlighar.headend.octet_gateway import hdlc_line
from bijlighar.headend.session import TimeLimits
from interop import foreign
from interop.processes import foreign_meter

pytestmark = pytest.mark.interop

COUNTER = "0.0.43.1.2.255"
KEYS = MeterKeys(
    encryption_key=foreign.ENCRYPTION_KEY,
    authentication_key=foreign.AUTHENTICATION_KEY,
    reader_secret=foreign.PASSWORD,
    setting_secret=foreign.HLS_SECRET,
)
DEPARTURES = {
    "there is one association at a time": "two associations are open at once",
    "a wrong block number is refused": "it was served",
    "a request longer than the meter can receive is refused": "it was served",
}
"""What pydlms' simulator does otherwise than the clauses say."""

OF_ITS_LINK = {
    "a question said twice is answered once": "the same I frame again is answered by REJ",
    "an answer that did not arrive is said again": "the meter is polled for 3 s and says nothing",
    "a question without a call is not served": "a question without a link is answered by I",
    "a leave is answered and then nothing is served": "a question without a link is answered by I",
}
"""And over HDLC: it rejects what it knows, says no answer twice, and serves whoever did not call."""


def model():
    """The foreign meter's: the block load alone, GMAC for the setting client, one counter for all clients."""
    d1 = load_model("is15959-d1")
    setting = replace(d1.associations["setting"], mechanism=Mechanism.HLS_GMAC, counter_obis=Obis.parse(COUNTER))
    return replace(
        d1,
        associations={**d1.associations, "setting": setting},
        profiles={"block-load": d1.profiles["block-load"]},
    )


@pytest.mark.parametrize("window", [0, 3])
def test_a_foreign_meter_passes_but_for_its_known_departures(tmp_path, window):
    departures = DEPARTURES | OF_ITS_LINK if window else DEPARTURES
    with foreign_meter(foreign.description(counter=COUNTER, hdlc_window=window), tmp_path) as meter:
        bench = bench_of(
            "127.0.0.1",
            meter.port,
            model(),
            KEYS,
            now=lambda: foreign.stamp(60).timestamp(),
            serial="MMM0000001",
            limits=TimeLimits(connect_s=5, answer_s=3 if window else 5),
            hdlc=hdlc_line(1, answer_s=3) if window else None,
        )
        report = uvloop.run(conform(bench))
    failed = {finding.name: finding.detail for finding in report.findings if finding.verdict is Verdict.FAILED}
    clock = failed.pop("the clock is set and within five minutes of ours")
    assert clock.startswith("the clock shows 2024-06-01")  # it stands where the simulator was started
    assert set(failed) == set(departures)
    assert all(failed[name].startswith(detail) for name, detail in departures.items())
    assert report.count(Verdict.PASSED) > (45 if window else 35)
    invoked = {request[3:12] for request in meter.requests if request[:1] == b"\xc3"}
    assert invoked == {bytes.fromhex("000f0000280000ff01")}  # nothing but the proofs of HLS
    assert not [request for request in meter.requests if request[:1] == b"\xc1"]
