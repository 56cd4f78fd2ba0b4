"""Disk full, read-only, locked, truncated, orphaned: a clear word, and nothing lost."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.exchange import SealedKeys, Unavailable
from bijlighar.cim.period import Period
from bijlighar.records import Records
from bijlighar.records.database import Database
from bijlighar.records.files import TEMPORARY, Files, Owner, is_alive
from bijlighar.records.manifest import Manifest
from bijlighar.records.segment import SegmentDamaged

ALWAYS = Period(start_s=0, end_s=2**40)
BLOCKS = ProfileKind.BLOCK_LOAD


class FaultyFiles(Files):
    """Refuses with ``fault`` at the call named ``at`` while ``fault`` is set."""

    fault = 0
    at = "write"

    def _refuse(self, name: str) -> None:
        if self.fault and self.at == name:
            raise OSError(self.fault, os.strerror(self.fault))

    def write(self, path: Path, octets: bytes | memoryview) -> None:
        if self.fault and self.at == "write":
            path.write_bytes(octets[: len(octets) // 2])  # as much as there was room for
        self._refuse("write")
        super().write(path, octets)

    def rename(self, source: Path, target: Path) -> None:
        self._refuse("rename")
        super().rename(source, target)

    def sync_folder(self, folder: Path) -> None:
        self._refuse("sync_folder")
        super().sync_folder(folder)


@contextmanager
def _locked(url: str) -> Iterator[None]:
    """Somebody else holds the database's write lock."""
    engine = create_engine(url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("LOCK TABLE sequences IN EXCLUSIVE MODE")
        yield
        connection.rollback()
    engine.dispose()


def _segments(tmp_path: Path) -> list[Path]:
    return sorted(path for path in tmp_path.glob("segments/*/*/*") if path.is_file())


@pytest.mark.parametrize("at", ["write", "rename", "sync_folder"])
@pytest.mark.parametrize(
    ("fault", "reason"), [(errno.ENOSPC, "full"), (errno.EROFS, "read-only"), (errno.EIO, "error")]
)
def test_a_disk_that_refuses_acknowledges_nothing_and_goes_on_when_there_is_room(
    records_url: str, tmp_path: Path, block_load, at: str, fault: int, reason: str
) -> None:
    faulty: list[FaultyFiles] = []

    def files(root: Path) -> Files:
        faulty.append(FaultyFiles(root))
        return faulty[0]

    with Records(records_url, tmp_path, files=files) as records:
        batch = block_load(range(1, 3), range(4))
        faulty[0].fault, faulty[0].at = fault, at
        for _ in range(3):
            with pytest.raises(Unavailable, match=reason):
                records.landing.land([batch], [])
        assert _segments(tmp_path) == []
        assert records.readings.pin(BLOCKS).segments == ()
        assert records.alarms()[0].code == "readings-not-stored"
        faulty[0].fault = 0
        records.landing.land([batch], [])
        assert records.alarms() == []
        assert len(records.readings.table(BLOCKS, None, ALWAYS)) == 8


FILL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[3]).parent))
from writer import batch
from bijlighar.cim.exchange import SealedKeys, Unavailable
from bijlighar.records import Records
with Records(sys.argv[1], Path(sys.argv[2])) as records:
    records.landing.land([batch(0)], [])
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, resource.RLIM_INFINITY))
    try:
        records.landing.land([batch(1)], [])
    except Unavailable as refusal:
        print(refusal.reason)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    records.landing.land([batch(2)], [])
