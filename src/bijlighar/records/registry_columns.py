"""Every installation that ever was, in columns: for sums over a whole city that need no object a meter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from bijlighar.records import tables

_RATIOS = ("ct_primary", "ct_secondary", "pt_primary", "pt_secondary")


@dataclass(frozen=True, kw_only=True)
class InstallationColumns:
    """Installations by start, in columns; texts as object (str).

    meter_id int32, usage_point, kind (of the usage point), maker, model; installed_s and removed_s int64 epoch
    seconds UTC, removed_s -1 while in service; ratios int64[installation, 4]: primary and secondary of the current
    transformers in front of it, then of the voltage transformers; 0 where none is told
    """

    meter_id: NDArray[np.int32]
    usage_point: NDArray[np.object_]
    kind: NDArray[np.object_]
    maker: NDArray[np.object_]
    model: NDArray[np.object_]
    installed_s: NDArray[np.int64]
    removed_s: NDArray[np.int64]
    ratios: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.meter_id)


def installation_columns(connection: Connection) -> InstallationColumns:
    """All of them, those of meters in service and those that ended."""
    place, meter, point = tables.installations, tables.meters, tables.usage_points
    query = (
        select(
            place.c.meter_id,
            place.c.usage_point,
            point.c.kind,
            meter.c.maker,
            meter.c.model,
            place.c.installed_s,
            place.c.removed_s,
            *(place.c[name] for name in _RATIOS),
        )
        .join_from(place, meter, meter.c.meter_id == place.c.meter_id)
        .join(point, point.c.code == place.c.usage_point)
        .order_by(place.c.installed_s, place.c.number)
    )
    rows = connection.execute(query).all()
    columns = list(zip(*rows, strict=True)) or [()] * 11
    texts = [np.array(column, dtype=object) for column in columns[1:5]]
    removed_s = [-1 if each is None else each for each in columns[6]]
    return InstallationColumns(
        meter_id=np.array(columns[0], dtype=np.int32),
        usage_point=texts[0],
        kind=texts[1],
        maker=texts[2],
        model=texts[3],
        installed_s=np.array(columns[5], dtype=np.int64),
        removed_s=np.array(removed_s, dtype=np.int64),
        ratios=np.array([[each or 0 for each in column] for column in columns[7:]], dtype=np.int64).T,
    )
