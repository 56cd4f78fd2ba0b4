"""Reads the registry out of records into the index of the meter list."""

from __future__ import annotations

from bijlighar.controlroom.registry_index import RegistryIndex, build_index
from bijlighar.operations.service_levels.places import MeterPlaces, places_of
from bijlighar.records import Records


def read_index(records: Records) -> RegistryIndex:
    """The whole registry. Blocking; raises Unavailable.

    The version is read first: a change in the middle is seen as a newer version at the next look.
    """
    registry = records.registry
    version = registry.version()
    return build_index(
        version=version,
        meters=registry.meters(),
        usage_points=registry.usage_points(),
        transformers=registry.transformers(),
        feeders=registry.feeders(),
        substations=registry.substations(),
        divisions=registry.divisions(),
    )


def level_places(index: RegistryIndex, records: Records) -> MeterPlaces:
    """The index as service levels see it. Blocking; raises Unavailable."""
    return places_of(
        records,
        version=index.version,
        meters=[each.meter for each in index.places],
        transformer=[each.text("transformer") for each in index.places],
        feeder=[each.feeder for each in index.places],
        division=[each.division for each in index.places],
    )