"""


def test_the_kernel_refusing_to_write_is_told_and_outlived(records_url: str, tmp_path: Path) -> None:
    writer = Path(__file__).with_name("writer.py")
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", FILL, records_url, str(tmp_path), str(writer)]
    told = subprocess.run(command, capture_output=True, env=environment, check=False, timeout=60)
    assert told.returncode == 0, told.stderr.decode()
    assert told.stdout.decode().strip() == "the disk of the readings takes no file of this size"
    with Records(records_url, tmp_path) as records:
        assert set(records.readings.held(BLOCKS, ALWAYS)[1].tolist()) == {0, 3600}
        assert records.recovered.removed == records.recovered.adopted == ()


def test_a_locked_database_acknowledges_nothing_and_is_outlived(
    records: Records, records_url: str, tmp_path: Path, block_load
) -> None:
    batch = block_load(range(1, 3), range(4))
    with _locked(records_url):
        for _ in range(3):
            with pytest.raises(Unavailable, match="database"):
                records.landing.land([batch], [])
        assert len(_segments(tmp_path)) == 1, "however often it is tried, the disk of one call"
        assert records.readings.pin(BLOCKS).segments == ()
        assert "readings-not-stored" in {alarm.code for alarm in records.alarms()}
        with pytest.raises(Unavailable, match="database"):
            records.keys.put_sealed_keys([SealedKeys(meter_id=1, sealed=b"")])
    records.landing.land([batch], [])
    assert len(records.readings.table(BLOCKS, None, ALWAYS)) == 8
    assert records.alarms() == []


def test_a_commit_that_happened_but_was_not_told_doubles_nothing(
    records: Records, block_load, monkeypatch
) -> None:
    commit = records.manifest.commit

    def commit_then_fail(segments):
        commit(segments)
        raise Unavailable("the records database does not serve now")

    batch = block_load(range(1, 3), range(4))
    monkeypatch.setattr(records.manifest, "commit", commit_then_fail)
    with pytest.raises(Unavailable):
        records.landing.land([batch], [])
    monkeypatch.setattr(records.manifest, "commit", commit)
    records.landing.land([batch], [])
    assert len(records.readings.pin(BLOCKS).segments) == 2
    assert len(records.readings.table(BLOCKS, None, ALWAYS)) == 8


def test_an_orphan_of_a_dead_process_is_adopted_once(
    records_url: str, tmp_path: Path, block_load, monkeypatch
) -> None:
    with Records(records_url, tmp_path) as dying:

        def killed(_segments):
            raise KeyboardInterrupt

        monkeypatch.setattr(dying.manifest, "commit", killed)
        with pytest.raises(KeyboardInterrupt):
            dying.landing.land([block_load(range(1, 3), range(4))], [])
    with Records(records_url, tmp_path) as first:
        assert len(first.recovered.adopted) == 1
        assert len(first.readings.table(BLOCKS, None, ALWAYS)) == 8
        with Records(records_url, tmp_path) as second:
            assert second.recovered.adopted == ()
        assert first.check(contents=True).adopted == ()
        assert len(first.readings.pin(BLOCKS).segments) == 1


def test_the_name_of_an_orphan_outlives_a_power_cut_before_its_rows_count(
    records_url: str, tmp_path: Path, block_load, monkeypatch
) -> None:
    """Killed between the renaming and the synchronised folder: found by seed 6 of the simulation's storm."""
    done: list[str] = []

    class DyingFiles(Files):
        def sync_folder(self, folder: Path) -> None:
            if next(folder.glob("*.parquet"), None) is not None:
                raise KeyboardInterrupt

    class NotedFiles(Files):
        def sync_folder(self, folder: Path) -> None:
            super().sync_folder(folder)
            done.append(f"{folder.parent.name} synchronised")

    def noted(manifest: Manifest, *arguments: object) -> int:
        done.append("committed")
        return commit(manifest, *arguments)

    with Records(records_url, tmp_path, files=DyingFiles) as dying, pytest.raises(KeyboardInterrupt):
        dying.landing.land([block_load(range(1, 3), range(4))], [])
    commit = Manifest.commit
    monkeypatch.setattr(Manifest, "commit", noted)
    with Records(records_url, tmp_path, files=NotedFiles) as again:
        assert len(again.recovered.adopted) == 1
    assert done == ["block-load synchronised", "committed"]


def test_what_a_living_process_is_writing_is_left_alone(
    records: Records, records_url: str, tmp_path: Path, block_load
) -> None:
    records.landing.land([block_load(range(1, 2), range(1))], [])
    (segment,) = _segments(tmp_path)
    being_written = segment.with_name(f"{records._owner.name}-99999999.parquet{TEMPORARY}")
    being_written.write_bytes(b"PAR1")
    renamed = segment.with_name(f"{records._owner.name}-99999998.parquet")
    renamed.write_bytes(segment.read_bytes())
    with Records(records_url, tmp_path) as other:
        assert other.recovered.removed == other.recovered.adopted == ()
    records.close()
    with Records(records_url, tmp_path) as other:
        assert [Path(name).name for name in other.recovered.removed] == [being_written.name]
        assert [Path(name).name for name in other.recovered.adopted] == [renamed.name]


