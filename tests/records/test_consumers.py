"""Which person may see which usage points."""

from __future__ import annotations

import pytest

from bijlighar.records import Records
from bijlighar.records.consumers import NotTied
from bijlighar.records.people import Person


@pytest.fixture
def homes(trial: Records) -> Records:
    for name in ("asha", "ravi"):
        trial.people.put(Person(name=name, display_name=name, password_hash="x", roles=("consumer",)))
    return trial


def test_a_person_sees_what_was_tied_and_nobody_elses(homes: Records) -> None:
    homes.consumers.set_points("asha", ["U2", "U1", "U1"], since_s=7, tied_by="admin")
    assert [(each.usage_point, each.since_s, each.tied_by) for each in homes.consumers.points("asha")] == [
        ("U1", 7, "admin"),
        ("U2", 7, "admin"),
    ]
    assert homes.consumers.points("ravi") == []
    assert list(homes.consumers.everybody()) == ["asha"]


def test_a_tie_that_stands_keeps_its_begin_and_one_left_out_ends(homes: Records) -> None:
    homes.consumers.set_points("asha", ["U1", "U2"], since_s=7, tied_by="admin")
    homes.consumers.set_points("asha", ["U1", "U3"], since_s=99, tied_by="admin")
    points = homes.consumers.points("asha")
    assert [(each.usage_point, each.since_s) for each in points] == [("U1", 7), ("U3", 99)]
    homes.consumers.set_points("asha", [], since_s=0, tied_by="admin")
    assert homes.consumers.points("asha") == []
    homes.consumers.set_points("asha", ["U2"], since_s=500, tied_by="admin")
    assert [each.since_s for each in homes.consumers.points("asha")] == [500]


def test_two_people_of_one_home_may_both_see_it(homes: Records) -> None:
    for name in ("asha", "ravi"):
        homes.consumers.set_points(name, ["U1"], since_s=0, tied_by="admin")
    assert set(homes.consumers.everybody()) == {"asha", "ravi"}


@pytest.mark.parametrize(
    ("person", "point", "told"),
    [
        ("nobody", "U1", "nobody is called nobody"),
        ("asha", "U99", "there is no usage point U99"),
        ("asha", "UT1", "usage point UT1 is a transformer's, no consumer's"),
    ],
)
def test_what_is_not_known_is_refused_and_nothing_is_kept(
    homes: Records, person: str, point: str, told: str
) -> None:
    with pytest.raises(NotTied, match=told):
        homes.consumers.set_points(person, ["U2", point], since_s=0, tied_by="admin")
    assert homes.consumers.everybody() == {}
