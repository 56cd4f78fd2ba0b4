"""How many pushes are doubled, late, out of order or attacked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class PushShares:
    """Shares of all pushes, assumed. Honest ones: ``duplicates``, ``late``, ``reordered``; the others are attacks.

    ``in_blocks``  longer than ``block_octets`` and sent in general blocks of so many octets
    ``replayed``  an old frame is sent again beside a push; ``reused`` a frame under a counter that was used, with
    other content and the right keys, as a faulty meter would; ``forged`` a frame in the meter's name without its
    keys, changed on its way, under nobody's title, or without protection
    """

    duplicates: float = 0.005
    late: float = 0.02
    reordered: float = 0.002
    in_blocks: float = 0.0
    block_octets: int = 128
    replayed: float = 0.0
    reused: float = 0.0
    forged: float = 0.0
