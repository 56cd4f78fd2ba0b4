"""One meter of a make and firmware is asked for a layout; the others that are due wait for what it tells.

After a change of firmware, or for a fleet that is read for the first time, hundreds would else be asked at once
for what is the same of all of them: four more questions each, over a mobile network. Time is an argument.
"""

from __future__ import annotations

from bijlighar.headend.reading import Errand

ASKING_S = 5.0
"""A meter that is asked and does not tell holds up the others of its make for so long; then another is asked."""


class Asking:
    """Makes and firmwares whose layouts are being asked for, ``now`` in seconds of a steady clock."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str | None], float] = {}

    def __bool__(self) -> bool:
        return bool(self._until)

    def waits(self, model: str, firmware: str | None, now: float) -> bool:
        """Whether a visit to such a meter had better wait."""
        return now < self._until.get((model, firmware), now)

    def begins(self, errand: Errand, now: float) -> None:
        """A visit begins. Of a meter whose firmware is not known yet nobody can say what it will be asked."""
        if errand.firmware is not None and _lacks_layout(errand):
            self._until[errand.model.name, errand.firmware] = now + ASKING_S

    def ended(self, errand: Errand) -> None:
        """The visit is over; what it was told is known, or the next may ask."""
        if self._until:
            self._until.pop((errand.model.name, errand.firmware), None)


def _lacks_layout(errand: Errand) -> bool:
    find, model = errand.layouts.find, errand.model.name
    return any(find(model, errand.firmware or "", order.profile) is None for order in errand.orders)
