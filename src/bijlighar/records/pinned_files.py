"""The records as a task on another machine sees them: lists of files that were pinned, and no database.

A task reads the files it was given, runs the same code as ever, and writes new files under names of its attempt.
What that code would have committed is only noted; whoever pinned the lists commits it. An attempt that failed or
was overtaken leaves files without a row, which the next opening of the records removes.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Protocol

from bijlighar.cim.period import Period
from bijlighar.records.blocks import Blocks
from bijlighar.records.blocks_estimates import EstimateStore
from bijlighar.records.blocks_manifest import BlockFile, BlockManifest
from bijlighar.records.blocks_source import BlockSource
from bijlighar.records.files import Files
from bijlighar.records.manifest import Manifest, Pin
from bijlighar.records.segment import Segment
from bijlighar.records.segment_reader import SegmentReader


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """What a task is given: everything is a value that travels.

    ``owner``     name of the process that commits: files of a living owner are left alone by others
    ``data_dir``  the same folder on every machine
    ``segments``  in landing order; ``blocks`` of every kind and day that is needed, the newest generation first
    """

    owner: str
    data_dir: Path
    now_s: float
    generation: int
    segments: tuple[Segment, ...] = ()
    blocks: tuple[BlockFile, ...] = ()


@dataclass(kw_only=True)
class Changes:
    """What is to be committed: blocks that take the place of others, and blocks that stand as they are.

    ``confirmed`` pairs of a block and the generation of the segments that changed nothing in it.
    """

    new: list[BlockFile] = field(default_factory=list)
    old: list[BlockFile] = field(default_factory=list)
    confirmed: list[tuple[BlockFile, int]] = field(default_factory=list)

    def add(self, other: Changes) -> None:
        """Have what another asks for committed too."""
        self.new += other.new
        self.old += other.old
        self.confirmed += other.confirmed


class PinnedBlocks(BlockManifest):
    """Answers as the blocks' manifest does, from a list, and notes what is to be committed."""

    def __init__(self, blocks: Sequence[BlockFile]) -> None:  # no database: nothing else is asked of it
        self._blocks = blocks
        self.changes = Changes()

    def blocks(
        self,
        kind: str,
        first: date,
        last: date,
        *,
        meter_id: int | None = None,
        generation: int | None = None,
    ) -> list[BlockFile]:
        """As the manifest; an older ``generation`` was not pinned."""
        assert generation is None, "a task sees one generation"
        return [
            block
            for block in self._blocks
            if block.kind == kind
            and block.last_day >= first
            and block.first_day <= last
            and (meter_id is None or block.meter_min <= meter_id <= block.meter_max)
        ]

    def commit(self, new: Sequence[BlockFile], old: Sequence[BlockFile] = (), *, now_s: int) -> int:  # noqa: ARG002
        """Note it."""
        self.changes.add(Changes(new=list(new), old=list(old)))
        return 0

    def confirm(self, blocks: Sequence[BlockFile], segments_generation: int) -> None:
        """Note it."""
        self.changes.confirmed += [(block, segments_generation) for block in blocks]

    def known_files(self) -> dict[str, int]:
        """What is known of files here: nothing was committed."""
        return {}

    def forget(self, block: BlockFile, *, now_s: int) -> None:
        """A damaged block is told by its exception; whoever commits has the manifest forget it."""


class PinnedSegments(Manifest):
    """Answers as the segments' manifest does, from a list."""

    def __init__(self, generation: int, segments: Sequence[Segment]) -> None:
        self._generation = generation
        self._segments = segments

    def pin(
        self,
        kind: str,
        *,
        period: Period | None = None,
        meters: tuple[int, int] | None = None,
        generation: int | None = None,
        after_generation: int | None = None,
    ) -> Pin:
        """As the manifest."""
        assert generation is None, "a task sees one generation"

        def is_wanted(each: Segment) -> bool:
            return (
                each.kind == kind
                and (period is None or (each.start_max_s >= period.start_s and each.start_min_s < period.end_s))
                and (meters is None or (each.meter_min <= meters[1] and each.meter_max >= meters[0]))
                and (after_generation is None or each.generation > after_generation)
            )

        return Pin(generation=self._generation, segments=tuple(filter(is_wanted, self._segments)))


class DayRecords(Protocol):
    """What the day's work asks of records, be they whole or pinned."""

    @property
    def blocks(self) -> Blocks:
        """Sealed blocks."""

    @property
    def estimates(self) -> EstimateStore:
        """What was estimated."""

    @property
    def block_source(self) -> BlockSource:
        """Landed block loads, dealt out to buckets."""


class PinnedRecords:
    """The part of ``Records`` that a day's work asks, over pinned lists. ``changes`` tells what it did."""

    def __init__(self, pinned: Pinned) -> None:
        folder = pinned.data_dir
        self._manifest = PinnedBlocks(pinned.blocks)
        self.blocks = Blocks(
            self._manifest,
            Files(folder / "blocks"),
            f"{pinned.owner}-a{secrets.token_hex(6)}",  # of this attempt alone
            now=lambda: pinned.now_s,
            wall=lambda: pinned.now_s,
        )
        self.estimates = EstimateStore(self.blocks)
        self.block_source = BlockSource(
            PinnedSegments(pinned.generation, pinned.segments),
            SegmentReader(folder / "segments"),
            examine=lambda _file: False,
        )

    @property
    def changes(self) -> Changes:
        """What is to be committed."""
        return self._manifest.changes


def commit(blocks: Blocks, changes: Changes) -> None:
    """Have what tasks did count, in one transaction.

    Raises Superseded when a block was replaced meanwhile, Unavailable; then nothing is changed and the files that
    the tasks wrote are removed.
    """
    if changes.new:
        blocks.put_written(changes.new, changes.old)
    for generation in sorted({generation for _, generation in changes.confirmed}):
        same = [block for block, seen in changes.confirmed if seen == generation]
        blocks.manifest.confirm(same, generation)
