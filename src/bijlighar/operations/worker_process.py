"""The worker process: the day's work in rounds, beside head-ends and control room, until it is told to stop."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from types import FrameType

import structlog

from bijlighar.cim.exchange import Unavailable
from bijlighar.headend.clock import Clock, SystemClock, TownClock
from bijlighar.mdm.billing import TariffRefused
from bijlighar.operations.billing_exchange.delivering import BillingDoor
from bijlighar.operations.billing_exchange.folder_door import FolderDoor, take_folder
from bijlighar.operations.billing_exchange.http_door import HttpDoor
from bijlighar.operations.billing_exchange.rounds import UnknownCycle, billing_round
from bijlighar.operations.day_keep import KeptTooShort
from bijlighar.operations.day_round import work_round
from bijlighar.operations.tariffs import UnknownTariff
from bijlighar.records import Records
from bijlighar.records.blocks import BlockDamaged
from bijlighar.records.blocks_manifest import Superseded
from bijlighar.records.segment import SegmentDamaged

LOOK_S = 1.0
"""How often the clock is looked at."""
ROUND_S = 3600
"""A round an hour of the utility's clock."""
REST = 4.0
"""However fast the town's clock runs, the worker rests this many times as long as its last round took: the control
room and the head-ends share the machine with it."""
LEAST_REST_S = 10.0

_log = structlog.get_logger("worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProcess:
    """What a worker is started with.

    ``clock_file``   the town's shared clock; None: the machine's
    ``billing_url``  where statements are sent, signed with ``billing_secret``; empty: the billing server fetches
    ``billing_cim``  as IEC 61968-9 messages; ``billing_folder`` as sheets below it instead
    ``tariffs_dir``  the utility's own tariffs; None: those of the package alone
    """

    records_url: str
    data_dir: Path
    clock_file: Path | None = None
    billing_url: str = ""
    billing_secret: str = field(default="", repr=False)
    billing_cim: bool = False
    billing_folder: Path | None = None
    tariffs_dir: Path | None = None


class Worker:
    """Rounds, one after another."""

    def __init__(self, records: Records, clock: Clock, bill: Callable[[int], object] | None = None) -> None:
        self._records = records
        self._bill = bill
        self._clock = clock
        self._stop = threading.Event()
        self._due_s = 0.0

    def stop(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Have ``run`` return after the day that is being worked on."""
        self._stop.set()

    def run(self) -> None:
        """Work until ``stop``."""
        rest_s = LOOK_S
        while not self._stop.wait(rest_s):
            rest_s = LOOK_S
            if self._clock.now() >= self._due_s:
                began_s = perf_counter()
                self.round()
                rest_s = max(LEAST_REST_S, REST * (perf_counter() - began_s))

    def round(self) -> bool:
        """One round; True when it went to its end. What cannot be done now is tried again in the next one."""
        now_s = self._clock.now()
        self._due_s = (now_s // ROUND_S + 1) * ROUND_S
        try:
            work_round(self._records, now_s, going_on=lambda: not self._stop.is_set())
            if self._bill is not None and not self._stop.is_set():
                self._bill(int(now_s))
        except Unavailable as refusal:
            _log.warning("the day's work is put off", reason=refusal.reason)
        except (BlockDamaged, SegmentDamaged, Superseded, KeptTooShort) as fault:
            _log.warning("the day's work stopped short", cause=str(fault))
        except (UnknownCycle, UnknownTariff, TariffRefused) as fault:
            _log.error("the billing link stands still", cause=str(fault))
        except OSError as fault:
            _log.error("the billing folder cannot be used", cause=str(fault))
        else:
            return True
        self._due_s = now_s
        return False


def run(process: WorkerProcess) -> None:
    """Work until SIGTERM or SIGINT. Raises Unavailable and SchemaTooNew when the records cannot be opened."""
    clock: Clock = SystemClock() if process.clock_file is None else TownClock.open(process.clock_file)
    with Records(process.records_url, process.data_dir, now=clock.now) as records, _door(process) as door:

        def bill(now_s: int) -> None:
            if process.billing_folder is not None:
                take_folder(records, process.billing_folder, now_s=now_s, tariffs=process.tariffs_dir)
            billing_round(records, door, now_s=now_s, tariffs=process.tariffs_dir)

        worker = Worker(records, clock, bill)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, worker.stop)
        worker.run()


def _door(process: WorkerProcess) -> contextlib.AbstractContextManager[BillingDoor | None]:
    if process.billing_folder is not None:
        return contextlib.nullcontext(FolderDoor(process.billing_folder))
    if process.billing_url:
        return HttpDoor(process.billing_url, process.billing_secret, time.time, cim=process.billing_cim)
    return contextlib.nullcontext()
