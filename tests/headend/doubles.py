"""In-memory doubles of the head-end's ports, and a clock that stands where it is put."""

import asyncio
import threading

import numpy as np

from bijlighar.cim.exchange import JobState, ReadJob, SealedKeys, Unavailable
from bijlighar.cim.network import Meter, MeterCategory
from bijlighar.headend.keys import Keyring, MeterKeys
from bijlighar.headend.service import Ports

RING = Keyring(bytes(range(32)))


class FixedClock:
    """Stands at ``instant_s`` until it is moved; sleepers wake when it has been."""

    def __init__(self, instant_s):
        self.instant_s = instant_s

    def now(self):
        return self.instant_s

    async def sleep_until(self, instant_s):
        while self.instant_s < instant_s:  # noqa: ASYNC110 (tests move the clock without telling)
            await asyncio.sleep(0.01)


class Store:
    """All ports in one. ``unavailable``: a reason while the store takes nothing; ``broken``: raised instead."""

    def __init__(self):
        self.unavailable = None
        self.broken = None
        self.lock = threading.Lock()
        self.landed = []
        self.contacts = []
        self.apart = []
        self.land_calls = 0
        self.next_counter = {}
        self.reservations = []
        self.sealed = {}
        self.registry = {}
        self.registry_version = 1
        self.kept_layouts = {}
        self.plates = {}
        self.waiting_jobs = []
        self.reports = []

    def ports(self):
        return Ports(
            landing=self,
            held=self,
            counters=self,
            keys=self,
            meters=self,
            layouts=self,
            nameplates=self,
            jobs=self,
        )

    def add_meter(self, meter_id, host, port, *, keys, serial, title, model="is15959-d1", group=""):
        self.registry[meter_id] = Meter(
            meter_id=meter_id,
            serial=serial,
            system_title=title,
            category=MeterCategory.D1,
            model=model,
            usage_point=f"UP{meter_id}",
            host=host,
            port=port,
            group=group,
        )
        self.put_sealed_keys([RING.seal(meter_id, serial, keys)])
        self.registry_version += 1

    def ask(self, job_id, meter_id, kinds, period=None):
        self.waiting_jobs.append(
            ReadJob(job_id=job_id, meter_id=meter_id, kinds=kinds, period=period, asked_by="test", asked_ms=0)
        )

    def job(self, job_id):
        return [report for report in self.reports if report[0] == job_id][-1][1]

    def starts(self, kind, meter_id):
        """Starts of all landed rows, in the order they were landed."""
        rows = [batch.start_s[batch.meter_id == meter_id].tolist() for batch in self.landed if batch.kind is kind]
        return [start for some in rows for start in some]

    def _check(self):
        if self.unavailable:
            raise Unavailable(self.unavailable)

    # Landing
    def land(self, readings, contacts):
        with self.lock:
            self.land_calls += 1
            if self.broken is not None:
                raise self.broken
            self._check()
            self.landed += readings
            self.contacts += contacts

    def quarantine(self, readings, reasons):
        with self.lock:
            self._check()
            self.apart.append((readings, tuple(reasons)))

    # HeldReadings
    def held(self, kind, period):
        self._check()
        batches = [batch for batch in self.landed if batch.kind is kind]
        meters = np.concatenate([np.zeros(0, np.int32), *(batch.meter_id for batch in batches)])
        starts = np.concatenate([np.zeros(0, np.int64), *(batch.start_s for batch in batches)])
        inside = (starts >= period.start_s) & (starts < period.end_s)
        return meters[inside], starts[inside]

    # Counters
    def reserve(self, meter_id, client_address, count, at_least=0):
        with self.lock:
            self._check()
            first = max(self.next_counter.get((meter_id, client_address), 0), at_least)
            self.next_counter[meter_id, client_address] = first + count
            self.reservations.append((meter_id, client_address, first, count))
            return first

    # KeyBox
    def sealed_keys(self, meter_ids=None):
        self._check()
        return [sealed for sealed in self.sealed.values() if meter_ids is None or sealed.meter_id in meter_ids]

    def put_sealed_keys(self, keys):
        self.sealed |= {sealed.meter_id: sealed for sealed in keys}

    # MeterBook
    def meters(self):
        self._check()
        return list(self.registry.values())

    def version(self):
        self._check()
        return self.registry_version

    # Layouts
    def layout(self, model, firmware, profile):
        return self.kept_layouts.get((model, firmware, profile))

    def put_layout(self, model, firmware, profile, layout):
        self.kept_layouts[model, firmware, profile] = layout

    # Nameplates
    def nameplate(self, meter_id):
        return self.plates.get(meter_id)

    def put_nameplate(self, nameplate):
        self._check()
        self.plates[nameplate.meter_id] = nameplate

    # ReadJobs
    def claim(self, owner, limit, now_ms):  # noqa: ARG002
        with self.lock:
            self._check()
            claimed, self.waiting_jobs = self.waiting_jobs[:limit], self.waiting_jobs[limit:]
            return claimed

    def report(self, job_id, *, state, rows, progress, detail, now_ms):  # noqa: ARG002
        self._check()
        assert isinstance(state, JobState)
        self.reports.append((job_id, state, rows, progress, detail))


def sealed(meter_id, serial, keys: MeterKeys) -> SealedKeys:
    return RING.seal(meter_id, serial, keys)
