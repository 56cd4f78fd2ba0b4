"""Estimates on disk: one file a day, bucket and block length, that holds every version of every estimate.

A file that takes the place of another holds all that the other held: nothing is ever taken out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.measurements import KeptEstimates
from bijlighar.records.arrow_columns import integers, words
from bijlighar.records.blocks import Blocks
from bijlighar.records.blocks_manifest import ESTIMATES, BlockFile

ESTIMATE_KEYS = ("meter_id", "start_s", "channel", "value", "quality", "rule", "rule_version", "made_s")

_SMALL = ("quality", "rule", "rule_version")


@dataclass(frozen=True, kw_only=True)
class EstimateFile:
    """Estimates by channel, and the file they come from; None when nothing was ever estimated there."""

    by_channel: dict[str, KeptEstimates]
    file: BlockFile | None


def joined(one: KeptEstimates, other: KeptEstimates) -> KeptEstimates:
    """The estimates of both, those of ``other`` after those of ``one``."""
    names = KeptEstimates.__dataclass_fields__
    return KeptEstimates(**{name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in names})


class EstimateStore:
    """Reads and adds estimates, in the folder and manifest of the blocks."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    def read(self, day: date, bucket: int, period_s: int, *, generation: int | None = None) -> EstimateFile:
        """What was estimated for a day of a bucket. Raises BlockDamaged, Unavailable."""
        for file in self._blocks.manifest.blocks(ESTIMATES, day, day, generation=generation):
            if (file.bucket, file.period_s) == (bucket, period_s):
                with self._blocks.opened(file) as opened:
                    return EstimateFile(by_channel=_by_channel(opened.read(use_threads=False)), file=file)
        return EstimateFile(by_channel={}, file=None)

    def of_meter(self, meter_id: int, first: date, last: date, channel: str) -> list[KeptEstimates]:
        """Estimates for one meter's days, both ends included, by file. Raises BlockDamaged, Unavailable."""
        found = []
        for file in self._blocks.manifest.blocks(ESTIMATES, first, last, meter_id=meter_id):
            with self._blocks.opened(file) as opened:
                mine = (pc.field("meter_id") == meter_id) & (pc.field("channel") == channel)
                table = opened.read(use_threads=False).filter(mine)
            found += list(_by_channel(table).values())
        return found

    def add(
        self, day: date, bucket: int, period_s: int, standing: EstimateFile, fresh: dict[str, KeptEstimates]
    ) -> None:
        """Keep new estimates beside those that stand. Raises Superseded when others do meanwhile; Unavailable."""
        every = dict(standing.by_channel)
        for channel, estimates in fresh.items():
            every[channel] = joined(every[channel], estimates) if channel in every else estimates
        table = _table(every)
        octets = _encoded(table)
        meters = integers(table["meter_id"])
        file = BlockFile(
            block_id=self._blocks.new_id(),
            kind=ESTIMATES,
            period_s=period_s,
            bucket=bucket,
            first_day=day,
            last_day=day,
            rows=table.num_rows,
            meter_min=int(meters.min(initial=0)),
            meter_max=int(meters.max(initial=0)),
            octets=octets.size,
            sha256=hashlib.sha256(octets).hexdigest(),
            steps={},
            sealed_s=self._blocks.now_s(),
            segments_generation=0,
            network_version=0,
        )
        self._blocks.put_file(file, octets, [] if standing.file is None else [standing.file])


def _table(every: dict[str, KeptEstimates]) -> pa.Table:
    parts = []
    for channel, kept in sorted(every.items()):
        columns: dict[str, object] = {
            "meter_id": pa.array(kept.meter_id, type=pa.int32()),
            "start_s": pa.array(kept.start_s),
            "channel": pa.array([channel] * len(kept), type=pa.string()),
            "value": pa.array(kept.value, mask=kept.value == MISSING),
            **{name: pa.array(getattr(kept, name), type=pa.int16()) for name in _SMALL},
            "made_s": pa.array(kept.made_s),
        }
        parts.append(pa.table({name: columns[name] for name in ESTIMATE_KEYS}))
    return pa.concat_tables(parts)


def _encoded(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    numbers = ("meter_id", "start_s", "value", *_SMALL, "made_s")
    pq.write_table(
        table,
        sink,
        compression="zstd",
        use_dictionary=["channel"],  # type: ignore[arg-type]  # the stubs know only bool, Arrow takes names
        column_encoding=dict.fromkeys(numbers, "DELTA_BINARY_PACKED"),
        write_page_checksum=True,
    )
    return sink.getvalue()


def _by_channel(table: pa.Table) -> dict[str, KeptEstimates]:
    channel = words(table["channel"])

    def column(name: str, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        return integers(table[name])[chosen]

    result = {}
    for name in sorted(set(channel.tolist())):
        chosen = np.asarray(channel == name, dtype=bool)
        result[name] = KeptEstimates(
            meter_id=column("meter_id", chosen).astype(np.int32),
            start_s=column("start_s", chosen),
            value=column("value", chosen),
            quality=column("quality", chosen).astype(np.int16),
            rule=column("rule", chosen).astype(np.int16),
            rule_version=column("rule_version", chosen).astype(np.int16),
            made_s=column("made_s", chosen),
        )
    return result
