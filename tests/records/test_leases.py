"""Leases of communication groups: one holder at a time, counters for the holder only, jobs to the holder."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.exchange import (
    CounterWish,
    Deposed,
    JobState,
    Lease,
    LeaseLost,
    Member,
    ReadJob,
    Unavailable,
    lease_group,
)
from bijlighar.records import Records
from bijlighar.records.counters import COUNTER_LIMIT
from bijlighar.records.jobs import CLAIM_LIMIT

G = "tower-1"


def wish(meter_id: int = 1, *, group: str = G, epoch: int = 1, at_least: int = 0) -> CounterWish:
    return CounterWish(meter_id=meter_id, client_address=32, group=group, epoch=epoch, at_least=at_least)


def member(board_records: Records, life: str) -> Member:
    return next(one for one in board_records.leases.board().members if one.life == life)


def job(name: str, meter_id: int = 1) -> ReadJob:
    return ReadJob(
        job_id=name, meter_id=meter_id, kinds=(ProfileKind.DAILY,), period=None, asked_by="op", asked_ms=1
    )


def test_a_free_group_goes_to_one_life_only(records: Records) -> None:
    one, two = records.leases.join("h1"), records.leases.join("h2")
    assert records.leases.take(one, [], {G: 0}).leases == {G: Lease(life=one, epoch=1)}
    assert records.leases.take(two, [], {G: 0}).leases == {G: Lease(life=one, epoch=1)}
    assert records.leases.take(two, [], {G: 1}).leases == {G: Lease(life=one, epoch=1)}


def test_a_group_given_back_is_taken_in_the_next_epoch(records: Records) -> None:
    one, two = records.leases.join("h1"), records.leases.join("h2")
    records.leases.take(one, [], {G: 0})
    records.leases.renew(two, [G])
    assert records.leases.board().leases == {G: Lease(life=one, epoch=1)}
    assert records.leases.renew(one, [G]).leases == {G: Lease(life=None, epoch=1)}
    assert records.leases.take(two, [], {G: 1}).leases == {G: Lease(life=two, epoch=2)}


def test_many_takers_share_the_groups_and_none_has_two_holders(records: Records) -> None:
    groups = {f"g{n}": 0 for n in range(40)}
    lives = [records.leases.join(f"h{n}") for n in range(4)]

    def take(life: str) -> None:
        for group in groups:
            while True:
                try:
                    records.leases.take(life, [], {group: 0})
                except Unavailable:  # the records of this test wait only 0.2 s for another writer
                    continue
                break

    threads = [threading.Thread(target=take, args=(life,)) for life in lives]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    leases = records.leases.board().leases
    assert set(leases) == set(groups)
    assert {lease.epoch for lease in leases.values()} == {1}
    assert {lease.life for lease in leases.values()} <= set(lives)


def test_only_a_life_whose_beat_stands_still_is_ended(records: Records) -> None:
    one, two = records.leases.join("h1"), records.leases.join("h2")
    records.leases.take(one, [], {G: 0})
    seen = member(records, one)
    records.leases.renew(one)
    records.leases.take(two, [seen], {G: 1})
    assert records.leases.board().leases[G].life == one
    records.leases.take(two, [member(records, one)], {G: 1})
    assert records.leases.board().leases[G] == Lease(life=two, epoch=2)
    with pytest.raises(Deposed):
        records.leases.renew(one)
    with pytest.raises(Deposed):
        records.leases.take(one, [], {G: 2})
    assert records.leases.board().leases[G] == Lease(life=two, epoch=2)


def test_a_process_that_has_ended_on_this_machine_is_known_at_once(records_url: str, tmp_path: Path) -> None:
    with Records(records_url, tmp_path, busy_s=0.2) as first:
        life = first.leases.join("h1")
        with Records(records_url, tmp_path, busy_s=0.2) as second:
            assert not member(second, life).gone
            first.close()
            assert member(second, life).gone


def test_who_leaves_frees_its_groups(records: Records) -> None:
    one = records.leases.join("h1")
    records.leases.take(one, [], {G: 0})
    records.leases.leave(one)
    assert records.leases.board().members == ()
    assert records.leases.board().leases == {G: Lease(life=None, epoch=1)}


def test_the_holder_gets_counters_for_many_meters_at_once(trial: Records) -> None:
    one = trial.leases.join("h1")
    trial.leases.take(one, [], {G: 0})
    trial.counters.reserve(3, 32, 70)
    wishes = [wish(n) for n in range(1, 12)] + [wish(12, at_least=500)]
    firsts = trial.leases.reserve(one, wishes, 100)
    assert firsts == {(n, 32): {3: 70, 12: 500}.get(n, 0) for n in range(1, 13)}
    again = trial.leases.reserve(one, wishes, 100)
    assert again == {(n, 32): {3: 170, 12: 600}.get(n, 100) for n in range(1, 13)}
    assert trial.counters.reserve(1, 32, 1) == 200


def test_a_deposed_life_gets_no_counter_and_those_it_has_lie_below_its_successors(trial: Records) -> None:
    one, two = trial.leases.join("h1"), trial.leases.join("h2")
    trial.leases.take(one, [], {G: 0})
    mine = trial.leases.reserve(one, [wish()], 100)[1, 32]
    trial.leases.take(two, [member(trial, one)], {G: 1})
    for epoch in (1, 2):
        with pytest.raises(LeaseLost):
            trial.leases.reserve(one, [wish(epoch=epoch)], 100)
    with pytest.raises(LeaseLost):
        trial.leases.reserve(two, [wish(epoch=1)], 100)
    assert trial.leases.reserve(two, [wish(epoch=2)], 100)[1, 32] >= mine + 100


def test_one_group_that_is_lost_gives_counters_to_none_of_the_wishes(trial: Records) -> None:
    one = trial.leases.join("h1")
    trial.leases.take(one, [], {G: 0})
    with pytest.raises(LeaseLost):
        trial.leases.reserve(one, [wish(1), wish(2, group="tower-2")], 100)
    assert trial.counters.reserve(1, 32, 1) == 0


def test_counters_that_are_used_up_are_left_out_and_stay(trial: Records) -> None:
    one = trial.leases.join("h1")
    trial.leases.take(one, [], {G: 0})
    trial.counters.reserve(1, 32, 1, at_least=COUNTER_LIMIT - 50)
    assert trial.leases.reserve(one, [wish(1), wish(2), wish(3, at_least=COUNTER_LIMIT - 1)], 100) == {(2, 32): 0}
    assert trial.counters.reserve(1, 32, 1) == COUNTER_LIMIT - 49


def test_jobs_go_to_the_holder_of_their_meters_group(trial: Records) -> None:
    one, two = trial.leases.join("h1"), trial.leases.join("h2")
    trial.leases.take(one, [], {G: 0})
    trial.jobs.ask(job("a"))
    assert trial.jobs.claim("h2", 10, 0, life=two) == []
    assert [got.job_id for got in trial.jobs.claim("h1", 10, 0, life=one)] == ["a"]


def test_jobs_of_a_group_that_was_never_leased_go_to_anybody(trial: Records) -> None:
    trial.jobs.ask(job("a"))
    assert len(trial.jobs.claim("h1", 10, 0, life=trial.leases.join("h1"))) == 1


def test_jobs_of_a_life_that_ended_in_the_middle_go_on_at_once_and_are_given_up_in_the_end(trial: Records) -> None:
    trial.jobs.ask(job("a"))
    life = trial.leases.join("h1")
    for _ in range(CLAIM_LIMIT):
        assert len(trial.jobs.claim("h1", 1, 0, life=life)) == 1
        after = trial.leases.join("h1")
        trial.leases.take(after, [member(trial, life)], {})
        life = after
    assert trial.jobs.claim("h1", 1, 0, life=life) == []
    assert trial.jobs.get("a").state is JobState.FAILED


def test_jobs_of_a_life_that_left_in_good_order_were_never_claimed(trial: Records) -> None:
    trial.jobs.ask(job("a"))
    for _ in range(CLAIM_LIMIT + 1):
        life = trial.leases.join("h1")
        assert len(trial.jobs.claim("h1", 1, 0, life=life)) == 1
        trial.leases.leave(life)
        assert trial.jobs.get("a").state is JobState.WAITING


def test_no_jump_of_a_clock_takes_a_job_from_a_life(trial: Records) -> None:
    one, two = trial.leases.join("h1"), trial.leases.join("h2")
    trial.jobs.ask(job("a"))
    trial.jobs.claim("h1", 1, 0, life=one)
    trial.jobs.report("a", state=JobState.RUNNING, rows=0, progress=0.0, detail="", now_ms=0, life=one)
    assert trial.jobs.claim("h2", 1, 10**15, life=two) == []
    trial.leases.take(two, [member(trial, one)], {})
    assert len(trial.jobs.claim("h2", 1, 0, life=two)) == 1


def test_a_job_given_back_was_never_claimed(trial: Records) -> None:
    one = trial.leases.join("h1")
    trial.jobs.ask(job("a"))
    for _ in range(CLAIM_LIMIT + 1):
        assert len(trial.jobs.claim("h1", 1, 0, life=one)) == 1
        trial.jobs.give_back("someone else", ["a"])
        assert trial.jobs.claim("h1", 1, 0, life=one) == []
        trial.jobs.give_back(one, ["a"])
    assert trial.jobs.get("a") == replace(job("a"))


def test_a_late_word_of_a_former_owner_counts_only_when_the_job_is_done(trial: Records) -> None:
    one, two = trial.leases.join("h1"), trial.leases.join("h2")
    trial.jobs.ask(job("a"))
    trial.jobs.claim("h1", 1, 0, life=one)
    trial.jobs.give_back(one, ["a"])
    trial.jobs.claim("h2", 1, 0, life=two)
    for state in (JobState.RUNNING, JobState.FAILED):
        trial.jobs.report("a", state=state, rows=7, progress=0.5, detail="late", now_ms=1, life=one)
    assert trial.jobs.get("a").detail == ""
    trial.jobs.report("a", state=JobState.DONE, rows=9, progress=1.0, detail="", now_ms=1, life=one)
    assert (trial.jobs.get("a").state, trial.jobs.get("a").rows) == (JobState.DONE, 9)


def test_meters_without_a_group_are_leased_in_parts(trial: Records) -> None:
    assert (lease_group("", 64), lease_group("", 65), lease_group("tower-1", 65)) == ("#0", "#1", "tower-1")
    with trial._database.write() as connection:
        connection.exec_driver_sql("UPDATE meters SET communication_group = '' WHERE meter_id = 5")
    one, two = trial.leases.join("h1"), trial.leases.join("h2")
    trial.leases.take(one, [], {"#4": 0, G: 0})
    trial.leases.take(two, [], {"#5": 0})
    trial.jobs.ask(job("a", meter_id=5))
    assert trial.jobs.claim("h1", 1, 0, life=one) == []
    assert len(trial.jobs.claim("h2", 1, 0, life=two)) == 1
