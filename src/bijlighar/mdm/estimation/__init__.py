"""Estimation: what is put in place of a missing reading, rule after rule, each value with its rule.

The order that holds unless a group has its own (docs/records.md tells all rules):

1. outage: the meter's own power-failure log covers the slot: nothing was used. Not an estimate.
2. registers: the midnight registers on both sides are known: the total is certain, its shape is that of like days.
3. line: a gap of up to two hours between two readings: a straight line (IESO allows one hour, California two).
4. like days: a longer gap: the mean of the same slot on the same weekday of three weeks, without estimates and
   holidays, from at least two values.
5. profile: the class profile times the meter's daily average, else the mean of the last three days.

The reading itself is never touched: estimates stand beside it. What no rule can estimate stays missing, and is
told. Quality codes are those of ESPI (GreenButtonAlliance/OpenESPI-GreenButton-Java, QualityOfReading).
"""

from bijlighar.mdm.estimation.applying import Estimates, estimate
from bijlighar.mdm.estimation.rules import (
    DEFAULT_ORDER,
    QUALITY_OF,
    RULE_VERSION,
    EstimationRule,
    Quality,
    UnknownRule,
    rule_named,
)
from bijlighar.mdm.estimation.work import Background

__all__ = [
    "DEFAULT_ORDER",
    "QUALITY_OF",
    "RULE_VERSION",
    "Background",
    "Estimates",
    "EstimationRule",
    "Quality",
    "UnknownRule",
    "estimate",
    "rule_named",
]
