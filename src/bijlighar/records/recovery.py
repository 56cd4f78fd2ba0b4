"""Tidying after processes that died, at every opening and whenever asked.

A whole file without a manifest row was not acknowledged; its rows are adopted, because the head-end may have
gone before it could land them again. Only a file with rows of pushes is set aside under another name: the
counters that admitted them died with their commit, and the meter repeats its push. A file that was still being
written is removed. An acknowledged segment whose file is gone or has another size is a loss: it is marked,
alarmed, and no longer counted as held, so that the head-end reads those rows from the meters again. All of this
can run twice, and while other processes land.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select, update

from bijlighar.cim.exchange import Unavailable
from bijlighar.records import tables
from bijlighar.records.database import Database, next_number
from bijlighar.records.files import TEMPORARY, Files, is_alive, unavailable_when_disk_refuses
from bijlighar.records.manifest import Manifest
from bijlighar.records.segment import Segment, describe, of_pushes

SET_ASIDE = ".unadmitted"
"""Behind the name of a file whose rows do not count and that is kept for an engineer to look at."""

_kept = tables.segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What was found.

    ``unreadable`` files that nobody acknowledged and nobody can read; they are left; ``set_aside`` files that were
    not acknowledged and hold rows of pushes
    """

    adopted: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    found_again: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()


class _OfPushes(Exception):
    """A whole file without a manifest row holds rows of pushes."""


