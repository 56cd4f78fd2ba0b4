"""What befalls processes, towers, the store and the meters' clocks, and when: drawn before the run begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .weather import DAY_S

if TYPE_CHECKING:
    from .simulation import Simulation

RESET_CLOCK_S = 946_684_800
"""2000-01-01: what a clock shows after its battery has died."""


STEPS_OF_A_LANDING = 16
"""Two or three files of five steps each, and a transaction."""


FLICKERS_S = 300.0
"""A power cut comes this long after the light flickered, or sooner."""


class Misfortunes:
    """Puts timers into the world; each draws whether and when by its own name."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def begin(self) -> None:
        """Draw everything."""
        town, weather = self._simulation, self._simulation.weather
        for number, life in enumerate(town.headends):
            self._some("kill", weather.kills_a_day, lambda draw, life=life: self._kill(life, draw), number)
            self._some("stop", weather.stops_a_day, lambda _, life=life: life.told_to_stop(), number)
            self._some(
                "pause",
                weather.pauses_a_day,
                lambda draw, life=life: life.paused(weather.pause_s * draw.random() ** 2),
                number,
            )
        for number, group in enumerate(sorted(set(town.land.groups))):
            self._some("tower", weather.towers_a_day, lambda draw, group=group: self._tower(group, draw), number)
        self._some("outage", weather.outages_a_day, self._outage, 0)
        for meter in range(len(town.lab.town)):
            self._some("clock", weather.clock_resets, lambda _, meter=meter: self._reset_clock(meter), meter)

    def _some(self, what: str, a_day: float, act: Callable[..., None], number: int) -> None:
        """A Poisson process."""
        town = self._simulation
        if a_day <= 0:
            return
        draw = town.chance.stream(f"when {what}", number)
        at_s, count = draw.expovariate(a_day) * DAY_S, 0
        while at_s < town.plan.end_s:
            count += 1
            if town.weather.acts(at_s):
                own = town.chance.stream(what, number, count)
                town.world.call_at(at_s, self._befalls, what, act, own)
            at_s += draw.expovariate(a_day) * DAY_S

    def _befalls(self, what: str, act: Callable[..., None], draw: object) -> None:
        self._simulation.befell[what] += 1
        act(draw)

    def _kill(self, life, draw) -> None:
        town = self._simulation
        if draw.random() >= town.weather.power_cuts:
            if draw.random() >= town.weather.at_a_step:
                life.killed()
            elif life.alive:
                town.disk.condemned[life.process] = draw.randrange(STEPS_OF_A_LANDING)
            return
        self.power_cut()

    def power_cut(self) -> None:
        """The machine goes dark, with every process and with what was not safe."""
        self._simulation.befell["power cut"] += 1
        for other in self._simulation.headends:
            other.killed(power_cut=True)
        self._simulation.disk.power_cut()

    def died_at_a_step(self, number: int) -> None:
        """Perhaps the light only flickered, and goes out for good while the process has just begun again."""
        town = self._simulation
        town.befell["killed at a step"] += 1
        if town.chance.unit("flickers", number) < town.weather.flickers:
            town.world.call_later(FLICKERS_S * town.chance.unit("flicker", number), self._goes_out)

    def _goes_out(self) -> None:
        if self._simulation.weather.acts(self._simulation.kernel.now_s):
            self.power_cut()

    def _tower(self, group: str, draw) -> None:
        town = self._simulation
        seconds = min(town.weather.tower_s * draw.random() ** 2, town.weather.until_s - town.kernel.now_s)
        town.tell(f"{group} is silent for {seconds:.0f} s")
        town.dark_until[group] = max(town.dark_until.get(group, 0.0), town.kernel.now_s + seconds)

    def _outage(self, draw) -> None:
        town = self._simulation
        seconds = town.weather.outage_s * draw.random() ** 2
        town.tell(f"the store is away for {seconds:.0f} s")
        town.disk.away = True
        town.world.call_later(seconds, self._store_is_back)

    def _store_is_back(self) -> None:
        self._simulation.tell("the store is back")
        self._simulation.disk.away = False

    def _reset_clock(self, meter: int) -> None:
        town = self._simulation
        town.tell(f"meter {meter} has lost its clock")
        town.jumped.add(meter)
        town.lab.state.set_clock(meter, RESET_CLOCK_S, town.now())
