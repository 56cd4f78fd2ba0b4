"""How a control room is, for whoever watches it."""

from __future__ import annotations

import msgspec


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What a watcher needs and everybody may know: nothing about meters or people.

    ``silent_for_s``  wall seconds since a head-end last spoke; None before the first word
    ``readings``      rows kept this civil day
    ``history_share`` share of the history's blocks that are kept; None before it was counted
    """

    status: str
    now: str | None
    headends_alive: int
    lag_s: float | None
    silent_for_s: float | None
    readings: int
    history_share: float | None
