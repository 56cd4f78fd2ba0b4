"""Meter data: day blocks, validation, estimation, edits, sums. Pure functions from arrays to arrays.

Nothing here opens, waits, reads a clock or draws a number: days, limits and instants come in as values.
"""

from bijlighar.mdm.blocks import DayBlocks, SlotFlag, flattened
from bijlighar.mdm.sealing import Sealed, as_of, reseal, says_the_same, seal

__all__ = ["DayBlocks", "Sealed", "SlotFlag", "as_of", "flattened", "reseal", "says_the_same", "seal"]
