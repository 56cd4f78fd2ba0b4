"""The few places where the product asks the machine for time, threads or randomness, answered by the simulation.

Everything else of the product runs as it stands. ``borrowed`` puts all of it back at the end.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from unittest import mock

import structlog

from bijlighar.headend import delivery, jobs
from bijlighar.records import files
from meterlab import access

from .kernel import Condition, Kernel, Thread

REPORTS_EVERY_S = 30.0
"""Reports of on-demand reads go out this often; the product's twentieth of a second would be most of all steps."""


@contextmanager
def borrowed(
    kernel: Kernel, draw: random.Random, start_s: float, on_error: Callable[[str], None]
) -> Iterator[None]:
    """Time, threads and randomness are the simulation's; errors that the product logs are told to ``on_error``."""
    clock = SimpleNamespace(monotonic=lambda: kernel.now_s, time=lambda: start_s + kernel.now_s)
    threads = SimpleNamespace(Condition=Condition, Thread=Thread)
    secrets = SimpleNamespace(token_bytes=draw.randbytes, token_hex=lambda count: draw.randbytes(count).hex())
    replaced = [
        (delivery, "time", clock),
        (delivery, "threading", threads),
        (jobs, "time", clock),
        (jobs, "SEND_EVERY_S", REPORTS_EVERY_S),
        (jobs, "RETRY_S", REPORTS_EVERY_S),
        (files, "secrets", secrets),
        (access, "secrets", secrets),
    ]
    with ExitStack() as stack:
        for owner, name, stand_in in replaced:
            stack.enter_context(mock.patch.object(owner, name, stand_in))
        stack.enter_context(_told_to(on_error))
        yield


@contextmanager
def _told_to(on_error: Callable[[str], None]) -> Iterator[None]:
    def look(_logger: object, method: str, event: dict[str, object]) -> str:
        if method in ("error", "exception", "critical"):
            on_error(f"{event.get('event')}: {event.get('trace', event)}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[look],
        wrapper_class=structlog.make_filtering_bound_logger(40),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)
