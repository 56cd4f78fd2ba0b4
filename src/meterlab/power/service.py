"""Physics for a served town: where feeder-days are kept, since when there is a flow, who makes the days."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from meterlab.calendar import day_of
from meterlab.interruptions import Interruptions
from meterlab.power.process import FlowProcess
from meterlab.power.store import FlowStore
from meterlab.power.supply import Supply
from meterlab.town import Town


class Physics:
    """The power flow of one town. ``flow_of`` is what ``lab.build`` takes.

    ``days`` before the start there is already a flow, at the first start; later starts go on from there. With
    ``own_process`` all those days are made before it returns, and further ones beside the meters' answers;
    without, a day is made when somebody asks for it. ``tell`` hears how far it is.
    """

    def __init__(
        self,
        *,
        directory: Path,
        now_s: float,
        days: int,
        own_process: bool = False,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._directory, self._now_s, self._days = directory, now_s, days
        self._own_process, self._tell = own_process, tell
        self._process: FlowProcess | None = None

    def flow_of(self, town: Town, interruptions: Interruptions) -> Supply:
        """The flow, after all scenes are played."""
        store = FlowStore(self._directory, town)
        today = day_of(self._now_s)
        since_day = store.since(today - self._days)
        if self._own_process:
            self._process = FlowProcess(town, self._directory)
        ask = None if self._process is None else self._process.ask
        supply = Supply(town, interruptions, since_day=since_day, store=store, ask=ask)
        if self._process is not None:
            self._make_ahead(self._process, store, supply, range(since_day, today + 2), len(town.feeders))
        return supply

    def _make_ahead(
        self, process: FlowProcess, store: FlowStore, supply: Supply, days: range, feeders: int
    ) -> None:
        wanted = [supply.wanted(feeder, day) for day in days for feeder in range(feeders)]
        missing = [each for each in wanted if not store.holds(*each)]
        step = max(1, len(missing) // 10)

        def made(count: int) -> None:
            if count % step == 0 or count == len(missing):
                self._tell(f"power flow: {count} of {len(missing)} feeder-days made")

        process.make_all(missing, made)

    def close(self) -> None:
        """End the flow's process."""
        if self._process is not None:
            self._process.close()
