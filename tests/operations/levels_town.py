"""A mohalla of sixty meters on three towers, read each half hour, as landed rows and contacts; tests spoil it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.period import Period, civil_date
from bijlighar.cim.readings import ReadingBatch
from bijlighar.records import Records

MIDNIGHT = 1_780_252_200  # 2026-06-01 00:00 in Kolkata
HOUR, DAY_S = 3600, 86_400
METERS, TOWERS = 60, 3
PERIOD = Period(start_s=MIDNIGHT, end_s=MIDNIGHT + DAY_S)
DAY = civil_date(MIDNIGHT)
MAKERS = ("Alpha", "Beta", "Gamma")


def tower(meter: int) -> int:
    """The tower of a meter, both counted from 0."""
    return meter // (METERS // TOWERS)


def write_registry(folder: Path) -> Path:
    """Two divisions, six feeders, twelve transformers of five meters, three makes side by side."""
    folder.mkdir()
    meters = range(METERS)
    sheets = {
        "divisions": ["code,name,name_hi", "D1,Bijlighar Parade,बिजलीघर परेड", "D2,Jajmau,जाजमऊ"],
        "substations": ["code,name,division", "S1,Parade 33/11,D1", "S2,Jajmau 33/11,D2"],
        "feeders": ["code,name,substation,limit_a"]
        + [f"F{n},Feeder {n},{'S1' if n < 4 else 'S2'},200" for n in range(6)],
        "transformers": ["code,name,feeder,rating_kva,latitude,longitude"]
        + [f"T{n:02},Transformer {n},F{n // 2},100,26.4,80.3" for n in range(12)],
        "usage_points": ["code,kind,name,transformer,phase,sanctioned_load_w,address,latitude,longitude"]
        + [f"U{n},consumer,Home {n},T{n // 5:02},R,2000,Parade,26.4,80.3" for n in meters],
        "meters": ["serial,system_title,category,model,usage_point,host,port,group,maker"]
        + [
            f"ML{n:04},424A4C{n:010X},D1,is15959-d1,U{n},127.16.0.{n + 1},4059,tower-{tower(n)},{MAKERS[n % 3]}"
            for n in meters
        ],
    }
    for name, lines in sheets.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@dataclass
class Reading:
    """A day and the morning after: what each visit came to, half hour by half hour, for 32 hours."""

    outcome: np.ndarray = field(default_factory=lambda: np.full((METERS, 64), Outcome.OK, dtype=object))
    extra: list[ReadingBatch] = field(default_factory=list)

    def spoil(self, meters: slice | list[int], hours: slice, outcome: Outcome = Outcome.NO_ANSWER) -> None:
        """Visits of these meters in these hours come to nothing."""
        self.outcome[meters, hours.start * 2 : hours.stop * 2] = outcome

    def land(self, records: Records) -> None:
        """Land what a head-end would have: each visit that succeeds brings every block since the last one."""
        batches, contacts = list(self.extra), []
        for meter in range(METERS):
            begun = 0
            for half in range(64):
                at_s = MIDNIGHT + half * 1800 + 60
                result = Outcome(self.outcome[meter, half])
                contacts.append(
                    Contact(
                        meter_id=meter + 1,
                        started_ms=at_s * 1000,
                        purpose="block-load",
                        outcome=result,
                        signal_dbm=-80 if result is Outcome.OK else None,
                        clock_offset_ms=400 if result is Outcome.OK else None,
                    )
                )
                if result is not Outcome.OK:
                    continue
                batches += rows_of_visit(meter + 1, begun, half, at_s)
                begun = half
        records.landing.land(joined(batches), contacts)


def rows_of_visit(meter_id: int, begun: int, half: int, at_s: int) -> list[ReadingBatch]:
    """What a visit in half hour ``half`` brings of a meter last read in ``begun``: blocks, values, a midnight."""
    starts = [MIDNIGHT + block * 1800 for block in range(begun, half)]
    found = [_batch(ProfileKind.BLOCK_LOAD, meter_id, starts, at_s, 1800)] if starts else []
    found.append(_batch(ProfileKind.INSTANTANEOUS, meter_id, [at_s], at_s))
    if begun < 48 <= half:
        found.append(_batch(ProfileKind.DAILY, meter_id, [PERIOD.end_s], at_s))
    return found


def _batch(kind: ProfileKind, meter_id: int, starts: list[int], at_s: int, period_s: int = 0) -> ReadingBatch:
    rows = len(starts)
    return ReadingBatch(
        kind=kind,
        period_s=period_s,
        meter_id=np.full(rows, meter_id, np.int32),
        start_s=np.array(starts, np.int64),
        received_s=np.full(rows, at_s, np.int64),
        channels={"import_wh": np.full(rows, 100, np.int64)},
    )


def joined(batches: list[ReadingBatch]) -> list[ReadingBatch]:
    """The rows of all batches, one batch a kind and block length."""
    kinds: dict[tuple[ProfileKind, int], list[ReadingBatch]] = {}
    for batch in batches:
        kinds.setdefault((batch.kind, batch.period_s), []).append(batch)
    return [
        ReadingBatch(
            kind=kind,
            period_s=period_s,
            meter_id=np.concatenate([each.meter_id for each in some]),
            start_s=np.concatenate([each.start_s for each in some]),
            received_s=np.concatenate([each.received_s for each in some]),
            channels={name: np.concatenate([each.channels[name] for each in some]) for name in some[0].channels},
        )
        for (kind, period_s), some in kinds.items()
    ]
