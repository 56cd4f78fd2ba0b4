"""Registers that do not simply stand at the energy since installation: a swapped meter, a rolled-over register."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROLLS_OVER_WH = 1_000_000_000
"""Six digits of kWh, as most meters show them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """Another meter has hung at the place since ``at_s``; its registers stood at ``start_wh`` then."""

    at_s: int
    start_wh: int

    def shown(self, standing: NDArray[np.int64], at_turn: int, after: NDArray[np.bool_]) -> NDArray[np.int64]:
        """What the register shows.

        ``at_turn``: where it would have stood at ``at_s``; ``after``: which instants lie since then.
        """
        return np.where(after, standing - at_turn + self.start_wh, standing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollover:
    """The registers of a meter passed their last digit at ``at_s``."""

    at_s: int

    def shown(self, standing: NDArray[np.int64], at_turn: int, after: NDArray[np.bool_]) -> NDArray[np.int64]:
        """As for a swap: all nines before, zero after."""
        del after
        return np.asarray((standing - at_turn) % ROLLS_OVER_WH)


Turn = Swap | Rollover
"""What became of a meter's registers."""
