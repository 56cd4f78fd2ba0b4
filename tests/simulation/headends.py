"""A head-end process of the town: started, killed, stopped, paused and started again, over the same records."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from bijlighar.cim.exchange import Unavailable
from bijlighar.headend.service import HeadEnd
from bijlighar.operations.headend_process import ports_of
from bijlighar.records import Records

from .disk import SimulatedFiles, put_steps_into
from .kernel import Process
from .town import RING

if TYPE_CHECKING:
    from .simulation import Simulation

AGAIN_S = (2.0, 90.0)
"""A supervisor starts a process again after this long."""
EXECUTOR_S = 0.002
"""Longest wait of an executor call for its thread."""


class SimulatedClock:
    """``headend.clock.Clock`` on virtual time."""

    def __init__(self, simulation: Simulation) -> None:
        self.now = simulation.now

    async def sleep_until(self, instant_s: float) -> None:
        """Return when the utility's clock shows ``instant_s``."""
        await asyncio.sleep(max(0.0, instant_s - self.now()))


class HeadEndLife:
    """One head-end that is always started again."""

    def __init__(self, simulation: Simulation, name: str, number: int) -> None:
        self._simulation = simulation
        self.name = name
        self._number = number
        self._lives = 0
        self._calls = 0
        self.process: Process | None = None
        self._records: Records | None = None
        self._headend: HeadEnd | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether its process stands."""
        return self.process is not None and not self.process.dead

    def start(self) -> None:
        """Begin a life; when the store is away, try again later."""
        simulation = self._simulation
        if self.alive:
            return
        self._lives += 1
        try:
            simulation.disk.check()
            records = Records(
                None,
                simulation.folder,
                now=simulation.now,
                wall=simulation.now,
                files=lambda root: SimulatedFiles(root, simulation.disk),
            )
        except Unavailable as error:
            simulation.tell(f"{self.name} cannot start: {error.reason}")
            self._start_again()
            return
        recovered = records.recovered
        simulation.tell(
            f"{self.name} starts its life {self._lives}: {len(recovered.adopted)} files adopted,"
            f" {len(recovered.removed)} removed, {len(recovered.lost)} lost"
        )
        if recovered.unreadable:
            simulation.watch.broken("files are whole or absent", f"{len(recovered.unreadable)} cannot be read")
        simulation.books.nothing_lost(records)
        put_steps_into(records, simulation.disk)
        self._records = records
        self._begin(records)

    def _begin(self, records: Records) -> None:
        simulation = self._simulation
        process = self.process = Process(
            simulation.kernel,
            self.name,
            faulted=simulation.own_fault,
            delay_s=self._executor_delay_s,
            connect=simulation.ether.connect,
        )
        settings = replace(simulation.plan.settings, owner=self.name)
        headend = self._headend = HeadEnd(
            ports_of(records),
            SimulatedClock(simulation),
            RING,
            settings,
            lambda topic, payload: simulation.watch.published(self.name, topic, payload),
        )
        draw = simulation.chance.stream("challenges", self._number, self._lives)
        headend._dispatcher._visitor._draw = draw.randbytes
        self._running = process.create_task(headend.run())
        self._running.add_done_callback(lambda task: self._ended(process, task))

    def _ended(self, process: Process, task: asyncio.Task[None]) -> None:
        if process is not self.process or task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, Unavailable):
            self._simulation.own_fault(f"{self.name} ended: {error!r}")
        self._simulation.tell(f"{self.name} has ended: {error or 'as told'}")
        self._simulation.world.call_soon(self._after_the_end)

    def _after_the_end(self) -> None:
        self.end()
        self._start_again()

    def _executor_delay_s(self) -> float:
        self._calls += 1
        return EXECUTOR_S * self._simulation.chance.unit("executor", self._number, self._calls)

    def _start_again(self) -> None:
        least_s, most_s = AGAIN_S
        wait_s = least_s + (most_s - least_s) * self._simulation.chance.unit("again", self._number, self._lives)
        self._simulation.world.call_later(wait_s, self.start)

    def believes_in(self, group: str) -> bool:
        """Whether it runs, and believes that it holds this group's lease."""
        if not self.alive or self.process.stands or self._headend is None or self._headend._loop is None:
            return False
        tenure = self._headend._tenure
        return group in tenure.epochs and not tenure.lapsed

    # What befalls it

    def killed(self, *, power_cut: bool = False) -> None:
        """Ended between two steps; a power cut also takes what was not synchronised, and no goodbye is said."""
        if not self.alive:
            return
        self._simulation.tell(f"{self.name} is killed" + (" by a power cut" if power_cut else ""))
        self.end(told=not power_cut)
        self._start_again()

    def told_to_stop(self) -> None:
        """SIGTERM."""
        if self.alive and self._headend is not None:
            self._simulation.tell(f"{self.name} is told to stop")
            self.process.create_task(self._headend.stop())

    def paused(self, seconds: float) -> None:
        """The machine runs nothing of it for a while."""
        if self.alive and not self.process.stands:
            self._simulation.tell(f"{self.name} is paused for {seconds:.1f} s")
            self.process.pause()
            self._simulation.world.call_later(seconds, self._goes_on, self.process)

    def _goes_on(self, process: Process) -> None:
        if not process.dead:
            self._simulation.tell(f"{self.name} goes on")
            process.go_on()

    def end(self, *, told: bool = True) -> None:
        """The process is no more: what it held in memory is gone, its locks and connections are the kernel's."""
        process, records = self.process, self._records
        if process is None or records is None or process.dead:
            return
        files = records.landing._files
        files.root = files.root / "nowhere"  # what dying code would tidy away stays
        process.dead = True
        self._simulation.ether.process_ended(process, told=told)
        process.kill()
        records._database.close()
        records._owner._lock.close()
        self._records = self._headend = self._running = None
