"""bijlighar: the metering system of an electricity distribution utility.

The floors, top imports down only, are drawn in docs/architecture.md and checked by import-linter.
"""

__version__ = "0.1.0"
