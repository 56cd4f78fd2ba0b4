"""A small town, and what makes its feeder-days."""

import pytest

from meterlab.makes import parse, with_makes
from meterlab.power.feeder_day import DayMaker
from meterlab.town import mohalla

SEED = 1


@pytest.fixture(scope="session")
def town():
    """Two feeders, one of them full; six homes in a hundred on three phases."""
    return with_makes(mohalla(SEED, 1400), [parse("is15959-d2=0.06")])


@pytest.fixture(scope="session")
def maker(town):
    return DayMaker(town)
