"""``python -m meterlab``: the same as the command ``meterlab``."""

from meterlab.cli import main

main()
