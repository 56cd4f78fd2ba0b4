"""Virtual time: every process, thread and timer of a simulated town as steps of one scheduler.

Time stands while anything is ready and then jumps to the next timer. A process has an asyncio event loop of its
own and shares nothing with others but what it wrote. Blocking code (executor calls, the landing thread) runs
unmodified in a greenlet, which the scheduler takes up again when what it waits for has come; between two waits
nothing else runs. No thread, socket or sleep of the machine is used, so a seed replays step by step.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable

import greenlet


class Killed(BaseException):
    """Unwinds what is left of a dead process, whose effects no longer reach anything."""


class Kernel:
    """The scheduler. ``now_s`` is the machine's monotonic clock; ``steps`` counts what was run."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.steps = 0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._sequence = 0

    def soon(self, handle: asyncio.Handle) -> None:
        """Run ``handle`` after all that is ready."""
        self._ready.append(handle)

    def at(self, when_s: float, handle: asyncio.TimerHandle) -> None:
        """Run ``handle`` at ``when_s``; timers of one instant run in the order in which they were set."""
        self._sequence += 1
        heapq.heappush(self._timers, (when_s, self._sequence, handle))

    def run(self, until_s: float) -> None:
        """Run until the clock shows ``until_s``."""
        ready, timers = self._ready, self._timers
        before = events._get_running_loop()
        events._set_running_loop(None)
        try:
            while True:
                while ready:
                    self._step(ready.popleft())
                if not timers or timers[0][0] > until_s:
                    break
                when_s, _, timer = heapq.heappop(timers)
                if timer.cancelled():
                    continue
                self.now_s = max(self.now_s, when_s)
                self._step(timer)
        finally:
            events._set_running_loop(before)
        self.now_s = until_s

    def _step(self, handle: asyncio.Handle) -> None:
        process: Process = handle._loop
        if process.dead or handle.cancelled():
            return
        if process.stands:
            process.backlog.append(handle)
            return
        self.steps += 1
        events._set_running_loop(process)
        handle._run()


class Task(asyncio.Task):
    """A task whose place in a set does not depend on where it lies in memory."""

    def __init__(self, coro, *, number, **settings) -> None:
        self._number = number  # first, for the task is put into a set while it is made
        super().__init__(coro, **settings)

    def __hash__(self) -> int:
        return self._number


