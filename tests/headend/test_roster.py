"""A group is busy until the visits to its meters have ended, wherever the meters have gone meanwhile."""

import pytest

from bijlighar.headend.roster import Roster
from bijlighar.headend.schedule import ScheduleSettings


@pytest.mark.parametrize("groups", [{2: "g2"}, {1: "g2", 2: "g2"}])
@pytest.mark.parametrize("ended", [lambda r: r.release(1), lambda r: r.ended_well([(1, frozenset(), 0.0)])])
def test_a_group_whose_meter_left_during_its_visit_is_idle_when_the_visit_has_ended(groups, ended):
    roster = Roster(ScheduleSettings())
    roster.change({1: "g1", 2: "g2"}, 0.0)
    roster.begin(1)
    roster.change(groups, 0.0)
    roster.change(dict(groups), 0.0)
    assert not roster.idle("g1")
    ended(roster)
    assert roster.idle("g1")
    assert roster.idle("g2")