def test_a_foreign_file_is_neither_adopted_nor_removed(records_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "segments" / "block-load" / "2026-06-01"
    folder.mkdir(parents=True)
    (folder / "000001-deadbeef-00000001.parquet").write_bytes(b"PAR1 and then nothing")
    (folder / "notes.txt").write_text("hello")
    with Records(records_url, tmp_path) as records:
        assert len(records.recovered.unreadable) == 1
        assert [alarm.code for alarm in records.alarms()] == ["segment-unreadable"]
    assert len(list(folder.iterdir())) == 2


def _damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        middle = len(content) // 4
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["truncated", "missing"])
def test_a_lost_segment_is_found_at_opening_named_and_no_longer_held(
    records_url: str, tmp_path: Path, block_load, how: str
) -> None:
    with Records(records_url, tmp_path) as records:
        records.landing.land([block_load(range(1, 2), range(4))], [])
        records.landing.land([block_load(range(2, 3), range(4))], [])
    victim = _segments(tmp_path)[0]
    whole = victim.read_bytes()
    _damage(victim, how)
    with Records(records_url, tmp_path) as records:
        assert [Path(file).name for file in records.recovered.lost] == [victim.name]
        (alarm,) = records.alarms()
        assert alarm.code == "segment-lost"
        assert victim.name in alarm.detail
        assert set(records.readings.held(BLOCKS, ALWAYS)[0].tolist()) == {2}, "so it is read from the meter again"
        records.landing.land([block_load(range(1, 2), range(4))], [])
        assert set(records.readings.held(BLOCKS, ALWAYS)[0].tolist()) == {1, 2}
        victim.write_bytes(whole)
        assert len(records.check().found_again) == 1
        assert records.alarms() == []
        assert len(records.readings.table(BLOCKS, None, ALWAYS)) == 8


@pytest.mark.parametrize("how", ["truncated", "flipped", "missing"])
def test_a_segment_damaged_while_running_is_told_by_name_once_and_then_alarmed(
    records: Records, records_url: str, tmp_path: Path, block_load, how: str
) -> None:
    records.landing.land([block_load(range(1, 2), range(4))], [])
    (victim,) = _segments(tmp_path)
    _damage(victim, how)
    with pytest.raises(SegmentDamaged, match=victim.name):
        records.readings.table(BLOCKS, None, ALWAYS)
    assert len(records.readings.table(BLOCKS, None, ALWAYS)) == 0
    assert [alarm.code for alarm in records.alarms()] == ["segment-lost"]


def test_a_changed_octet_is_found_by_the_check_of_contents(records: Records, tmp_path: Path, block_load) -> None:
    records.landing.land([block_load(range(1, 2), range(4))], [])
    (victim,) = _segments(tmp_path)
    _damage(victim, "flipped")
    assert records.check().lost == ()
    assert len(records.check(contents=True).lost) == 1


def test_an_owner_lives_until_it_is_gone(tmp_path: Path) -> None:
    owner = Owner(tmp_path, 7)
    assert owner.name.startswith("000007-")
    assert is_alive(tmp_path, owner.name)
    owner.close()
    assert not is_alive(tmp_path, owner.name)
    assert not is_alive(tmp_path, "000001-nobody")


def test_a_database_that_does_not_serve_is_an_alarm(records: Records, monkeypatch) -> None:
    def refuse() -> None:
        raise Unavailable("the records database cannot be reached")

    monkeypatch.setattr(records.manifest, "losses", refuse)
    assert [alarm.code for alarm in records.alarms()] == ["records-unavailable"]


def test_what_a_killed_process_left_is_forgotten(records_url: str, tmp_path: Path) -> None:
    owners = tmp_path / "segments" / ".owners"
    owners.mkdir(parents=True)
    (owners / "000001-deadbeef.alive").touch()
    with Records(records_url, tmp_path) as records:
        assert [path.stem for path in owners.iterdir()] == [records._owner.name]


def test_our_own_faults_are_not_called_unavailable(records: Records) -> None:
    with pytest.raises(Exception, match="no_such_table") as fault, records._database.read() as connection:
        connection.execute(text("SELECT 1 FROM no_such_table"))
    assert not isinstance(fault.value, Unavailable)


def test_a_database_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "records.db").mkdir()
    with pytest.raises(Unavailable, match="cannot be opened"):
        Records(None, tmp_path)


@pytest.mark.postgresql
def test_a_server_that_is_not_there_is_unavailable() -> None:
    database = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable, match="cannot be reached"), database.read():
        pass
