"""Every target stands what the fuzzer begins with, whole, cut and changed; the fuzzer's own files are in order."""

import random
import re

import pytest

from fuzz.planted import planted
from fuzz.seeds import CORPUS, FUZZ, kept, seeds
from fuzz.targets import TARGETS

ROUNDS, SEED = 4, 20260611
EVERY = {"probes": 8}
"""A probe reads TOML and takes 50 ms: every eighth seed of it here, all of them under the fuzzer."""
SEEDS = seeds()


def changed(octets, draw):
    """The octets with a bit flipped, cut, a piece doubled, or a piece of another input put in."""
    at = draw.randrange(len(octets) + 1)
    other = draw.choice(SEEDS[draw.choice(sorted(SEEDS))] or [b"\xff"])
    ways = (
        lambda: octets[: at - 1] + bytes([octets[at - 1] ^ 1 << draw.randrange(8)]) + octets[at:] if at else b"",
        lambda: octets[:at],
        lambda: octets[:at] + octets[max(0, at - 9) :],
        lambda: octets[:at] + other[:64] + octets[at:],
    )
    return draw.choice(ways)()


@pytest.mark.parametrize("name", TARGETS)
def test_no_seed_and_no_change_of_one_breaks_a_target(name):
    draw = random.Random(f"{SEED} {name}")
    assert SEEDS[name]
    for octets in SEEDS[name][:: EVERY.get(name, 1)]:
        TARGETS[name](octets)
        for _ in range(ROUNDS):
            TARGETS[name](changed(octets, draw))


def test_the_planted_defect_is_one():
    with pytest.raises(IndexError, match="planted"):
        planted(b"\x13\x02\x42")
    planted(b"\x13\x02\x41")


def test_every_target_has_a_corpus_and_no_corpus_is_without_a_target():
    assert {file.stem for file in CORPUS.glob("*.hex")} == set(TARGETS)
    assert all(len(kept(name)) > 5 for name in TARGETS)


def test_the_dictionary_is_in_the_fuzzers_own_form():
    lines = [line for line in (FUZZ / "dlms.dict").read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) > 60
    assert [
        line for line in lines if not re.fullmatch(r'[a-z0-9]+="(?:\\x[0-9a-f]{2}|[ -!#-\[\]-~])+"', line)
    ] == []
    names = [line.split("=")[0] for line in lines]
    assert len(set(names)) == len(names)
