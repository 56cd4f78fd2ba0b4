"""The benchmark of pushes measures what it says: every frame is new, is heard once, and lands."""

import pytest

from benches import push
from benches.push_town import PushTown
from bijlighar.dlms.notification import open_push


def test_frames_are_fresh_verified_pushes_of_all_meters_in_turn() -> None:
    town = PushTown(3)
    frames = town.frames(7) + town.frames(2)
    opened = [open_push(frame[8:], town._maker.material(number % 3)) for number, frame in enumerate(frames[:7])]
    assert len({(each.system_title, each.counter) for each in opened}) == 7
    assert len({each.notification.octets for each in opened}) == 7
    assert len(set(frames)) == 9


def test_the_figures_are_told_with_both_goals(capsys: pytest.CaptureFixture[str]) -> None:
    told = push.run(rounds=1, meters=70, pushes=700, fresh=30).as_dict()
    assert {name for name in push.FIGURES if told[name] > 0} == set(push.FIGURES)
    goals = {"notifications_per_s": 100_000, "notifications_per_s_fresh": 8_000}
    assert {name: goal["limit"] for name, goal in told["goals"].items()} == goals
    assert 0 < told["simulator_cpu_share"] < 1
    assert "push: landing" in capsys.readouterr().err


def test_a_frame_that_is_refused_fails_the_measurement() -> None:
    class Said(push.HeadEndWorker):
        def __init__(self) -> None:
            self.name = "said"

        def ask(self, line: str) -> str:
            assert line == "await 3"
            return '{"rows": 3, "refused": 1, "duplicates": 0, "cpu_s": 0.1}'

    with pytest.raises(RuntimeError, match="refused"):
        Said().passed(3)
