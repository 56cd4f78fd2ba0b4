"""The city's benchmark on a handful of homes: everything lands, is compared, and what is lost is told as lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benches import city
from benches.__main__ import main
from benches.city_town import DAY, RING, SEED, START_S, compare, enrol, slots_of
from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.readings import ReadingBatch
from bijlighar.records import Records
from meterlab.calendar import SLOT_S, midnight_s
from meterlab.city import city as city_of
from meterlab.lab import build

HOMES = 24


def test_a_small_city_is_read_and_nothing_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    told = city.run(meters=HOMES, sample=20).as_dict()
    town = city_of(SEED, HOMES)
    assert (told["meters"], told["headends"]) == (len(town), city.HEADENDS)
    assert told["rows"] == int(slots_of(town).sum())
    assert told["lost"] == 0
    assert told["values_compared"] > HOMES * 48
    assert told["outcomes"] == {"ok": len(town)}
    assert {"wall_s", "cpu_us_per_meter", "simulator_cpu_share", "rss_mb", "simulator_us_per_session"} <= set(told)
    assert {"machine", "versions", "input", "command"} <= set(told)
    assert told["goals"]["lost"] == {"limit": 0, "measured": 0, "met": True}
    assert "comparing" in capsys.readouterr().err


def test_what_never_landed_landed_twice_or_landed_wrong_is_told(tmp_path: Path) -> None:
    town = city_of(SEED, HOMES)
    enrol(town, tmp_path, 4059)
    expected = int(slots_of(town).sum())
    nothing = compare(town, tmp_path, [])
    assert (nothing.expected, nothing.landed, nothing.lost) == (expected, 0, expected)

    single = int(np.flatnonzero(town.phase[:HOMES] != 3)[0])
    registers = build(town, now_s=float(START_S)).objects.source.registers
    edges_s = midnight_s(DAY) + np.arange(49) * SLOT_S
    coarser = 10 if town.model_name(single) != "d1-12-columns" else 1
    energy = np.diff(registers.import_wh(single, edges_s) // coarser) * coarser
    energy[7] += 1
    batch = ReadingBatch(
        kind=ProfileKind.BLOCK_LOAD,
        period_s=SLOT_S,
        meter_id=np.full(48, single + 1, np.int32),
        start_s=edges_s[:-1],
        received_s=np.full(48, START_S),
        channels={"import_wh": energy},
    )
    with Records(None, tmp_path, now=lambda: float(START_S)) as records:
        records.landing.land([batch], [], [])
    some = compare(town, tmp_path, [])
    assert (some.landed, some.missing, some.values, some.wrong) == (48, expected - 48, 48, 1)


@pytest.mark.parametrize("option", ["--meters", "--headends"])
def test_a_number_of_homes_or_head_ends_is_for_the_city_only(
    capsys: pytest.CaptureFixture[str], option: str
) -> None:
    with pytest.raises(SystemExit):
        main(["decode", option, "5"])
    assert option in capsys.readouterr().err
    assert repr(RING) == "Keyring(hidden)"
