"""Physics of a virtual town: low-voltage networks, power flow, and what meters see of both.

Without it voltage and losses come from the cheap model of ``meterlab.voltage`` and ``Town.loss_permille``.
"""
