"""What a scene may change, and how its parameters are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

from meterlab.calendar import day_of, midnight_s
from meterlab.conduct import Conduct
from meterlab.distortions import Distortion
from meterlab.identity import serial
from meterlab.push_shares import PushShares
from meterlab.radio import Radio
from meterlab.state import Event, State
from meterlab.town import Town

HOUR_S = 3600
_EPOCH_DAY = date(1970, 1, 1).toordinal()

Parameters = dict[str, str]


@dataclass(slots=True, kw_only=True)
class Stage:
    """What a scene may change. ``now_s``: town time at the start; ``defaulters``: homes that owe."""

    town: Town
    state: State
    radio: Radio
    now_s: float
    conducts: dict[int, Conduct] = field(default_factory=dict)
    distortions: dict[int, Distortion] = field(default_factory=dict)
    push: PushShares = field(default_factory=PushShares)
    defaulters: list[int] = field(default_factory=list)

    def conduct(self, meter: int) -> Conduct:
        """The conduct of a meter, to be changed."""
        return self.conducts.setdefault(meter, Conduct())

    def will_log(self, meter: int, at_s: int, code: int, log: str) -> None:
        """Write an event that happens at ``at_s``, be it past or to come, at the meter's own time."""
        event = Event(at_s=at_s, stamp_s=int(self.state.clock_s(meter, at_s)), code=code, log=log)
        self.state.events.setdefault(meter, []).append(event)


def whole(text: str, what: str) -> int:
    """A whole number. Raises ValueError, as all of these do, in words for the person who typed it."""
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{what}={text} is no whole number") from None


def number(text: str, what: str) -> float:
    """A number."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{what}={text} is no number") from None


def share_of(parameters: Parameters) -> float:
    """``share``, from 0 to 1."""
    share = number(parameters["share"], "share")
    if not 0 <= share <= 1:
        raise ValueError(f"share={share:g} is not between 0 and 1")
    return share


def meter_of(stage: Stage, parameters: Parameters) -> int:
    """``meter``: a number from 0, or a serial number."""
    text = parameters["meter"]
    numbers = {serial(stage.town.seed, n): n for n in range(len(stage.town))} if text.startswith("ML") else {}
    return one_of(numbers[text] if text in numbers else whole(text, "meter"), len(stage.town), "meter")


def home_of(stage: Stage, parameters: Parameters) -> int:
    """``meter``, which must be a home's."""
    meter = meter_of(stage, parameters)
    if not stage.town.is_consumer(meter):
        raise ValueError(f"meter {meter} is not a home's")
    return meter


def transformer_of(stage: Stage, parameters: Parameters) -> int:
    """``transformer``: a number from 0."""
    return one_of(whole(parameters["transformer"], "transformer"), stage.town.transformers, "transformer")


def feeder_of(stage: Stage, parameters: Parameters) -> int:
    """``feeder``: a number from 0."""
    return one_of(whole(parameters["feeder"], "feeder"), len(stage.town.feeders), "feeder")


def homes_of_feeder(town: Town, feeder: int) -> NDArray[np.int64]:
    """The homes below a feeder, ``int64[home]``."""
    return town.homes_of_all(town.transformers_of(feeder))


def one_of(at: int, count: int, what: str) -> int:
    """A number that counts something of this town."""
    if not 0 <= at < count:
        raise ValueError(f"{what} {at} is not one of this town's {count}, which count from 0")
    return at


def day(stage: Stage, text: str) -> int:
    """A civil date, or days from the start: 0, 1, -3."""
    if text.count("-") == 2:
        return date.fromisoformat(text).toordinal() - _EPOCH_DAY
    return day_of(stage.now_s) + whole(text, "day")


def hours_of(stage: Stage, parameters: Parameters) -> tuple[int, int]:
    """``day``, ``hour`` and ``hours`` as an interval; ``next`` is the first whole hour after the start."""
    lasts_s = int(number(parameters["hours"], "hours") * HOUR_S)
    if parameters["hour"] == "next":
        begin_s = int(-(-stage.now_s // HOUR_S)) * HOUR_S
    else:
        begin_s = midnight_s(day(stage, parameters["day"])) + int(number(parameters["hour"], "hour") * HOUR_S)
    if lasts_s <= 0:
        raise ValueError(f"hours={parameters['hours']} is no length of time")
    return begin_s, begin_s + lasts_s


def minutes_of(stage: Stage, parameters: Parameters) -> tuple[int, int]:
    """``after`` seconds from the start, for ``minutes``, as an interval."""
    begin_s = int(stage.now_s + number(parameters["after"], "after"))
    end_s = begin_s + int(60 * number(parameters["minutes"], "minutes"))
    if end_s <= begin_s:
        raise ValueError(f"minutes={parameters['minutes']} is no length of time")
    return begin_s, end_s
