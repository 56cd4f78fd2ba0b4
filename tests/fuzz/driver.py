"""One target under atheris for some seconds: ``python -m fuzz.driver TARGET SECONDS FOLDER [libFuzzer option…]``.

Ends with status 0 when nothing was found. What was found stands in FOLDER/found: the octets, and on standard
error why. A hang is an input that takes longer than HANG_S; an allocation beyond ROOM_OCTETS raises MemoryError,
which is a defect as any exception is that is not the peer's fault.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["bijlighar.dlms", "bijlighar.headend", "fuzz.planted"]):
    from fuzz.seeds import FUZZ, seeds
    from fuzz.targets import PLANTED, TARGETS

HANG_S = 30
"""Of the wall, on a busy machine: as many values as one buffer may hold take seconds under instrumentation, and
are read several times."""
ROOM_OCTETS = 768 << 20
"""Address space beyond what the started program has: the largest value that the limits let in is 2 MiB, and the
objects that it becomes some 30 times that."""
RESIDENT_MIB = 1024
LONGEST_OCTETS = 4096


def _address_space_octets() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmSize:"):
            return int(line.split()[1]) << 10
    raise LookupError("this system does not tell VmSize")


def main() -> None:
    """Fuzz until the time is over or something is found."""
    name, seconds, folder, *more = sys.argv[1:]
    target = PLANTED.get(name) or TARGETS[name]
    work = Path(folder)
    corpus, found = work / "corpus", work / "found"
    for place in (corpus, found):
        place.mkdir(parents=True, exist_ok=True)
    for number, octets in enumerate(seeds().get(name, [])):
        (corpus / f"seed-{number:04}").write_bytes(octets)
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={HANG_S}",
        f"-report_slow_units={HANG_S}",
        f"-rss_limit_mb={RESIDENT_MIB}",
        f"-max_len={LONGEST_OCTETS}",
        f"-dict={FUZZ / 'dlms.dict'}",
        f"-artifact_prefix={found}/",
        "-print_final_stats=1",
        "-verbosity=1",
        *more,
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target)
    limit = _address_space_octets() + ROOM_OCTETS
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
