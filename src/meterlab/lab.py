"""One town with everything that answers for it: state, objects, radio, conduct; put together from a few words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bijlighar.dlms.models import load_model
from meterlab import identity, scenes
from meterlab.city import HOMES, city
from meterlab.conduct import WELL_BEHAVED, Conduct
from meterlab.demand import Demand
from meterlab.interruptions import Interruptions
from meterlab.makes import Share, with_makes
from meterlab.objects import Objects
from meterlab.plans import ModelPlan
from meterlab.push_shares import PushShares
from meterlab.quantities import Source
from meterlab.radio import Fate, Radio, RadioKind
from meterlab.registers import INSTALLED_S, PowerFlow, Registers
from meterlab.scene_stage import Stage
from meterlab.state import State
from meterlab.town import Town, mohalla
from meterlab.trial import FLATS, trial

HISTORY_DAYS = 36
"""35 days that every profile keeps, and the day that began before them."""

_FIRST_START_S = INSTALLED_S + 86_400 * HISTORY_DAYS


FlowOf = Callable[[Town, Interruptions], PowerFlow]
"""Makes the power flow of a town under its interruptions."""


class UnknownTown(Exception):
    """A town that cannot be built. The message says why."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lab:
    """A town ready to answer.

    ``keys`` is ``uint8[meter, octet]``; ``conducts`` holds only who misbehaves, ``defaulters`` homes that owe.
    """

    town: Town
    state: State
    objects: Objects
    radio: Radio
    keys: NDArray[np.uint8]
    conducts: dict[int, Conduct]
    push: PushShares = field(default_factory=PushShares)
    defaulters: tuple[int, ...] = ()

    def conduct(self, meter: int) -> Conduct:
        """How a meter behaves on the wire."""
        return self.conducts.get(meter, WELL_BEHAVED)

    def fate(self, meter: int, now_s: float) -> Fate:
        """What becomes of a try to reach a meter now; one without supply is dark."""
        cuts = self.state.interruptions.cuts(int(self.town.transformer[meter]))
        if any(begin <= now_s < end for begin, end in cuts):
            return Fate.RESET
        return self.radio.fate(meter, now_s)

    def prepare(self, now_s: float) -> None:
        """Make the registers of the last 35 days ready for all meters; once a day is enough."""
        registers = self.objects.source.registers
        registers.prepare(now_s, HISTORY_DAYS)
        if registers.flow is not None:
            registers.flow.prepare(now_s)


def town_named(name: str, seed: int, consumers: int | None, makes: Sequence[Share] = ()) -> Town:
    """The town of a name: ``trial`` with its 11 homes (with any other number it is a mohalla), mohalla or city.

    Raises UnknownTown, and WrongShare for makes that cannot be dealt.
    """
    return with_makes(_town_named(name, seed, consumers), makes)


def _town_named(name: str, seed: int, consumers: int | None) -> Town:
    if name not in ("trial", "mohalla", "city"):
        raise UnknownTown(f"there is no town {name!r}; known are trial, mohalla and city")
    if name == "trial" and consumers in (None, len(FLATS)):
        return trial(seed)
    try:
        if name == "city":
            return city(seed, HOMES if consumers is None else consumers)
        return mohalla(seed, 2000 if consumers is None else consumers)
    except ValueError as fault:
        raise UnknownTown(str(fault)) from None


def build(
    town: Town,
    *,
    now_s: float,
    calls: Sequence[scenes.SceneCall] = (),
    radio: RadioKind = RadioKind.NONE,
    radio_scale: float = 1.0,
    flow_of: FlowOf | None = None,
) -> Lab:
    """A lab whose process starts at ``now_s``, with its scenes played. Raises UnknownTown, UnknownScene.

    ``flow_of`` makes the power flow once all scenes are played; None: the cheap model tells voltage and losses.
    """
    if now_s < _FIRST_START_S:
        raise UnknownTown("the meters were installed on 2024-04-01 and need 36 days of history: start later")
    state = State(town, start_s=now_s)
    registers = Registers(town, state.interruptions)
    plans = {name: ModelPlan.of(load_model(name)) for name in town.models}
    objects = Objects(Source(registers=registers, demand=Demand(registers), state=state), plans)
    stage = Stage(
        town=town,
        state=state,
        radio=Radio(town, kind=radio, scale=radio_scale),
        now_s=now_s,
        distortions=objects.distortions,
    )
    keys = identity.key_columns(town.seed, np.arange(len(town)))
    for call in calls:
        scenes.play(call, stage)
    if flow_of is not None:
        registers.flow = flow_of(town, state.interruptions)
    return Lab(
        town=stage.town,
        state=state,
        objects=objects,
        radio=stage.radio,
        keys=keys,
        conducts=stage.conducts,
        push=stage.push,
        defaulters=tuple(stage.defaulters),
    )
