"""How meters of a town are reached: called at their address, through a gateway, or not at all: they dial in.

A gateway carries the meters of neighbouring homes, so it is dealt from the last home backwards; who dials in is
drawn by the seed among the others.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from meterlab import draws
from meterlab.town import Town

NETWORK_ID = 0
"""Of every gateway: it has one network of meters."""
METERS_A_GATEWAY = 100
"""A data concentrator of one transformer's homes."""


class WrongWay(Exception):
    """Meters that cannot be reached so. The message says why."""


def with_ways(town: Town, *, gateways: int = 0, dial_in_share: float = 0.0) -> Town:
    """The town with so many gateways, and this share of the other meters dialling in. Raises WrongWay."""
    if gateways * METERS_A_GATEWAY >= town.consumers + METERS_A_GATEWAY:
        raise WrongWay(f"{gateways} gateways carry more than the {town.consumers} homes of the town")
    if gateways:
        carried = np.full(len(town), -1, np.int32)
        last = np.arange(town.consumers)[::-1][: gateways * METERS_A_GATEWAY]
        carried[last] = np.arange(len(last)) // METERS_A_GATEWAY
        town = replace(town, gateway=carried)
    if dial_in_share > 0:
        dialling = draws.uniform(town.seed, "dial-in", np.arange(len(town))) < dial_in_share
        if town.gateway is not None:
            dialling &= town.gateway < 0
        town = replace(town, dials_in=dialling)
    return town
