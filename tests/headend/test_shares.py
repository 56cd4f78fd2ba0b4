"""Who should hold which group: even, without quarrel, and never two at once."""

from hypothesis import given
from hypothesis import strategies as st

from bijlighar.cim.exchange import Board, Lease, Member
from bijlighar.headend.shares import TOLERANCE, to_give, to_take

SIZES = st.dictionaries(st.sampled_from([f"g{n}" for n in range(30)]), st.integers(1, 60), max_size=30)


def board(lives, leases=None):
    return Board(
        members=tuple(Member(life=life, owner=life, beat=1) for life in lives),
        leases={group: Lease(life=life, epoch=1) for group, life in (leases or {}).items()},
    )


def rounds(lives, meters, leases, count):
    """Everybody takes and gives in turn, as the store would let them; the leases after each round."""
    for _ in range(count):
        for life in lives:
            seen = board(lives, leases)
            for group in to_give(seen, life, meters, ()):
                leases[group] = None
            for group in to_take(board(lives, leases), life, meters, ()):
                assert leases.get(group) is None
                leases[group] = life
        yield dict(leases)


def loads(lives, meters, leases):
    return [sum(meters[g] for g, life in leases.items() if life == one and g in meters) for one in lives]


def test_the_first_takes_all_and_a_newcomer_gets_its_half():
    meters = dict.fromkeys("abcdef", 10)
    *_, last = rounds(["h1"], meters, {}, 2)
    assert set(last.values()) == {"h1"}
    *_, last = rounds(["h1", "h2"], meters, last, 2)
    assert loads(["h1", "h2"], meters, last) == [30, 30]


def test_groups_of_an_ended_life_are_free():
    seen = board(["h1", "h2"], {"a": "h1", "b": "h2"})
    assert to_take(seen, "h1", {"a": 1, "b": 1}, [seen.members[1]]) == {"b": 1}
    assert to_take(seen, "h1", {"a": 1, "b": 1}, []) == {}


def test_a_group_that_left_the_registry_is_given_up():
    assert to_give(board(["h1"], {"a": "h1", "old": "h1"}), "h1", {"a": 1}, ()) == {"old"}


def test_one_group_that_cannot_be_divided_does_not_wander():
    assert to_give(board(["h1", "h2"], {"a": "h1"}), "h1", {"a": 100}, ()) == set()


@given(SIZES, st.integers(1, 5), st.data())
def test_every_group_finds_one_holder_and_giving_ends_evenly(meters, count, data):
    lives = [f"h{n}" for n in range(count)]
    leases = {group: data.draw(st.sampled_from([*lives, None])) for group in meters}
    *_, before, last = rounds(lives, meters, leases, 40)
    assert before == last
    assert last.keys() == meters.keys()
    assert None not in last.values()
    after = loads(lives, meters, last)
    share = sum(after) / count
    for life, load in zip(
        lives, after, strict=True
    ):  # who has more could give nothing that would make it more even
        smallest = min((meters[g] for g, one in last.items() if one == life), default=0)
        assert load <= share * (1 + TOLERANCE) or smallest / 2 > load - share or smallest >= load - min(after)
