"""Which rules estimate, and in which order, by group of meters: the dated setting ``estimation.order``.

The setting is a list of groups, and the first that fits a meter holds for it. A group names its order, and what
its meters have in common: any of division, category, make and tariff. One without any of them fits every meter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.network import Meter, MeterCategory
from bijlighar.cim.period import civil_date
from bijlighar.mdm.estimation import DEFAULT_ORDER, EstimationRule, UnknownRule, rule_named
from bijlighar.operations.tariffs import code_in_force
from bijlighar.records import Records

ORDER_KEY = "estimation.order"
TRAITS = ("division", "category", "make", "tariff")

Order = tuple[EstimationRule, ...]


class OrderRefused(ValueError):
    """The setting is no list of groups. The text is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderGroup:
    """``traits``: what the meters of a group have in common, by name of the trait."""

    traits: Mapping[str, str]
    order: Order

    def fits(self, traits: Mapping[str, str]) -> bool:
        """Whether a meter of these traits is of the group."""
        return all(traits.get(name) == value for name, value in self.traits.items())


@dataclass(frozen=True, kw_only=True)
class MeterOrders:
    """Orders of the meters of a day by number: ``number`` int16[meter]; ``meter_id`` ascending.

    A meter that is not here is estimated in the order of ``orders[0]``.
    """

    meter_id: NDArray[np.int32]
    number: NDArray[np.int16]
    orders: tuple[Order, ...] = (DEFAULT_ORDER,)

    def uses(self, rule: EstimationRule) -> bool:
        """Whether any order has the rule."""
        return any(rule in order for order in self.orders)

    def only(self, meter_id: NDArray[np.int32]) -> MeterOrders:
        """Those of the meters that are here."""
        mine = np.isin(self.meter_id, meter_id)
        return MeterOrders(meter_id=self.meter_id[mine], number=self.number[mine], orders=self.orders)

    def dealt(self, meter_id: NDArray[np.int32]) -> list[tuple[Order, NDArray[np.int64]]]:
        """Orders and the rows of the meters that have each."""
        number = np.zeros(len(meter_id), dtype=np.int16)
        _, mine, its = np.intersect1d(meter_id, self.meter_id, assume_unique=True, return_indices=True)
        number[mine] = self.number[its]
        return [(self.orders[each], np.flatnonzero(number == each)) for each in np.unique(number).tolist()]


EVERYBODY = MeterOrders(meter_id=np.zeros(0, dtype=np.int32), number=np.zeros(0, dtype=np.int16))
"""The default order for all."""


def groups_of(value: Any) -> tuple[OrderGroup, ...]:  # noqa: ANN401 - whatever JSON can say
    """The groups of a setting. Raises OrderRefused."""
    if not isinstance(value, list):
        raise OrderRefused('a list of groups, such as [{"category": "D3", "order": ["outage", "registers"]}]')
    return tuple(_group(each) for each in value)


def _group(told: Any) -> OrderGroup:  # noqa: ANN401
    if not isinstance(told, dict) or not isinstance(told.get("order"), list) or not told["order"]:
        raise OrderRefused(f"{told!r} is no group: it names no order of rules")
    traits = {name: value for name, value in told.items() if name != "order"}
    for name, value in traits.items():
        if name not in TRAITS:
            raise OrderRefused(f"{name!r} is none of {', '.join(TRAITS)}")
        if not isinstance(value, str) or not value:
            raise OrderRefused(f"{value!r} is no {name}")
    if "category" in traits and traits["category"] not in tuple(MeterCategory):
        raise OrderRefused(f"{traits['category']!r} is none of {', '.join(MeterCategory)}")
    try:
        order = tuple(rule_named(name) for name in told["order"])
    except UnknownRule as unknown:
        raise OrderRefused(str(unknown)) from unknown
    if len(set(order)) < len(order):
        raise OrderRefused("a rule comes twice in an order")
    return OrderGroup(traits=traits, order=order)


def orders_on(records: Records, at_s: int, meters: Sequence[Meter]) -> MeterOrders:
    """The order of each meter on a day. Raises OrderRefused, Unavailable."""
    setting = records.settings.setting(ORDER_KEY, at_s)
    groups = () if setting is None else groups_of(setting.value)
    if not groups:
        return EVERYBODY
    orders = tuple(dict.fromkeys((DEFAULT_ORDER, *(group.order for group in groups))))
    place = {order: number for number, order in enumerate(orders)}
    division = _divisions(records)
    tariff = code_in_force(records, at_s)
    accounts = records.accounts.on(civil_date(at_s))
    numbers = []
    for meter in meters:
        account = accounts.get(meter.usage_point)
        traits = {
            "division": division.get(meter.usage_point, ""),
            "category": str(meter.category),
            "make": meter.maker,
            "tariff": (None if account is None else account.tariff) or tariff,
        }
        numbers.append(place[next((group.order for group in groups if group.fits(traits)), DEFAULT_ORDER)])
    return MeterOrders(
        meter_id=np.array([meter.meter_id for meter in meters], dtype=np.int32),
        number=np.array(numbers, dtype=np.int16),
        orders=orders,
    )


def _divisions(records: Records) -> dict[str, str]:
    """Division by usage point."""
    registry = records.registry
    of_substation = {each.code: each.division for each in registry.substations()}
    of_feeder = {each.code: of_substation[each.substation] for each in registry.feeders()}
    of_transformer = {each.code: of_feeder[each.feeder] for each in registry.transformers()}
    return {each.code: of_transformer[each.transformer] for each in registry.usage_points()}
