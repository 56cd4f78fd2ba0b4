"""What befalls a simulated town: shares of connections that meet a fault, and how often processes and disks do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

HOUR_S, DAY_S = 3_600.0, 86_400.0


class LineFault(StrEnum):
    """What may happen to one connection."""

    REFUSED = "refused"  # somebody answers, and will not talk
    NO_ANSWER = "no answer"  # the connection never stands
    SILENT = "silent"  # from some segment on nothing arrives, either way
    CUT = "cut"  # torn down in the middle of an octet stream
    FLIPPED = "flipped"  # one bit of one segment is wrong
    DOUBLED = "doubled"  # one segment arrives twice
    RESTART = "restart"  # the meter starts again in the middle of a conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How bad it is. All rates zero: a quiet town.

    ``line``           share of connections that meet each fault
    ``kills_a_day``, ``stops_a_day``, ``pauses_a_day`` of each process: killed, told to stop, paused by its machine
    ``pause_s``        longest pause
    ``power_cuts``     share of kills that take the machine with them: unsynchronised files and names are lost
    ``at_a_step``      share of kills that wait for a step of a landing (written, renamed, committed …)
    ``flickers``       share of deaths at a step that a power cut follows within minutes
    ``outages_a_day``  of the store, ``outage_s`` longest; ``disk_refuses`` share of file steps refused by the disk
    ``lost_answers``   share of commits that the database took and whose answer was an error
    ``towers_a_day``   silences of each tower, ``tower_s`` longest
    ``clock_resets``   of each meter and day
    ``until_s``, ``from_s`` virtual seconds between which anything happens: a town in peace again must become whole
    """

    line: tuple[tuple[LineFault, float], ...] = ()
    kills_a_day: float = 0.0
    stops_a_day: float = 0.0
    pauses_a_day: float = 0.0
    pause_s: float = 900.0
    power_cuts: float = 0.0
    at_a_step: float = 0.0
    flickers: float = 0.0
    outages_a_day: float = 0.0
    outage_s: float = 2 * HOUR_S
    disk_refuses: float = 0.0
    lost_answers: float = 0.0
    towers_a_day: float = 0.0
    tower_s: float = 3 * HOUR_S
    clock_resets: float = 0.0
    from_s: float = 0.0
    until_s: float = float("inf")

    def acts(self, now_s: float) -> bool:
        """Whether faults happen now."""
        return self.from_s <= now_s < self.until_s


QUIET = Weather()
ROUGH = Weather(
    line=(
        (LineFault.REFUSED, 0.01),
        (LineFault.NO_ANSWER, 0.02),
        (LineFault.SILENT, 0.02),
        (LineFault.CUT, 0.02),
        (LineFault.FLIPPED, 0.01),
        (LineFault.DOUBLED, 0.01),
        (LineFault.RESTART, 0.005),
    ),
    kills_a_day=1.0,
    stops_a_day=0.5,
    pauses_a_day=2.0,
    power_cuts=0.3,
    at_a_step=0.5,
    flickers=0.2,
    outages_a_day=1.0,
    disk_refuses=0.002,
    lost_answers=0.002,
    towers_a_day=0.3,
    clock_resets=0.001,
)
STORM = replace(
    ROUGH,
    line=tuple((fault, 3 * share) for fault, share in ROUGH.line),
    kills_a_day=16.0,
    stops_a_day=2.0,
    pauses_a_day=6.0,
    outages_a_day=3.0,
    outage_s=HOUR_S,
    disk_refuses=0.02,
    lost_answers=0.02,
    towers_a_day=1.0,
    clock_resets=0.02,
)
WEATHERS = {"quiet": QUIET, "rough": ROUGH, "storm": STORM}
