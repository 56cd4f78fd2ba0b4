"""What a head-end is given, how it works, and what it says of itself every second."""

from __future__ import annotations

from dataclasses import dataclass, field

from bijlighar.headend.alarms import Alarm
from bijlighar.headend.coverage import WINDOW_DAYS
from bijlighar.headend.delivery import DeliverySettings
from bijlighar.headend.dialled import DialInSettings
from bijlighar.headend.dispatch import DispatchSettings
from bijlighar.headend.ports import (
    Counters,
    HeldReadings,
    KeyBox,
    Landing,
    Layouts,
    Leases,
    MeterBook,
    Nameplates,
    Past,
    Pushes,
    ReadJobs,
)
from bijlighar.headend.push import PushSettings
from bijlighar.headend.schedule import ScheduleSettings
from bijlighar.headend.settling import SettlingSettings
from bijlighar.headend.tenure import TenureSettings
from bijlighar.headend.visitor import VisitSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything that the head-end needs from outside.

    ``pushes`` None: meters that push are not heard. ``leases`` None: this head-end is alone and reads all meters;
    with them ``jobs`` are ``ports.LeasedJobs``. ``past`` None: after a start every task is due.
    """

    landing: Landing
    held: HeldReadings
    counters: Counters
    keys: KeyBox
    meters: MeterBook
    layouts: Layouts
    nameplates: Nameplates
    jobs: ReadJobs
    pushes: Pushes | None = None
    leases: Leases | None = None
    past: Past | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadEndSettings:
    """How one head-end process works. Seconds here are wall-clock.

    ``owner``   this process's name, unique among head-ends
    ``push``    where meters push to; None: nowhere
    ``dial_in`` where meters that cannot be called dial in; None: nowhere
    ``backfill_days`` how far back slots are asked for that were not read
    ``tenure``  how long it believes that a communication group is its own
    ``grace_s`` how long visits under way may go on after ``stop``; ``landing_grace_s`` the landing after them
    """

    owner: str = "headend-1"
    visits: VisitSettings = field(default_factory=VisitSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    dispatch: DispatchSettings = field(default_factory=DispatchSettings)
    settling: SettlingSettings = field(default_factory=SettlingSettings)
    push: PushSettings | None = None
    dial_in: DialInSettings | None = None
    backfill_days: int = WINDOW_DAYS
    tenure: TenureSettings = field(default_factory=TenureSettings)
    tick_s: float = 0.1
    job_poll_s: float = 0.5
    registry_poll_s: float = 5.0
    refusal_poll_s: float = 0.5
    heartbeat_s: float = 1.0
    grace_s: float = 2.0
    landing_grace_s: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Published every second. ``lag_s``: how far behind its schedule, by the utility's clock.

    ``meters`` that it reads; ``groups`` of which it holds the lease, ``groups_unheld`` that nobody holds
    """

    owner: str
    now_s: float
    lag_s: float
    sessions: int
    queue_octets: int
    meters: int
    alarms: tuple[Alarm, ...]
    groups: int = 0
    groups_unheld: int = 0