class Recovery:
    """Compares the segments' folder, ``files``, with the manifest. ``now`` gives epoch seconds."""

    def __init__(
        self, database: Database, manifest: Manifest, files: Files, owners: Path, now: Callable[[], float]
    ) -> None:
        self._database = database
        self._manifest = manifest
        self._files = files
        self._root = files.root
        self._owners = owners
        self._now = now

    def recover(self, *, contents: bool = False) -> Recovered:
        """Tidy up. ``contents`` also reads every file and compares its SHA-256. Raises Unavailable."""
        known = self._known()  # before the listing: whatever is landed meanwhile is then no orphan of a dead owner
        present, partial = self._listing()
        living = _Living(self._owners)
        living.forget_the_dead()
        removed = [name for name in partial if not living.is_alive(name)]
        for name in removed:
            (self._root / name).unlink(missing_ok=True)
        orphans = [name for name in present if name not in known and not living.is_alive(name)]
        adopted, unreadable, set_aside = self._adopt(orphans)
        lost, found_again = self._compare(known, present, contents=contents)
        return Recovered(
            adopted=tuple(adopted),
            removed=tuple(removed),
            lost=tuple(lost),
            found_again=tuple(found_again),
            unreadable=tuple(unreadable),
            set_aside=tuple(set_aside),
        )

    def examine(self, file: str) -> bool:
        """Look at a file that could not be read; True when it is lost, which is marked. Raises Unavailable."""
        query = select(_kept.c.octets, _kept.c.sha256).where(_kept.c.file == file)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            return False
        reason = self._fault(file, row.octets, row.sha256)
        return reason is not None and self._mark(file, reason)

    def _known(self) -> dict[str, tuple[int, str, bool]]:
        """Octets, SHA-256 and "is lost" of every segment by file, retired ones too."""
        query = select(_kept.c.file, _kept.c.octets, _kept.c.sha256, _kept.c.lost_s)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return {file: (octets, sha256, lost_s is not None) for file, octets, sha256, lost_s in rows}

    def _listing(self) -> tuple[dict[str, int], list[str]]:
        """Octets of each segment file, and names of files that were being written."""
        present: dict[str, int] = {}
        partial: list[str] = []
        for path in _files(self._root):
            name = path.relative_to(self._root).as_posix()
            if name.endswith(TEMPORARY):
                partial.append(name)
            elif name.endswith(".parquet"):
                try:
                    present[name] = path.stat().st_size
                except FileNotFoundError:
                    continue  # swept by a compaction since it was listed
        return present, partial

    def _adopt(self, orphans: list[str]) -> tuple[list[str], list[str], list[str]]:
        segments: list[Segment] = []
        unreadable: list[str] = []
        set_aside: list[str] = []
        for name in sorted(orphans):
            try:
                segments.append(self._describe(name))
            except _OfPushes:
                with contextlib.suppress(FileNotFoundError):  # another opening was quicker
                    (self._root / name).rename(self._root / f"{name}{SET_ASIDE}")
                set_aside.append(name)
            except (pa.ArrowException, OSError, KeyError, ValueError):
                unreadable.append(name)
        if segments:
            self._make_durable(segments)
            self._manifest.commit(segments)
        return [segment.file for segment in segments], unreadable, set_aside

    def _make_durable(self, segments: list[Segment]) -> None:
        """Its process may have died between giving a file its name and making that name outlive a power cut."""
        with unavailable_when_disk_refuses():
            for folder in sorted({(self._root / segment.file).parent for segment in segments}):
                self._files.sync_folder(folder)

    def _describe(self, name: str) -> Segment:
        octets = pa.py_buffer((self._root / name).read_bytes())
        table = pq.read_table(pa.BufferReader(octets), page_checksum_verification=True)
        if of_pushes(table):
            raise _OfPushes
        path = Path(name)
        day = date.fromisoformat(path.parent.name)
        segment = describe(table, octets, segment_id=path.stem, day=day, landed_s=int(self._now()))
        if segment.file != name:
            raise ValueError(f"{name} holds {segment.kind}")
        return segment

    def _compare(
        self, known: dict[str, tuple[int, str, bool]], present: dict[str, int], *, contents: bool
    ) -> tuple[list[str], list[str]]:
        lost: list[str] = []
        found_again: list[str] = []
        for file, (octets, sha256, was_lost) in known.items():
            suspect = was_lost or present.get(file) != octets
            if not suspect and not contents:
                continue
            reason = self._fault(file, octets, sha256)
            if reason is not None and not was_lost and self._mark(file, reason):
                lost.append(file)
            elif reason is None and was_lost:
                self._unmark(file)
                found_again.append(file)
        return lost, found_again

    def _fault(self, file: str, octets: int, sha256: str) -> str | None:
        try:
            content = (self._root / file).read_bytes()
        except FileNotFoundError:
            return "the file is missing"
        except OSError as fault:
            if fault.errno != errno.EIO:
                raise Unavailable(f"a file of the readings cannot be opened: {fault.strerror}") from fault
            return "the disk cannot read the file"
        if len(content) != octets:
            return f"the file has {len(content)} octets instead of {octets}"
        if hashlib.sha256(content).hexdigest() != sha256:
            return "the file's content has changed"
        return None

    def _mark(self, file: str, reason: str) -> bool:
        """Mark a loss; False when the segment was retired, which may take its file away."""
        stands = (_kept.c.file == file) & _kept.c.retired_generation.is_(None)
        values = {"lost_s": int(self._now()), "lost_reason": reason}
        with self._database.write() as connection:
            next_number(connection, "manifest")
            return connection.execute(update(_kept).where(stands).values(values)).rowcount == 1

    def _unmark(self, file: str) -> None:
        """A file came back (a disk was mounted late): its rows count again, from a generation of their own."""
        with self._database.write() as connection:
            generation = next_number(connection, "manifest")
            values = {"lost_s": None, "lost_reason": None, "generation": generation}
            connection.execute(update(_kept).where(_kept.c.file == file).values(values))


class _Living:
    """Asks once per owner whether it lives."""

    def __init__(self, owners: Path) -> None:
        self._owners = owners
        self._answers: dict[str, bool] = {}

    def forget_the_dead(self) -> None:
        """Remove what processes that were killed left in the owners' folder."""
        for file in sorted(self._owners.glob("*.alive")):
            self._answers[file.stem] = is_alive(self._owners, file.stem)

    def is_alive(self, name: str) -> bool:
        """True when the owner of a segment file or of a file being written still runs."""
        owner = "-".join(Path(name).name.split("-")[:2])
        if owner not in self._answers:
            self._answers[owner] = is_alive(self._owners, owner)
        return self._answers[owner]


def _files(root: Path) -> Iterator[Path]:
    """Files at ``<kind>/<day>/<file>``."""
    for kind in sorted(path for path in root.iterdir() if path.is_dir()):
        for day in sorted(path for path in kind.iterdir() if path.is_dir()):
            yield from (path for path in day.iterdir())
