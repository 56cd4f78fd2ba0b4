"""Coverage-guided fuzzing of every target, ``FUZZ_SECONDS`` in all on two processors (60 unless told otherwise).

An input that raises anything but the peer's fault, that hangs, or that takes memory beyond the limits fails the
test, with its octets: ``python -m fuzz.replay TARGET HEX`` runs it again.
"""

import os
import subprocess
import sys

import pytest

from fuzz.seeds import FUZZ
from fuzz.targets import TARGETS

pytestmark = pytest.mark.fuzz

PROCESSORS = 2
DRAWN_ANEW = "FUZZ_SECONDS" in os.environ
"""Without it every run takes the same walk from the same seed: a change answers for what it breaks, and not for
what chance finds that day. The nightly rounds draw anew; what they find becomes a test."""
SAME_WALK = () if DRAWN_ANEW else ("-seed=20261124",)
SECONDS = float(os.environ.get("FUZZ_SECONDS", "60"))
EACH_S = max(1, round(SECONDS * PROCESSORS / len(TARGETS)))
SPARE_S = 60
"""More than the driver needs to load and instrument the decoders on a busy machine, and to give up a hang."""


def fuzzed(name, seconds, folder, *options):
    """The driver's status and words, and what it found."""
    done = subprocess.run(
        [sys.executable, "-m", "fuzz.driver", name, str(seconds), str(folder), *options],
        env=os.environ
        | {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join([str(FUZZ.parent), str(FUZZ.parents[1] / "src")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        timeout=seconds + SPARE_S,
    )
    found = [file.read_bytes().hex() for file in (folder / "found").iterdir()]
    return done.returncode, done.stdout, found


@pytest.mark.timeout(EACH_S + 2 * SPARE_S)
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found(name, tmp_path):
    status, words, found = fuzzed(name, EACH_S, tmp_path, *SAME_WALK)
    assert (status, found) == (0, []), words[-4000:]
    assert "Done " in words


def test_a_planted_defect_is_found(tmp_path):
    status, words, found = fuzzed("planted", 20, tmp_path)
    assert status != 0
    assert "the planted defect" in words
    assert found[0].startswith("130242")


def test_a_hang_is_found(tmp_path):
    status, words, _ = fuzzed("standing", 20, tmp_path, "-timeout=2")
    assert status != 0
    assert "timeout" in words


def test_an_allocation_beyond_the_limit_is_found(tmp_path):
    status, words, _ = fuzzed("greedy", 20, tmp_path)
    assert status != 0
    assert "MemoryError" in words or "out-of-memory" in words
