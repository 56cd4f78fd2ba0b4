"""Reconciliations with the billing server, and decisions about the link on their ground. Rows are only added."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import RowMapping, insert, select

from bijlighar.records.billing_tables import link_decisions, reconciliations
from bijlighar.records.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """Both sides held together for a period.

    ``usage_points`` that should be billed: each is ``billed`` with the same kWh on both sides, its difference is
    ``explained``, or it is not. ``content`` tells them one by one.
    """

    first_day: date
    last_day: date
    made_s: int
    usage_points: int
    billed: int
    explained: int
    unexplained: int
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDecision:
    """Whether the link may carry a rollout. ``verdict`` "pass" or "fail"; ``content`` the ground for it."""

    decided_s: int
    verdict: str
    decided_by: str
    reason: str
    content: Mapping[str, Any]


class BillingChecks:
    """Keeps and tells."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, made: Reconciliation) -> None:
        """Keep a reconciliation."""
        values = {name: getattr(made, name) for name in Reconciliation.__dataclass_fields__}
        values |= {
            "first_day": made.first_day.isoformat(),
            "last_day": made.last_day.isoformat(),
            "content": _json(made.content),
        }
        with self._database.write() as connection:
            connection.execute(insert(reconciliations).values(values))

    def of_period(self, first_day: date, last_day: date) -> Reconciliation | None:
        """The newest of one period."""
        kept = reconciliations.c
        chosen = (kept.first_day == first_day.isoformat()) & (kept.last_day == last_day.isoformat())
        query = select(reconciliations).where(chosen).order_by(kept.number.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _reconciliation(row)

    def newest(self, limit: int = 100) -> list[Reconciliation]:
        """The newest reconciliation of each period, the last period first."""
        query = select(reconciliations).order_by(
            reconciliations.c.last_day.desc(), reconciliations.c.number.desc()
        )
        found: dict[tuple[str, str], Reconciliation] = {}
        with self._database.read() as connection:
            for row in connection.execute(query).mappings():
                found.setdefault((row["first_day"], row["last_day"]), _reconciliation(row))
                if len(found) >= limit:
                    break
        return list(found.values())

    def decide(self, decision: LinkDecision) -> None:
        """Keep a decision. Raises ValueError without a name or a reason."""
        if not decision.decided_by.strip() or not decision.reason.strip():
            raise ValueError("a decision has a reason, and somebody who made it")
        values = {name: getattr(decision, name) for name in LinkDecision.__dataclass_fields__}
        with self._database.write() as connection:
            connection.execute(insert(link_decisions).values({**values, "content": _json(decision.content)}))

    def decision(self) -> LinkDecision | None:
        """The last decision."""
        query = select(link_decisions).order_by(link_decisions.c.number.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        names = tuple(LinkDecision.__dataclass_fields__)
        return LinkDecision(**{**{name: row[name] for name in names}, "content": json.loads(row["content"])})


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _reconciliation(row: RowMapping) -> Reconciliation:
    values = {name: row[name] for name in Reconciliation.__dataclass_fields__}
    values |= {
        "first_day": date.fromisoformat(row["first_day"]),
        "last_day": date.fromisoformat(row["last_day"]),
        "content": json.loads(row["content"]),
    }
    return Reconciliation(**values)
