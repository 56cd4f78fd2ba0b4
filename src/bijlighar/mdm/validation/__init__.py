"""Validation of sealed day blocks: 16 rules after Oracle's list and those a meter of IS 15959 needs besides.

The contract of every rule, stated once: it takes the evidence of one block and the limits that hold on that day,
and returns what it found. It changes nothing. A slot whose reading is MISSING is judged by ``missing_quantity``
alone, and where the evidence that a rule needs is absent (None, NaN, MISSING, or 0 for "not known"), the rule is
silent: it never guesses.
"""

from bijlighar.mdm.validation.catalogue import RULES, Rule, validate
from bijlighar.mdm.validation.evidence import Evidence
from bijlighar.mdm.validation.findings import Findings, Found, Severity
from bijlighar.mdm.validation.limits import Limits, LimitsRow, UnknownLimit, limits_on

__all__ = [
    "RULES",
    "Evidence",
    "Findings",
    "Found",
    "Limits",
    "LimitsRow",
    "Rule",
    "Severity",
    "UnknownLimit",
    "limits_on",
    "validate",
]
