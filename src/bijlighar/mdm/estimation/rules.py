"""The rules of estimation by number and name, and the quality that their values have."""

from __future__ import annotations

from enum import IntEnum


class EstimationRule(IntEnum):
    """Rules by number, as kept beside each estimate; a number never changes its meaning.

    From 6 on they are those of Oracle Utilities, "Estimation VEE Rules", that the first five do not cover.
    """

    OUTAGE = 1
    REGISTERS = 2
    LINE = 3
    LIKE_DAYS = 4
    PROFILE = 5
    PROXY_DAY = 6
    CREATE_FOR_GAP = 7
    ADJUST_FROM_SCALAR = 8
    SCALAR_FROM_INTERVAL = 9
    SCALAR_ESTIMATION = 10
    SCALAR_PROFILE = 11
    SCALAR_PRORATION = 12
    SUBTRACTIVE_ADJUST = 13

    @property
    def id(self) -> str:
        """As it is written in settings and cases."""
        return self.name.lower().replace("_", "-")


class Quality(IntEnum):
    """Quality codes of ESPI that are used here."""

    VALID = 0
    EDITED = 7
    BY_REFERENCE_DAY = 8
    BY_INTERPOLATION = 9
    DERIVED = 11
    RAW = 14
    VALIDATED = 17


class UnknownRule(LookupError):
    """No rule of estimation has this name. ``name``."""

    def __init__(self, name: object) -> None:
        super().__init__(f"no rule is called {name!r}; there are {', '.join(rule.id for rule in EstimationRule)}")
        self.name = name


RULE_VERSION = 1
"""Counts up when a rule estimates differently, so that an estimate of the past can be explained."""

QUALITY_OF = dict.fromkeys(EstimationRule, Quality.BY_REFERENCE_DAY) | {
    EstimationRule.OUTAGE: Quality.VALIDATED,
    EstimationRule.LINE: Quality.BY_INTERPOLATION,
    EstimationRule.SUBTRACTIVE_ADJUST: Quality.DERIVED,
}

DEFAULT_ORDER = (
    EstimationRule.OUTAGE,
    EstimationRule.REGISTERS,
    EstimationRule.LINE,
    EstimationRule.LIKE_DAYS,
    EstimationRule.PROFILE,
)

_BY_ID = {rule.id: rule for rule in EstimationRule}


def rule_named(name: object) -> EstimationRule:
    """The rule that is written so. Raises UnknownRule."""
    if not isinstance(name, str) or name not in _BY_ID:
        raise UnknownRule(name)
    return _BY_ID[name]
