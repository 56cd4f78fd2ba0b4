"""Reads the registry out of records into the index of the meter list."""

from __future__ import annotations

from bijlighar.controlroom.registry_index import RegistryIndex, build_index
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
