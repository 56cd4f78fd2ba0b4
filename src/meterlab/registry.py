"""The town as the CSV files that a utility imports: network, usage points, meters, and the meters' test keys."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from bijlighar.cim.network import UsagePointKind
from bijlighar.dlms.models import load_model
from meterlab import identity, trial
from meterlab.reached import NETWORK_ID
from meterlab.town import Town

Row = tuple[str | int | float, ...]

HEADERS = {
    "divisions": ("code", "name", "name_hi"),
    "substations": ("code", "name", "division"),
    "feeders": ("code", "name", "substation", "limit_a"),
    "transformers": ("code", "name", "feeder", "rating_kva", "latitude", "longitude"),
    "usage_points": (
        *("code", "kind", "name", "transformer", "phase"),
        *("sanctioned_load_w", "address", "latitude", "longitude"),
    ),
    "meters": (
        *("serial", "system_title", "category", "model", "usage_point"),
        *("host", "port", "group", "maker", "gateway_address"),
    ),
    "keys": (
        *("serial", "encryption_key", "authentication_key"),
        *("reader_secret", "setting_secret", "master_key"),
    ),
}
"""File name without ``.csv`` to its header, in the order of import."""

_PHASES = ("R", "Y", "B", "RYB")
_DEGREES_APART = 0.004  # between neighbouring transformers, about 400 m
_TRANSFORMERS_A_ROW = 50
_DIAL_IN_POOL = 1  # one front door for all of them
_KEYS_AT_ONCE = 8192  # half a megabyte


def rows(town: Town, table: str, port: int) -> Iterator[Row]:
    """The rows of one file. Raises KeyError for a name that is not in HEADERS."""
    if table == "divisions":
        return ((d.code, d.name, d.name_hi) for d in town.divisions)
    if table == "substations":
        return ((s.code, s.name, s.division) for s in town.substations)
    if table == "feeders":
        return ((f.code, f.name, f.substation, f.limit_a) for f in town.feeders)
    if table == "transformers":
        return (_transformer(town, number) for number in range(town.transformers))
    if table == "usage_points":
        return _usage_points(town)
    if table == "meters":
        return _meters(town, port)
    return {"keys": _keys(town)}[table]


def transformer_code(town: Town, number: int) -> str:
    """The code of a transformer."""
    return "DT-PARADE-17" if town.name == "trial" else f"DT-{number + 1:05}"


def usage_point_code(town: Town, meter: int) -> str:
    """The code of the place that a meter measures."""
    feeder = town.feeder_of(meter)
    if feeder is not None:
        return "UP-" + town.feeders[feeder].code
    if not town.is_consumer(meter):
        return "UP-" + transformer_code(town, int(town.transformer[meter]))
    return f"SHA-{trial.FLATS[meter]}" if town.name == "trial" else f"UP-{meter + 1:07}"


def group(town: Town, meter: int) -> str:
    """What carries a meter: its gateway, the pool of those that dial in, its tower.

    Without towers of its own a town has one for each substation.
    """
    gateway = town.gateway_of(meter)
    if gateway is not None:
        return f"gateway-{gateway + 1:04}"
    if not town.is_called(meter):
        return f"dialin-{_DIAL_IN_POOL}"
    if town.tower is not None:
        return f"tower-{int(town.tower[meter]) + 1:04}"
    feeder = town.feeders[int(town.feeder[int(town.transformer[meter])])]
    return f"tower-{feeder.substation}"


def _place(number: int) -> tuple[float, float]:
    down, right = divmod(number, _TRANSFORMERS_A_ROW)
    return round(trial.LATITUDE + down * _DEGREES_APART, 6), round(trial.LONGITUDE + right * _DEGREES_APART, 6)


def _transformer(town: Town, number: int) -> Row:
    code = transformer_code(town, number)
    name = f"{trial.BUILDING} DT" if town.name == "trial" else f"Transformer {number + 1}"
    feeder = town.feeders[int(town.feeder[number])].code
    return (code, name, feeder, int(town.rating_kva[number]), *_place(number))


def _usage_points(town: Town) -> Iterator[Row]:
    """Homes hang where the utility's records say, which is not always where they are."""
    codes = [transformer_code(town, number) for number in range(town.transformers)]
    places = [_place(number) for number in range(town.transformers)]
    phases = [_PHASES[phase] for phase in town.phase.tolist()]
    loads = town.sanctioned_w.tolist()
    really = town.transformer.tolist()
    told = really if town.mapped is None else town.mapped.tolist()
    for home in range(town.consumers):
        name, address = _home(town, home)
        code = usage_point_code(town, home)
        where = codes[told[home]], phases[home], loads[home], address, *places[really[home]]
        yield (code, UsagePointKind.CONSUMER.value, name, *where)
    for meter in range(town.consumers, len(town)):
        feeder = town.feeder_of(meter)
        kind = UsagePointKind.TRANSFORMER if feeder is None else UsagePointKind.FEEDER
        at = really[meter] if feeder is None else town.transformers_of(feeder)[0]
        name = f"{codes[at] if feeder is None else town.feeders[feeder].code} meter"
        where = codes[at], phases[meter], loads[meter], trial.PLACE, *places[at]
        yield (usage_point_code(town, meter), kind.value, name, *where)


def _home(town: Town, home: int) -> tuple[str, str]:
    """Name and address."""
    if town.name == "trial":
        flat = trial.FLATS[home]
        return f"Flat {flat}", f"Flat {flat}, {trial.BUILDING}, {trial.PLACE}"
    return f"Home {home + 1}", f"House {home + 1}, {trial.PLACE}"


def _meters(town: Town, port: int) -> Iterator[Row]:
    categories = {name: load_model(name).category for name in town.models}
    for meter in range(len(town)):
        model = town.model_name(meter)
        yield (
            identity.serial(town.seed, meter),
            identity.system_title(town.seed, meter).hex(),
            categories[model],
            model,
            usage_point_code(town, meter),
            town.host(meter) if town.is_called(meter) or town.gateway_of(meter) is not None else "",
            port,
            group(town, meter),
            identity.MAKER,
            "" if town.gateway_of(meter) is None else f"{NETWORK_ID}/{identity.serial(town.seed, meter)}",
        )


def _keys(town: Town) -> Iterator[Row]:
    for first in range(0, len(town), _KEYS_AT_ONCE):
        meters = range(first, min(first + _KEYS_AT_ONCE, len(town)))
        for meter, row in zip(meters, identity.key_columns(town.seed, np.asarray(meters)), strict=True):
            keys = identity.keys_in(row)
            yield (
                identity.serial(town.seed, meter),
                keys.encryption.hex(),
                keys.authentication.hex(),
                keys.reader_secret.decode(),
                keys.setting_secret.hex(),
                keys.master.hex(),
            )


def write(town: Town, directory: Path, port: int) -> None:
    """Write every file into ``directory``, which is made if need be; keys are readable by their owner only."""
    directory.mkdir(parents=True, exist_ok=True)
    for table in HEADERS:
        write_table(directory / f"{table}.csv", table, rows(town, table, port))


def write_table(path: Path, table: str, content: Iterable[Row]) -> None:
    """Write one file with its header."""
    mode = 0o600 if table == "keys" else 0o644
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADERS[table])
        writer.writerows(content)