class Process(asyncio.AbstractEventLoop):
    """One process of the town, as the event loop that its code sees.

    ``stands``  paused by the machine (a collection of garbage, a suspended guest): its steps wait
    ``delay_s`` seconds that an executor call waits for its thread, asked at every call
    """

    def __init__(
        self,
        kernel: Kernel,
        name: str,
        *,
        faulted: Callable[[str], None],
        delay_s: Callable[[], float] = lambda: 0.0,
        connect: Callable[..., object] | None = None,
    ) -> None:
        self.kernel = kernel
        self.name = name
        self.dead = self.stands = False
        self.backlog: list[asyncio.Handle] = []
        self.workers: dict[Worker, None] = {}
        self._faulted = faulted
        self._delay_s = delay_s
        self._connect = connect
        self._lanes: dict[object, deque[Callable[[], None]]] = {}
        self._tasks = 0

    # What asyncio asks of a loop

    def time(self) -> float:
        return self.kernel.now_s

    def call_soon(self, callback, *args, context=None):
        handle = asyncio.Handle(callback, args, self, context)
        self.kernel.soon(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay, callback, *args, context=None):
        return self.call_at(self.kernel.now_s + delay, callback, *args, context=context)

    def call_at(self, when, callback, *args, context=None):
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self.kernel.at(when, handle)
        return handle

    def _timer_handle_cancelled(self, handle) -> None:
        """The scheduler passes over it when its time comes."""

    def create_future(self):
        return asyncio.Future(loop=self)

    def create_task(self, coro, *, name=None, context=None):
        self._tasks += 1
        name = name or f"{self.name}-{self._tasks}"
        return Task(coro, number=self._tasks, loop=self, name=name, context=context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.dead

    def is_closed(self) -> bool:
        return self.dead

    def call_exception_handler(self, context) -> None:
        if not self.dead:
            self._faulted(f"{context['message']}: {context.get('exception')!r}")

    async def create_connection(self, protocol_factory, host=None, port=None, **_):
        return await self._connect(self, protocol_factory, host, port)

    def run_in_executor(self, executor, func, *args):
        """Run blocking code; calls to an executor of one thread wait for each other."""
        future = self.create_future()
        lane = self._lanes.setdefault(executor, deque()) if getattr(executor, "_max_workers", 0) == 1 else None

        def begin() -> None:
            self.call_later(self._delay_s(), Worker(self, act).resume)

        def act() -> None:
            if not future.cancelled():
                try:
                    future.set_result(func(*args))
                except Exception as error:  # noqa: BLE001 (as an executor does)
                    future.set_exception(error)
            if lane is not None:
                lane.popleft()
                if lane:
                    lane[0]()

        if lane is None:
            begin()
        else:
            lane.append(begin)
            if len(lane) == 1:
                begin()
        return future

    # What befalls a process

    def pause(self) -> None:
        """The machine runs nothing of it until ``go_on``."""
        self.stands = True

    def go_on(self) -> None:
        """All that fell due meanwhile runs now, in order."""
        self.stands = False
        for handle in self.backlog:
            self.kernel.soon(handle)
        self.backlog.clear()

    def kill(self) -> None:
        """End it between two steps, without any clean-up of its own."""
        self.dead = True
        self.backlog.clear()
        tasks = sorted(asyncio.all_tasks(self), key=hash)
        workers = list(self.workers)
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            for task in tasks:
                task._log_destroy_pending = False
                _unwind(task.get_coro())
            for worker in workers:
                worker.bury()
        finally:
            events._set_running_loop(before)


_MOST_UNWINDING = 100
"""Waits in the ``finally`` of a dead coroutine: each is thrown out of in turn."""


def _unwind(coroutine) -> None:
    for _ in range(_MOST_UNWINDING):
        try:
            coroutine.throw(Killed())
        except BaseException:  # noqa: BLE001 (the end of it, or what dying code raises, which is nobody's business)
            return


SHORTEST_NAP_S = 1e-4
"""No thread wakes sooner after it went to sleep: code that waits for the rest of a rounded second gets on."""


class Worker(greenlet.greenlet):
    """Blocking code of a process: one virtual thread."""

    def __init__(self, process: Process, act: Callable[[], object]) -> None:
        super().__init__(self._work)
        self.process = process
        self._act = act
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = False
        self.ended = False
        self._joined: list[Worker] = []
        process.workers[self] = None

    def _work(self, _: object = None) -> None:
        try:
            self._act()
        except Killed:
            return
        except Exception as error:  # noqa: BLE001 (a thread that dies is told)
            self.process.call_exception_handler({"message": "a thread ended", "exception": error})
        finally:
            self.ended = True
            self.process.workers.pop(self, None)
            for other in self._joined:
                other.wake()

    def resume(self, word: object = None) -> None:
        """Run on until it waits again or ends. For the scheduler."""
        if not self.dead:
            self.parent = greenlet.getcurrent()
            self.switch(word)

    def sleep(self, seconds: float | None) -> bool:
        """Called by its own code: wait; True when woken before the time."""
        if self.process.dead:
            raise Killed
        self._waiting = True
        if seconds is not None:
            self._timer = self.process.call_later(max(seconds, SHORTEST_NAP_S), self._overslept)
        word = self.parent.switch()
        return word == "woken"

    def _overslept(self) -> None:
        self._timer = None
        if self._waiting:
            self._waiting = False
            self.resume("overslept")

    def wake(self) -> None:
        """It goes on as soon as the scheduler comes to it."""
        if self._waiting and not self.process.dead:
            self._waiting = False
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self.process.call_soon(self.resume, "woken")

    def bury(self) -> None:
        """Unwind it; what it does while it dies reaches nothing."""
        if self and not self.ended:
            self.throw(Killed())

    def joined_by(self, other: Worker) -> None:
        """``other`` waits for the end."""
        self._joined.append(other)


def current_worker() -> Worker | None:
    """The virtual thread that asks; None on an event loop."""
    found = greenlet.getcurrent()
    return found if isinstance(found, Worker) else None


class Condition:
    """``threading.Condition`` of virtual threads: nothing else runs between two waits, so it guards by itself."""

    def __init__(self) -> None:
        self._waiters: deque[Worker] = deque()

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_: object) -> None:
        pass

    def wait(self, timeout: float | None = None) -> bool:
        worker = current_worker()
        assert worker is not None, "an event loop must not block"
        self._waiters.append(worker)
        try:
            return worker.sleep(timeout)
        finally:
            if worker in self._waiters:
                self._waiters.remove(worker)

    def notify(self, n: int = 1) -> None:
        for _ in range(min(n, len(self._waiters))):
            self._waiters.popleft().wake()

    def notify_all(self) -> None:
        self.notify(len(self._waiters))


class Thread:
    """``threading.Thread`` as a virtual thread of the process that starts it."""

    def __init__(self, target, *, name=None, args=(), kwargs=None, daemon=None) -> None:
        self.name, self.daemon = name, daemon
        self._act = lambda: target(*args, **(kwargs or {}))
        self._worker: Worker | None = None

    def start(self) -> None:
        process = events._get_running_loop()
        self._worker = Worker(process, self._act)
        process.call_soon(self._worker.resume)

    def join(self, timeout: float | None = None) -> None:
        waits, worker = current_worker(), self._worker
        assert waits is not None, "an event loop must not block"
        if worker is not None and not worker.ended:
            worker.joined_by(waits)
            waits.sleep(timeout)

    def is_alive(self) -> bool:
        return self._worker is not None and not self._worker.ended
