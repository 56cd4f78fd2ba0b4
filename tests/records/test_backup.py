"""Backups of running records: what is in them, what a second one copies, what is told of a damaged one."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.exchange import JobState, ReadJob
from bijlighar.cim.period import Period
from bijlighar.cim.readings import ReadingBatch
from bijlighar.headend.keys import Keyring, MeterKeys
from bijlighar.operations.backup import back_up, look_over
from bijlighar.operations.restore import Restore, RestoreReport, restore
from bijlighar.records import Records, tables
from bijlighar.records.backup import FILE_TABLES, BackupMade, BackupRefused, forget_old
from bijlighar.records.backup_manifest import BackupDamaged, BackupPlace, NoBackup
from bijlighar.records.backup_restore import RestoreRefused, counters_ahead
from bijlighar.records.counters import COUNTER_LIMIT
from bijlighar.records.database import Database, sqlite_url
from bijlighar.records.move import MoveRefused, all_tables, content_of
from records.every_table import fill_every_table

WALL_S = 1_790_000_000
RING = Keyring(bytes(range(32)))
Landed = Callable[..., ReadingBatch]


@pytest.fixture
def place(tmp_path: Path) -> BackupPlace:
    return BackupPlace(folder=tmp_path.parent / f"{tmp_path.name}-backups")


@pytest.fixture
def kept(trial: Records, block_load: Landed) -> Records:
    """A registry with sealed keys, two days of readings, counters, a web session and reads that were asked for."""
    trial.landing.land([block_load(range(1, 5), range(48))], [])
    trial.landing.land([block_load(range(1, 5), range(48, 96))], [])
    serials = {meter.meter_id: meter.serial for meter in trial.registry.meters()}
    keys = MeterKeys(encryption_key=bytes(16))
    trial.keys.put_sealed_keys([RING.seal(meter_id, serial, keys) for meter_id, serial in serials.items()])
    trial.counters.reserve(1, 32, 1_000)
    for number, state in enumerate((JobState.WAITING, JobState.RUNNING, JobState.DONE)):
        trial.jobs.ask(_job(f"job-{number}", state))
    trial.web_sessions._set("a session", b"signed in", 600)
    trial.audit.append(who="meera", what="looked", subject="meter:1", detail={}, at_s=1)
    return trial


def _job(job_id: str, state: JobState) -> ReadJob:
    kinds = (ProfileKind.BLOCK_LOAD,)
    return ReadJob(job_id=job_id, meter_id=1, kinds=kinds, period=None, asked_by="meera", asked_ms=1, state=state)


@pytest.fixture
def backed_up(records_url: str, tmp_path: Path, place: BackupPlace) -> Callable[..., BackupMade]:
    def made(wall_s: int = WALL_S) -> BackupMade:
        return back_up(records_url, tmp_path, place, by="root", now=lambda: wall_s, wall=lambda: wall_s)

    return made


@pytest.fixture
def restored(tmp_path: Path, place: BackupPlace) -> Callable[..., tuple[RestoreReport, Records]]:
    """Restores into a new folder on SQLite, and opens what is there."""

    def back(name: str = "again", wall_s: int = WALL_S + 60, **more: str) -> tuple[RestoreReport, Records]:
        folder = tmp_path.parent / f"{tmp_path.name}-{name}"
        url = sqlite_url(folder / "records.db")
        asked = Restore(place=place, records_url=url, data_dir=folder, by="root", **more)
        return restore(asked, RING, lambda: wall_s), Records(url, folder)

    return back


def test_a_backup_brings_back_everything_but_what_was_under_way(
    kept: Records, backed_up: Callable[..., BackupMade], restored: Callable[..., tuple[RestoreReport, Records]]
) -> None:
    before = _contents(kept)
    made = backed_up()
    report, again = restored()
    assert (report.keys_open, report.audit.broken_at, report.restored.jobs_ended) == (True, None, 2)
    with again as records:
        after = _contents(records)
        assert {name for name in before if before[name] != after[name]} == {
            *("sequences", "counters", "jobs", "web_sessions", "audit")
        }
        assert records.recovered.lost == ()
        assert records.check(contents=True).lost == ()
        for meter_id in range(1, 5):
            rows = kept.readings.rows(ProfileKind.BLOCK_LOAD, meter_id, Period(start_s=0, end_s=1 << 40))
            found = records.readings.rows(ProfileKind.BLOCK_LOAD, meter_id, Period(start_s=0, end_s=1 << 40))
            assert found.start_s.tolist() == rows.start_s.tolist()
            assert {n: c.tolist() for n, c in found.channels.items()} == {
                n: c.tolist() for n, c in rows.channels.items()
            }
            assert len(found) == 96
        assert records.audit.verify().broken_at is None
        assert [entry.what for entry in records.audit.entries(limit=2)] == ["restored-backup", "looked"]
        assert {job.job_id: job.state for job in records.jobs.recent()} == dict.fromkeys(
            ("job-0", "job-1"), JobState.FAILED
        ) | {"job-2": JobState.DONE}
        assert records.jobs.claim("headend-1", 10, 1) == []
    assert made.manifest.damaged == ()
    assert [entry.what for entry in kept.audit.entries(limit=1)] == ["made-backup"]


def _contents(records: Records) -> dict[str, object]:
    with records._database.read() as connection:
        return {table.name: content_of(connection, table) for table in all_tables()}


def test_no_counter_that_was_used_after_the_backup_comes_again(
    kept: Records, backed_up: Callable[..., BackupMade], restored: Callable[..., tuple[RestoreReport, Records]]
) -> None:
    backed_up()
    used = kept.counters.reserve(1, 32, 1_000_000) + 1_000_000
    fresh = kept.counters.reserve(2, 32, 1_000) + 1_000  # a meter that was never visited before the backup
    report, again = restored(wall_s=WALL_S + 3 * 86_400)
    assert report.restored.counters_ahead == counters_ahead(WALL_S, WALL_S + 3 * 86_400) == 4 * 86_400 * 100
    with again as records:
        assert records.counters.reserve(1, 32, 1) >= used
        assert records.counters.reserve(2, 32, 1) >= fresh
        assert records.counters.reserve(12, 48, 1) >= 4 * 86_400 * 100


def test_a_counter_near_its_end_is_used_up_rather_than_begun_again(
    kept: Records, backed_up: Callable[..., BackupMade], restored: Callable[..., tuple[RestoreReport, Records]]
) -> None:
    kept.counters.reserve(1, 32, 1_000, at_least=COUNTER_LIMIT - 2_000)
    backed_up()
    _, again = restored()
    with again as records, records._database.read() as connection:
        row = tables.counters
        query = select(row.c.next).where(row.c.meter_id == 1, row.c.client_address == 32)
        assert connection.execute(query).scalar_one() == COUNTER_LIMIT


def test_a_clock_that_went_back_still_moves_counters_on_by_a_day() -> None:
    assert counters_ahead(WALL_S, WALL_S - 1_000_000) == 86_400 * 100


def test_no_head_end_of_before_holds_a_group(
    kept: Records, backed_up: Callable[..., BackupMade], restored: Callable[..., tuple[RestoreReport, Records]]
) -> None:
    life = kept.leases.join("headend-1")
    kept.leases.take(life, [], {"tower-1": 0})
    backed_up()
    _, again = restored()
    with again as records:
        board = records.leases.board()
        assert board.members == ()
        assert (board.leases["tower-1"].life, board.leases["tower-1"].epoch) == (None, 2)


def test_a_second_backup_copies_only_what_is_new(
    kept: Records, backed_up: Callable[..., BackupMade], block_load: Landed, day_s: int
) -> None:
    first = backed_up()
    assert (first.files_copied, len(first.manifest.files)) == (2, 2)
    kept.landing.land([block_load(range(1, 5), range(96, 98))], [])
    second = backed_up(WALL_S + 60)
    assert (second.files_copied, len(second.manifest.files)) == (1, 3)
    assert second.octets_copied == second.manifest.files[-1].octets
    assert second.manifest.generation > first.manifest.generation


def test_each_backup_stands_for_itself(
    kept: Records,
    backed_up: Callable[..., BackupMade],
    restored: Callable[..., tuple[RestoreReport, Records]],
    block_load: Landed,
) -> None:
    first = backed_up()
    kept.landing.land([block_load(range(1, 5), range(96, 98))], [])
    backed_up()
    _, old = restored("old", backup_id=first.manifest.backup_id)
    _, new = restored("new")
    everything = Period(start_s=0, end_s=1 << 40)
    with old, new:
        assert len(old.readings.rows(ProfileKind.BLOCK_LOAD, 1, everything)) == 96
        assert len(new.readings.rows(ProfileKind.BLOCK_LOAD, 1, everything)) == 98


def test_segments_merged_between_two_backups_are_backed_up_as_they_stand(
    kept: Records,
    backed_up: Callable[..., BackupMade],
    restored: Callable[..., tuple[RestoreReport, Records]],
    place: BackupPlace,
) -> None:
    backed_up()
    for kind, day in [(ProfileKind.BLOCK_LOAD, day) for day in kept.manifest.days(ProfileKind.BLOCK_LOAD)]:
        assert kept.compaction.compact_day(kind, day) == 2
    made = backed_up(WALL_S + 60)
    assert len(made.manifest.files) == 1
    assert forget_old(place, keep=1) != []
    assert len([path for path in place.files.rglob("*") if path.is_file()]) == 1
    _, again = restored()
    with again as records:
        assert len(records.readings.rows(ProfileKind.BLOCK_LOAD, 1, Period(start_s=0, end_s=1 << 40))) == 96


def test_the_keys_stand_apart_and_the_master_key_nowhere(
    kept: Records, records_url: str, tmp_path: Path, restored: Callable[..., tuple[RestoreReport, Records]]
) -> None:
    (tmp_path / "master.key").write_text("the master key")
    vault = tmp_path.parent / f"{tmp_path.name}-vault"
    place = BackupPlace(folder=tmp_path.parent / f"{tmp_path.name}-b", keys_folder=vault)
    back_up(records_url, tmp_path, place, by="root", now=lambda: WALL_S, wall=lambda: WALL_S)
    sealed = kept.keys.sealed_keys([1])[0].sealed
    holding = [path for path in place.folder.rglob("*") if path.is_file() and sealed in path.read_bytes()]
    assert holding == []
    every = [path for folder in (place.folder, vault) for path in folder.rglob("*") if path.is_file()]
    assert [path for path in every if b"the master key" in path.read_bytes()] == []
    assert {stat.S_IMODE(path.stat().st_mode) for path in vault.iterdir()} == {0o600}
    assert stat.S_IMODE(vault.stat().st_mode) == 0o700
    shutil.rmtree(vault)
    with pytest.raises(BackupDamaged, match="name the folder of the sealed keys"):
        restored_from(place, tmp_path)


def restored_from(place: BackupPlace, tmp_path: Path, name: str = "again") -> Path:
    folder = tmp_path.parent / f"{tmp_path.name}-{name}"
    url = sqlite_url(folder / "records.db")
    restore(Restore(place=place, records_url=url, data_dir=folder, by="root"), None, lambda: WALL_S)
    return folder


@pytest.mark.parametrize("kind", ["segment", "records", "keys", "manifest"])
@pytest.mark.parametrize("how", ["changed", "cut", "missing"])
def test_a_damaged_backup_is_refused_with_the_file_named(
    kept: Records, backed_up: Callable[..., BackupMade], place: BackupPlace, tmp_path: Path, kind: str, how: str
) -> None:
    manifest = backed_up().manifest
    backup = place.backups / manifest.backup_id
    file = {
        "segment": place.files / manifest.files[0].name,
        "records": backup / "records.db",
        "keys": place.keys / manifest.keys.name,
        "manifest": backup / "manifest.json",
    }[kind]
    octets = file.read_bytes()
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(octets[:-1] if how == "cut" else octets[:200] + bytes([octets[200] ^ 1]) + octets[201:])
    folder = tmp_path.parent / f"{tmp_path.name}-again"
    refused = (NoBackup, "no backup") if (kind, how) == ("manifest", "missing") else (BackupDamaged, file.name)
    with pytest.raises(refused[0], match=refused[1]):
        restored_from(place, tmp_path)
    assert list(folder.glob("*")) == []
    if kind != "manifest":
        _, faults = look_over(place)
        assert [fault.file.endswith(file.name) for fault in faults] == [True]


def test_a_good_backup_is_looked_over(
    kept: Records, backed_up: Callable[..., BackupMade], place: BackupPlace
) -> None:
    backed_up()
    told: list[tuple[int, int]] = []
    manifest, faults = look_over(place, told=lambda done, everything: told.append((done, everything)))
    assert faults == []
    assert told[-1] == (len(manifest.files) + 2, len(manifest.files) + 2)


def test_a_file_that_is_damaged_where_it_stands_is_told_and_left_out(
    kept: Records,
    backed_up: Callable[..., BackupMade],
    restored: Callable[..., tuple[RestoreReport, Records]],
    tmp_path: Path,
) -> None:
    spoilt, gone = (tmp_path / file for file in sorted(_files(kept)))
    spoilt.write_bytes(b"x" * spoilt.stat().st_size)
    gone.unlink()
    made = backed_up()
    assert made.manifest.files == ()
    assert set(made.manifest.damaged) == {path.relative_to(tmp_path).as_posix() for path in (spoilt, gone)}
    _, again = restored()
    with again as records:
        assert {f"segments/{loss.file}" for loss in records.manifest.losses()} == set(made.manifest.damaged)


def _files(records: Records) -> list[str]:
    pin = records.manifest.pin(ProfileKind.BLOCK_LOAD)
    return [f"segments/{segment.file}" for segment in pin.segments]


def test_a_place_that_is_not_empty_is_refused(
    kept: Records, backed_up: Callable[..., BackupMade], place: BackupPlace, tmp_path: Path
) -> None:
    backed_up()
    folder = tmp_path.parent / f"{tmp_path.name}-full"
    (folder / "segments").mkdir(parents=True)
    (folder / "master.key").write_text("k")
    with pytest.raises(RestoreRefused, match="not empty: it holds segments"):
        restored_from(place, tmp_path, "full")
    shutil.rmtree(folder / "segments")
    restored_from(place, tmp_path, "full")
    with pytest.raises(RestoreRefused, match="not empty"):
        restored_from(place, tmp_path, "full")


def test_a_restore_that_was_cut_short_is_begun_again(
    kept: Records, backed_up: Callable[..., BackupMade], place: BackupPlace, tmp_path: Path
) -> None:
    backed_up()
    folder = tmp_path.parent / f"{tmp_path.name}-cut"

    def cut(_what: str, done: int, _all: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    url = sqlite_url(folder / "records.db")
    with pytest.raises(KeyboardInterrupt):
        restore(Restore(place=place, records_url=url, data_dir=folder, by="root"), None, lambda: WALL_S, cut)
    (folder / ".restoring").mkdir()
    (folder / ".restoring" / "left over").write_text("")
    restored_from(place, tmp_path, "cut")


def test_records_of_every_table_come_back_into_a_database_of_either_kind(
    records_url: str, tmp_path: Path, place: BackupPlace
) -> None:
    source = tmp_path / "source"
    fill_every_table(None, source)
    back_up(sqlite_url(source / "records.db"), source, place, by="root", now=lambda: 1, wall=lambda: WALL_S)
    asked = Restore(place=place, records_url=records_url, data_dir=tmp_path / "target", by="root")
    asked.data_dir.mkdir()
    url = records_url.replace(str(tmp_path), str(tmp_path / "target"))
    restore(Restore(place=place, records_url=url, data_dir=asked.data_dir, by="root"), None, lambda: WALL_S)
    before, after = Database(sqlite_url(source / "records.db")), Database(url)
    with before.read() as first, after.read() as second:
        differing = {table.name for table in all_tables() if content_of(first, table) != content_of(second, table)}
    before.close()
    after.close()
    assert differing == {
        *("sequences", "audit", "web_sessions", "counters", "jobs", "headends", "leases"),
    }


def test_every_table_that_names_files_is_backed_up_with_them() -> None:
    naming = {table.name for table in all_tables() if "file" in table.columns}
    assert naming == {table.name for table in FILE_TABLES.values()}


def test_a_backup_inside_the_data_directory_is_refused(kept: Records, records_url: str, tmp_path: Path) -> None:
    inside = BackupPlace(folder=tmp_path / "backups")
    with pytest.raises(BackupRefused, match="stand in one another"):
        back_up(records_url, tmp_path, inside, by="root", now=lambda: 1, wall=lambda: 1)


def test_one_backup_at_a_time(
    kept: Records, records_url: str, tmp_path: Path, place: BackupPlace, backed_up: Callable[..., BackupMade]
) -> None:
    def told(_what: str, _done: int, _all: int) -> None:
        with pytest.raises(BackupRefused, match="under way"):
            backed_up()

    back_up(records_url, tmp_path, place, by="root", now=lambda: 1, wall=lambda: WALL_S, told=told)
    assert len(place.ids()) == 1


def test_files_that_vanish_between_snapshot_and_copy_make_another_snapshot(
    kept: Records,
    records_url: str,
    tmp_path: Path,
    place: BackupPlace,
    block_load: Landed,
    restored: Callable[..., tuple[RestoreReport, Records]],
) -> None:
    """A segment lands after the early copying, is merged during the snapshot, and its hour is over at once."""
    done: list[str] = []

    def told(what: str, number: int, everything: int) -> None:
        if what == "files" and number == everything and not done:
            done.append("landed")
            kept.landing.land([block_load(range(1, 5), range(96, 98))], [])
        elif what == "meters" and done == ["landed"]:
            done.append("merged")
            for day in kept.manifest.days(ProfileKind.BLOCK_LOAD):
                kept.compaction.compact_day(ProfileKind.BLOCK_LOAD, day)
            with kept._database.write() as connection:
                retired = tables.segments.c.retired_s.is_not(None)
                connection.execute(update(tables.segments).where(retired).values(retired_s=1))
            assert kept.compaction.sweep() == 3

    made = back_up(records_url, tmp_path, place, by="root", now=lambda: 1, wall=lambda: WALL_S, told=told)
    assert done == ["landed", "merged"]
    assert (len(made.manifest.files), made.manifest.damaged) == (1, ())
    assert len(place.ids()) == len(list(place.keys.iterdir())) == 1
    _, again = restored()
    with again as records:
        assert len(records.readings.rows(ProfileKind.BLOCK_LOAD, 1, Period(start_s=0, end_s=1 << 40))) == 98


def test_the_manifest_is_json_that_a_person_can_read(
    kept: Records, backed_up: Callable[..., BackupMade], place: BackupPlace
) -> None:
    manifest = backed_up().manifest
    told = json.loads((place.backups / manifest.backup_id / "manifest.json").read_text(encoding="utf-8"))
    assert (told["format"], told["tables"]["meters"]) == (1, 12)
    assert told["files"][0]["name"].startswith("segments/block-load/")


def test_a_folder_without_backups_is_told(place: BackupPlace, tmp_path: Path) -> None:
    with pytest.raises(NoBackup, match="holds no backup"):
        restored_from(place, tmp_path)
    with pytest.raises(NoBackup):
        look_over(place)


def test_closed_records_are_not_backed_up(kept: Records, backed_up: Callable[..., BackupMade]) -> None:
    with kept._database.write() as connection:
        row = {"key": "records.moved-to", "value": '"elsewhere"', "valid_from_s": 1}
        connection.execute(insert(tables.settings).values(**row, changed_by="x", changed_s=1))
    with pytest.raises((BackupRefused, MoveRefused), match="were moved to elsewhere"):
        backed_up()
