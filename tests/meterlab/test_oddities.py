"""Oddities of makes as virtual meters have them, where no shipped model shows them."""

from dataclasses import replace

import pytest

from bijlighar.dlms.clock import encode_instant
from bijlighar.dlms.errors import RemoteProtocolError
from bijlighar.dlms.model import Quirk
from bijlighar.dlms.models import load_model
from bijlighar.dlms.xdlms import RangeSelection
from meterlab.plans import ModelPlan
from meterlab.selection import asked

MIDNIGHT = 1_763_836_200  # 2025-11-23 00:00 in Kolkata


def test_counters_are_kept_from_the_public_client():
    plan = ModelPlan.of(replace(load_model("is15959-d1"), quirks=frozenset({Quirk.COUNTER_NOT_PUBLIC})))
    counter = (1, load_model("is15959-d1").associations["reader"].counter_obis.octets)
    assert "public" not in plan.rights[counter]
    assert "reader" in plan.rights[counter]


def test_whole_local_days_and_nothing_else():
    by_day = replace(load_model("is15959-d1"), quirks=frozenset({Quirk.RANGE_BY_DAY}))
    profile = by_day.profiles["block-load"]

    def rows_asked(begin_s, end_s):
        start, end = (encode_instant(at, by_day.deviation_sign) for at in (begin_s, end_s))
        return asked(ModelPlan.of(by_day), profile, RangeSelection(start=start, end=end))

    for end_s in (MIDNIGHT + 86_399, MIDNIGHT + 86_400):
        assert (rows_asked(MIDNIGHT, end_s).begin_s, rows_asked(MIDNIGHT, end_s).end_s) == (MIDNIGHT, end_s)
    for begin_s, end_s in ((MIDNIGHT + 60, MIDNIGHT + 86_400), (MIDNIGHT, MIDNIGHT + 3600)):
        with pytest.raises(RemoteProtocolError, match="whole local days"):
            rows_asked(begin_s, end_s)
