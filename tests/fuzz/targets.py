"""All targets by name, each a function of octets that returns unless there is a defect."""

from __future__ import annotations

from collections.abc import Callable

from bijlighar.dlms.errors import RemoteProtocolError
from fuzz.codec_targets import CODECS
from fuzz.headend_targets import HEADEND
from fuzz.machine_targets import MACHINES
from fuzz.planted import greedy, planted, standing

Target = Callable[[bytes], None]

PLANTED: dict[str, Target] = {"planted": planted, "standing": standing, "greedy": greedy}


def peers_fault_only(target: Target) -> Target:
    """``target``, for which the peer's fault is no defect."""

    def judged(octets: bytes) -> None:
        try:
            target(octets)
        except RemoteProtocolError:
            return

    return judged


TARGETS = {name: peers_fault_only(target) for name, target in {**CODECS, **MACHINES, **HEADEND}.items()}
