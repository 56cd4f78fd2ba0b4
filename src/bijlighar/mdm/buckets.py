"""Buckets: whole transformers together, about as many meters as a kernel holds in a processor's cache.

A transformer keeps its bucket for good, so that a reading that comes late touches one bucket of one day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

BUCKET_METERS = 4096
"""4,096 meters x 48 slots x 8 octets are 1.5 MB a channel: it stays in cache, and a city is some 75 buckets."""

UNKNOWN_TRANSFORMER = ""
"""Meters whose transformer is not known share one bucket of their own name."""


def assigned(
    meters_of: Mapping[str, int], known: Mapping[str, int], *, meters: int = BUCKET_METERS
) -> dict[str, int]:
    """Bucket by transformer: the known ones stay, new ones (in the order given) fill the last bucket, then others.

    ``meters_of`` number of meters by transformer. A transformer larger than a bucket has one to itself.
    """
    result = dict(known)
    last = max(known.values(), default=0)
    room = meters - sum(count for code, count in meters_of.items() if known.get(code) == last)
    for code, count in meters_of.items():
        if code in result:
            continue
        if count > room and room < meters:
            last, room = last + 1, meters
        result[code] = last
        room -= count
    return result


def by_bucket(transformer_of: Iterable[tuple[int, str]], bucket_of: Mapping[str, int]) -> dict[int, list[int]]:
    """Meter numbers, ascending, by bucket; ``transformer_of`` pairs of meter number and transformer."""
    result: dict[int, list[int]] = {}
    for meter_id, transformer in sorted(transformer_of):
        result.setdefault(bucket_of[transformer], []).append(meter_id)
    return dict(sorted(result.items()))


def counted(transformers: Sequence[str]) -> dict[str, int]:
    """How many meters each transformer has, in order of first appearance."""
    result: dict[str, int] = {}
    for code in transformers:
        result[code] = result.get(code, 0) + 1
    return result
