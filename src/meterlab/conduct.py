"""How a meter behaves on the wire when it does not behave."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Conduct:
    """Faults of one meter's conversation; several may be set.

    ``hangs``            accepts the connection and never answers
    ``drip_s``           seconds of the wall between two octets of an answer, 0 = whole answers
    ``late_s``           seconds of the wall before every answer
    ``resets_mid_block`` tears the connection down instead of sending the second block of a long answer
    ``replays``          sends, as its third ciphered answer, the octets of the second once more
    ``commands_return_s`` somebody who records a visit that moved the relay plays it again so many seconds of the
                         wall after its end; None: nobody does
    """

    hangs: bool = False
    drip_s: float = 0.0
    late_s: float = 0.0
    resets_mid_block: bool = False
    replays: bool = False
    commands_return_s: float | None = None


WELL_BEHAVED = Conduct()
