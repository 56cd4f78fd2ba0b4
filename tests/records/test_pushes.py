"""Counter windows become durable with the rows they admitted, or not at all; refused pushes are kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.exchange import PushWindow, RefusedPush, Unavailable
from bijlighar.cim.period import Period
from bijlighar.cim.readings import ReadingBatch
from bijlighar.records import Records

WINDOW = PushWindow(system_title=b"BJT00001", key_id=b"key-id-1", highest=7, window=bytes(264))
EVER = Period(start_s=0, end_s=1 << 40)


def _batch(start_s: int) -> ReadingBatch:
    return ReadingBatch(
        kind=ProfileKind.INSTANTANEOUS,
        period_s=0,
        meter_id=np.array([1], np.int32),
        start_s=np.array([start_s], np.int64),
        received_s=np.array([start_s], np.int64),
        channels={"import_wh": np.array([5], np.int64)},
    )


def _held(records: Records) -> list[int]:
    return records.readings.held(ProfileKind.INSTANTANEOUS, EVER)[1].tolist()


def test_a_window_is_kept_with_its_rows_and_the_newer_state_stands(trial: Records) -> None:
    trial.landing.land([_batch(1_000)], [], [WINDOW])
    newer = replace(WINDOW, highest=2**32 - 1, window=b"\xff" * 264)
    other = replace(WINDOW, key_id=b"key-id-2", highest=0)
    trial.landing.land([_batch(2_000)], [], [newer, other])
    assert sorted(trial.pushes.windows(), key=lambda w: w.key_id) == [newer, other]
    assert _held(trial) == [1_000, 2_000]


def test_a_window_without_rows_is_kept_too(trial: Records) -> None:
    trial.landing.land([], [], [WINDOW])
    assert trial.pushes.windows() == [WINDOW]


def test_when_the_commit_fails_neither_rows_nor_window_are_there(
    trial: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr("bijlighar.records.landing.put_windows", refuse)
        with pytest.raises(Unavailable):
            trial.landing.land([_batch(1_000)], [], [WINDOW])
        assert (_held(trial), trial.pushes.windows()) == ([], [])
    trial.landing.land([_batch(1_000)], [], [replace(WINDOW, highest=8)])
    assert (_held(trial), trial.pushes.windows()) == ([1_000], [replace(WINDOW, highest=8)])


def test_a_file_of_pushes_that_was_never_acknowledged_does_not_count_and_is_kept_aside(
    trial: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    trial.landing.land([_batch(500)], [])
    with monkeypatch.context() as dying:
        dying.setattr("bijlighar.records.landing.put_windows", die)
        with pytest.raises(KeyboardInterrupt):
            trial.landing.land([_batch(1_000)], [], [WINDOW])
    url = str(trial._database.engine.url)
    trial.close()
    with Records(url, tmp_path) as again:
        assert len(again.recovered.set_aside) == 1
        assert again.recovered.adopted == ()
        assert (tmp_path / "segments" / f"{again.recovered.set_aside[0]}.unadmitted").exists()
        assert (_held(again), again.pushes.windows()) == ([500], [])
        again.landing.land([_batch(1_000)], [], [WINDOW])
        assert again.check().set_aside == ()
        assert _held(again) == [500, 1_000]


def test_refused_pushes_are_kept_in_order_with_everything_known(trial: Records) -> None:
    forged = RefusedPush(
        received_s=100,
        reason="not-authentic",
        system_title=b"BJT00001",
        meter_id=1,
        counter=None,
        peer="tcp 10.0.0.1:4059",
        octets=b"\xdb\x08",
    )
    replay = replace(forged, received_s=100, reason="replayed", counter=2**32 - 1, meter_id=None, system_title=b"")
    trial.pushes.keep_refused([forged, replay])
    trial.pushes.keep_refused([])
    trial.pushes.keep_refused([replace(forged, received_s=200)])
    assert trial.pushes.refused(Period(start_s=0, end_s=200)) == [forged, replay]
    assert len(trial.pushes.refused(EVER)) == 3
