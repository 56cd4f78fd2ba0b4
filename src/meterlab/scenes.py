"""Faults by name: what ``--scene NAME[:parameter=value]...`` does to a town."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from meterlab import distortions, push_scenes
from meterlab.calendar import day_of, midnight_s
from meterlab.conduct import Conduct
from meterlab.distortions import Distortion
from meterlab.identity import serial
from meterlab.push_shares import PushShares
from meterlab.radio import Outage, Radio
from meterlab.state import State
from meterlab.town import Town

_HOUR_S = 3600
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_NEW_YEAR_2000_S = 946_665_000  # 2000-01-01 00:00 in Kolkata


class UnknownScene(Exception):
    """A ``--scene`` that cannot be played. ``text`` as given, ``reason`` one sentence."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"scene {text!r}: {reason}")
        self.text = text
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a scene may change. ``now_s``: town time at the start."""

    town: Town
    state: State
    radio: Radio
    now_s: float
    conducts: dict[int, Conduct] = field(default_factory=dict)
    distortions: dict[int, Distortion] = field(default_factory=dict)
    push: PushShares = field(default_factory=PushShares)

    def conduct(self, meter: int) -> Conduct:
        """The conduct of a meter, to be changed."""
        return self.conducts.setdefault(meter, Conduct())


Parameters = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A fault that can be asked for. ``defaults`` names every parameter and what it is when not given."""

    name: str
    tells: str
    defaults: Parameters
    play: Callable[[Stage, Parameters], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneCall:
    """One ``--scene``: a scene and its parameters, defaults filled in."""

    scene: Scene
    parameters: Parameters


def parse(text: str) -> SceneCall:
    """Read ``NAME[:parameter=value]...``. Raises UnknownScene."""
    name, *given = text.split(":")
    scene = SCENES.get(name)
    if scene is None:
        raise UnknownScene(text, f"there is no scene {name!r}; `meterlab scenes` lists them")
    parameters = dict(scene.defaults)
    for part in given:
        key, equals, value = part.partition("=")
        if not equals or key not in parameters:
            known = ", ".join(parameters) or "none"
            raise UnknownScene(text, f"{part!r} is no parameter of it (known: {known})")
        parameters[key] = value
    return SceneCall(scene=scene, parameters=parameters)


def play(call: SceneCall, stage: Stage) -> None:
    """Let a scene do what it does. Raises UnknownScene for a value that means nothing in this town."""
    try:
        call.scene.play(stage, call.parameters)
    except ValueError as fault:
        raise UnknownScene(call.scene.name, str(fault)) from None


def _meter(stage: Stage, parameters: Parameters) -> int:
    text = parameters["meter"]
    numbers = {serial(stage.town.seed, n): n for n in range(len(stage.town))} if text.startswith("ML") else {}
    meter = numbers[text] if text in numbers else _whole(text, "meter")
    if not 0 <= meter < len(stage.town):
        raise ValueError(f"meter {meter} is not one of this town's {len(stage.town)}, which count from 0")
    return meter


def _whole(text: str, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{what}={text} is no whole number") from None


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{what}={text} is no number") from None


def _hour_of(stage: Stage, parameters: Parameters) -> tuple[int, int]:
    """``day``, ``hour`` and ``hours`` as an interval; ``next`` is the first whole hour after the start."""
    lasts_s = _whole(parameters["hours"], "hours") * _HOUR_S
    if parameters["hour"] == "next":
        begin_s = int(-(-stage.now_s // _HOUR_S)) * _HOUR_S
    else:
        begin_s = midnight_s(_day(stage, parameters["day"])) + _whole(parameters["hour"], "hour") * _HOUR_S
    return begin_s, begin_s + lasts_s


def _day(stage: Stage, text: str) -> int:
    """A civil date, or days from the start: 0, 1, -3."""
    if text.count("-") == 2:
        return date.fromisoformat(text).toordinal() - _EPOCH_DAY
    return day_of(stage.now_s) + _whole(text, "day")


def _bad_meter(stage: Stage, parameters: Parameters) -> None:
    meter = _meter(stage, parameters)
    stage.radio.unlucky[meter] = _number(parameters["fails"], "fails")
    stage.radio.silent_hours[meter] = _number(parameters["silent"], "silent")


def _bad_tower_hour(stage: Stage, parameters: Parameters) -> None:
    begin_s, end_s = _hour_of(stage, parameters)
    stage.radio.outages.append(Outage(begin_s=begin_s, end_s=end_s))


def _drifting_clock(stage: Stage, parameters: Parameters) -> None:
    meter = _meter(stage, parameters)
    stage.state.drift_s_per_day[meter] = _number(parameters["seconds"], "seconds")


def _hang(stage: Stage, parameters: Parameters) -> None:
    stage.conduct(_meter(stage, parameters)).hangs = True


def _drip(stage: Stage, parameters: Parameters) -> None:
    stage.conduct(_meter(stage, parameters)).drip_s = _number(parameters["seconds"], "seconds")


def _late(stage: Stage, parameters: Parameters) -> None:
    stage.conduct(_meter(stage, parameters)).late_s = _number(parameters["seconds"], "seconds")


def _reset_mid_block(stage: Stage, parameters: Parameters) -> None:
    stage.conduct(_meter(stage, parameters)).resets_mid_block = True


def _replay(stage: Stage, parameters: Parameters) -> None:
    stage.conduct(_meter(stage, parameters)).replays = True


def _changed_serial(stage: Stage, parameters: Parameters) -> None:
    stage.state.serials[_meter(stage, parameters)] = parameters["serial"]


def _year_2000(stage: Stage, parameters: Parameters) -> None:
    at_s = stage.now_s - _number(parameters["hours_ago"], "hours_ago") * _HOUR_S
    stage.state.set_clock(_meter(stage, parameters), _NEW_YEAR_2000_S, at_s)


def _missing_slots(stage: Stage, parameters: Parameters) -> None:
    meter = _meter(stage, parameters)
    begin_s = midnight_s(_day(stage, parameters["day"])) + int(_number(parameters["hour"], "hour") * _HOUR_S)
    minutes = _whole(parameters["minutes"], "minutes")
    stage.state.interruptions.supply_lost(int(stage.town.transformer[meter]), begin_s, begin_s + 60 * minutes)


def _distorted(distortion: Distortion) -> Callable[[Stage, Parameters], None]:
    def distort(stage: Stage, parameters: Parameters) -> None:
        stage.distortions[_meter(stage, parameters)] = distortion

    return distort


def _scene(name: str, tells: str, play_it: Callable[[Stage, Parameters], None], **defaults: str) -> Scene:
    return Scene(name=name, tells=tells, defaults=defaults, play=play_it)


_ALL = (
    _scene(
        "bad-meter",
        "60 % of the tries to reach one meter fail, and in one town hour in eight it never answers.",
        _bad_meter,
        meter="6",
        fails="0.6",
        silent="0.125",
    ),
    _scene(
        "bad-tower-hour",
        "All meters are out of reach for a town hour: the next whole one, or hour=0..23 of day=DATE or 0, 1, ...",
        _bad_tower_hour,
        day="0",
        hour="next",
        hours="1",
    ),
    _scene("drifting-clock", "One clock gains 45 seconds a day.", _drifting_clock, meter="8", seconds="45"),
    _scene("hang", "One meter accepts the connection and never answers.", _hang, meter="2"),
    _scene("drip", "One meter sends an octet a second.", _drip, meter="2", seconds="1"),
    _scene("late", "One meter answers 45 seconds of the wall late.", _late, meter="2", seconds="45"),
    _scene(
        "reset-mid-block",
        "One meter tears the connection down instead of sending the second block of a long answer.",
        _reset_mid_block,
        meter="2",
    ),
    _scene(
        "changed-serial",
        "One meter shows another serial number than the register of meters holds.",
        _changed_serial,
        meter="2",
        serial="ML99999999",
    ),
    _scene(
        "year-2000",
        "One clock fell back to 2000-01-01 six hours before the start; blocks since then carry that time.",
        _year_2000,
        meter="2",
        hours_ago="6",
    ),
    _scene(
        "short-rows",
        "Every third row of one meter's profiles lacks its last cell.",
        _distorted(distortions.short_rows),
        meter="2",
    ),
    _scene(
        "null-cells",
        "One meter sends null for the clock after the first row, and for every fifth other cell.",
        _distorted(distortions.null_cells),
        meter="2",
    ),
    _scene(
        "wrong-tags",
        "The last cell of every second row of one meter's profiles has a tag that no type has.",
        _distorted(distortions.wrong_tags),
        meter="2",
    ),
    _scene(
        "oversized",
        "One meter answers every profile with 60,000 rows.",
        _distorted(distortions.oversized),
        meter="2",
    ),
    _scene("replay", "One meter repeats an old ciphered answer as its third.", _replay, meter="2"),
    _scene(
        "missing-slots",
        "A power cut of the meter's transformer: rows are absent, events 101 and 102 tell why.",
        _missing_slots,
        meter="0",
        day="-1",
        hour="14",
        minutes="150",
    ),
    _scene(
        "last-gasp-storm",
        "A feeder loses supply: 70 % of its meters push a last gasp within 30 s (needs --push).",
        push_scenes.last_gasp_storm,
        feeder="0",
        after="10",
        minutes="35",
    ),
    _scene("push-duplicates", "A share of all pushes comes twice.", push_scenes.push_duplicates, share="0.5"),
    _scene(
        "push-replay",
        "Somebody sends old pushes again; some meters use a counter twice.",
        push_scenes.push_replay,
        share="0.2",
        reused="0.02",
    ),
    _scene("push-forged", "Somebody pushes in the meters' names.", push_scenes.push_forged, share="0.2"),
    _scene(
        "push-blocks",
        "Long pushes come in general blocks.",
        push_scenes.push_blocks,
        share="0.5",
        octets="128",
    ),
)

SCENES = {scene.name: scene for scene in _ALL}
"""Every scene by its name."""
