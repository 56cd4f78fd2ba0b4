"""How long a head-end may believe that a group is its own. Steady time is a number that the test moves."""

import asyncio

import pytest

from bijlighar.cim.exchange import Board, Deposed, Lease, LeaseLost, Member, Unavailable
from bijlighar.headend.tenure import Beats, Tenure, TenureSettings

SETTINGS = TenureSettings()


class Table:
    """The store's side: one board for all."""

    def __init__(self):
        self.members = {}
        self.leases = {}
        self.unavailable = False

    def _look(self):
        if self.unavailable:
            raise Unavailable("locked")
        return Board(members=tuple(self.members.values()), leases=dict(self.leases))

    def join(self, owner):
        self._look()
        life = f"{owner}.{len(self.members)}"
        self.members[life] = Member(life=life, owner=owner, beat=0)
        return life

    def renew(self, life, released=()):
        self._look()
        if life not in self.members:
            raise Deposed
        before = self.members[life]
        self.members[life] = Member(life=life, owner=before.owner, beat=before.beat + 1)
        for group in released:
            self.leases[group] = Lease(life=None, epoch=self.leases[group].epoch)
        return self._look()

    def take(self, life, ended, wanted):
        self._look()
        for member in ended:
            if self.members.get(member.life) == member:
                self.end(member.life)
        for group, epoch in wanted.items():
            lease = self.leases.get(group, Lease(life=None, epoch=0))
            if lease == Lease(life=None, epoch=epoch):
                self.leases[group] = Lease(life=life, epoch=epoch + 1)
        return self._look()

    def leave(self, life):
        self._look()
        self.end(life)

    def end(self, life):
        del self.members[life]
        for group, lease in self.leases.items():
            if lease.life == life:
                self.leases[group] = Lease(life=None, epoch=lease.epoch)


class World:
    """Head-ends at one table; ``now`` is everybody's steady time."""

    def __init__(self, groups=4):
        self.now = 1000.0
        self.table = Table()
        self.meters = {f"g{n}": 10 for n in range(groups)}
        self.busy = set()

    def tenure(self, owner, table=None):
        async def directly(act, *arguments):
            return act(*arguments)

        return Tenure(
            table or self.table,
            owner=owner,
            settings=SETTINGS,
            in_thread=directly,
            steady=lambda: self.now,
            meters=lambda: self.meters,
            idle=lambda group: group not in self.busy,
        )

    def rounds(self, *tenures, seconds=0.0):
        """Each renews, once a second."""
        for _ in range(max(1, int(seconds))):
            for tenure in tenures:
                asyncio.run(tenure.round())
            self.now += 1.0 if seconds else 0.0


def test_alone_it_holds_everything_for_ever():
    world = World()
    tenure = Tenure(
        None,
        owner="h1",
        settings=SETTINGS,
        in_thread=None,
        steady=lambda: world.now,
        meters=lambda: world.meters,
        idle=lambda _: True,
    )
    asyncio.run(tenure.round())
    world.now += 1e9
    assert (tenure.fresh, tenure.lapsed, tenure.may_begin("g0")) == (True, False, True)


def test_alone_it_holds_a_group_whose_last_meter_left_until_its_visit_has_ended():
    world = World()
    tenure = Tenure(
        None,
        owner="h1",
        settings=SETTINGS,
        in_thread=None,
        steady=lambda: world.now,
        meters=lambda: world.meters,
        idle=lambda group: group not in world.busy,
    )
    asyncio.run(tenure.round())
    world.meters.pop("g0")
    world.busy.add("g0")
    asyncio.run(tenure.round())
    assert "g0" in tenure.epochs
    world.busy.clear()
    asyncio.run(tenure.round())
    assert "g0" not in tenure.epochs


