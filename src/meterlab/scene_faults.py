"""Scenes of single meters: unreachable, slow, wrong in their clock, their profiles or their name."""

from __future__ import annotations

from collections.abc import Callable

from meterlab.calendar import midnight_s
from meterlab.distortions import Distortion
from meterlab.radio import Outage
from meterlab.scene_stage import HOUR_S, Parameters, Stage, day, hours_of, meter_of, number, whole

NEW_YEAR_2000_S = 946_665_000
"""2000-01-01 00:00 in Kolkata: what a clock shows that has lost its battery."""


def bad_meter(stage: Stage, parameters: Parameters) -> None:
    """Most tries to reach one meter fail, and some hours it is silent."""
    meter = meter_of(stage, parameters)
    stage.radio.unlucky[meter] = number(parameters["fails"], "fails")
    stage.radio.silent_hours[meter] = number(parameters["silent"], "silent")


def bad_tower_hour(stage: Stage, parameters: Parameters) -> None:
    """All meters are out of reach."""
    begin_s, end_s = hours_of(stage, parameters)
    stage.radio.outages.append(Outage(begin_s=begin_s, end_s=end_s))


def drifting_clock(stage: Stage, parameters: Parameters) -> None:
    """One clock runs away."""
    meter = meter_of(stage, parameters)
    stage.state.drift_s_per_day[meter] = number(parameters["seconds"], "seconds")


def hang(stage: Stage, parameters: Parameters) -> None:
    """One meter never answers."""
    stage.conduct(meter_of(stage, parameters)).hangs = True


def drip(stage: Stage, parameters: Parameters) -> None:
    """One meter sends octet by octet."""
    stage.conduct(meter_of(stage, parameters)).drip_s = number(parameters["seconds"], "seconds")


def late(stage: Stage, parameters: Parameters) -> None:
    """One meter answers late."""
    stage.conduct(meter_of(stage, parameters)).late_s = number(parameters["seconds"], "seconds")


def reset_mid_block(stage: Stage, parameters: Parameters) -> None:
    """One meter hangs up in the middle of a long answer."""
    stage.conduct(meter_of(stage, parameters)).resets_mid_block = True


def replay(stage: Stage, parameters: Parameters) -> None:
    """One meter repeats an old answer."""
    stage.conduct(meter_of(stage, parameters)).replays = True


def relay_replay(stage: Stage, parameters: Parameters) -> None:
    """Somebody records the commands to one meter's relay and sends them again."""
    after_s = number(parameters["after"], "after")
    if after_s < 0:
        raise ValueError(f"after={after_s:g} lies before the command")
    stage.conduct(meter_of(stage, parameters)).commands_return_s = after_s


def changed_serial(stage: Stage, parameters: Parameters) -> None:
    """One meter shows another serial number."""
    stage.state.serials[meter_of(stage, parameters)] = parameters["serial"]


def year_2000(stage: Stage, parameters: Parameters) -> None:
    """One clock fell back."""
    at_s = stage.now_s - number(parameters["hours_ago"], "hours_ago") * HOUR_S
    stage.state.set_clock(meter_of(stage, parameters), NEW_YEAR_2000_S, at_s)


def missing_slots(stage: Stage, parameters: Parameters) -> None:
    """A power cut of the meter's transformer."""
    meter = meter_of(stage, parameters)
    begin_s = midnight_s(day(stage, parameters["day"])) + int(number(parameters["hour"], "hour") * HOUR_S)
    minutes = whole(parameters["minutes"], "minutes")
    stage.state.interruptions.supply_lost(int(stage.town.transformer[meter]), begin_s, begin_s + 60 * minutes)


def distorted(distortion: Distortion) -> Callable[[Stage, Parameters], None]:
    """One meter answers its profiles wrongly."""

    def distort(stage: Stage, parameters: Parameters) -> None:
        stage.distortions[meter_of(stage, parameters)] = distortion

    return distort
