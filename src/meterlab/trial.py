"""The field trial's town: eleven flats of Sweet Home Apartment, Kanpur, and the meter of their transformer.

The building, its flats and everything that could name a person are invented.
"""

from __future__ import annotations

import numpy as np

from bijlighar.cim.network import Division, Feeder, Substation
from meterlab.town import Places, Town, town_of

FLATS = ("101", "102", "103", "201", "202", "203", "301", "302", "303", "401", "402")
"""Three flats on each of three floors and two under the roof."""

BUILDING = "Sweet Home Apartment"
PLACE = "Bijlighar Parade, Kanpur 208001"
LATITUDE, LONGITUDE = 26.4672, 80.3449
DIVISION = Division(code="PARADE", name="Bijlighar Parade", name_hi="बिजलीघर परेड")
SUBSTATION = Substation(code="SS-PARADE", name="Bijlighar Parade 33/11 kV", division=DIVISION.code)
FEEDER = Feeder(code="FD-PARADE-4", name="Parade 4", substation=SUBSTATION.code, limit_a=200)
_RATING_KVA = 63


def trial(seed: int) -> Town:
    """Eleven homes (meters 0 to 10) and their transformer meter (11)."""
    return town_of(
        "trial",
        seed,
        Places(
            homes=np.asarray([len(FLATS)], np.int64),
            rating_kva=np.asarray([_RATING_KVA], np.int32),
            feeder=np.asarray([0], np.int32),
            divisions=(DIVISION,),
            substations=(SUBSTATION,),
            feeders=(FEEDER,),
        ),
    )