def test_what_is_not_renewed_begins_nothing_and_is_then_cut_short_before_it_may_be_taken():
    world = World()
    one, two = world.tenure("h1"), world.tenure("h2")
    world.rounds(one)
    assert one.may_begin("g0")
    told = []
    while "g0" not in two.epochs:  # h1 has stopped renewing
        world.rounds(two)
        told.append((one.fresh, one.lapsed))
        world.now += 0.5
    assert told[:2] == [(True, False), (True, False)]
    assert told[-2:] == [(False, True), (False, True)]
    assert told == sorted(told, key=lambda now: (not now[0], now[1]))
    lapsed_for = sum(lapsed for _, lapsed in told) * 0.5
    assert lapsed_for >= SETTINGS.taken_s - SETTINGS.held_s
    with pytest.raises(Deposed):
        world.table.renew(one.life)


def test_a_newcomer_gets_its_share_when_no_visit_is_under_way():
    world = World()
    one, two = world.tenure("h1"), world.tenure("h2")
    world.rounds(one)
    world.busy = set(world.meters)
    world.rounds(two, one, two)
    assert len(one.leaving) == 2
    assert not any(one.may_begin(group) for group in one.leaving)
    assert two.epochs == {}
    world.busy = set()
    world.rounds(one, two)
    assert (len(one.epochs), len(two.epochs)) == (2, 2)
    assert set(two.epochs.values()) == {2}


def test_a_store_that_is_away_takes_no_lease_from_anybody():
    world = World()
    one, two = world.tenure("h1"), world.tenure("h2")
    world.rounds(one, two, one, two, seconds=3)
    held = (dict(one.epochs), dict(two.epochs))
    world.table.unavailable = True
    for _ in range(600):
        for tenure in (one, two):
            with pytest.raises(Unavailable):
                asyncio.run(tenure.round())
        world.now += 1.0
    assert (one.fresh, one.lapsed) == (False, True)
    world.table.unavailable = False
    world.rounds(two)  # sees a beat of ten minutes ago, and could not look since
    world.rounds(one)
    assert (one.epochs, two.epochs) == held
    assert one.fresh


def test_who_was_deposed_begins_a_new_life_with_nothing_of_the_old():
    world = World()
    one, two = world.tenure("h1"), world.tenure("h2")
    world.rounds(one)
    old = one.life
    world.table.end(old)
    world.rounds(two)
    assert set(two.epochs.values()) == {2}
    asyncio.run(one.round())
    assert one.life != old
    assert one.epochs == {}
    with pytest.raises(LeaseLost):
        one.claim("g0")


def test_who_leaves_is_replaced_in_the_next_round():
    world = World()
    one, two = world.tenure("h1"), world.tenure("h2")
    world.rounds(one)
    asyncio.run(one.leave())
    world.rounds(two)
    assert len(two.epochs) == 4
    assert world.table.members.keys() == {two.life}


def test_a_process_that_the_kernel_knows_to_be_gone_is_ended_at_once():
    beats = Beats()
    gone = Member(life="a", owner="h1", beat=5, gone=True)
    assert beats.look((gone, Member(life="b", owner="h2", beat=5)), 0.0, SETTINGS) == [gone]


def test_a_moving_beat_is_never_ended_however_late_it_is_seen():
    beats = Beats()
    for beat in range(100):
        member = Member(life="a", owner="h1", beat=beat)
        assert beats.look((member,), beat * 11.9, SETTINGS) == []


def test_time_without_looking_does_not_count():
    beats, member = Beats(), Member(life="a", owner="h1", beat=5)
    now = 0.0
    for _ in range(10):
        assert beats.look((member,), now, SETTINGS) == []
        now += 1.0
    now += 500.0  # suspended
    for _ in range(12):
        assert beats.look((member,), now, SETTINGS) == []
        now += 1.0
    assert beats.look((member,), now, SETTINGS) == [member]


def test_margins_that_would_overlap_are_refused():
    with pytest.raises(ValueError, match="cannot be"):
        TenureSettings(held_s=12.0, taken_s=12.0)
