"""Sessions with meters: schedule, keys, counters, delivery, translation to the utility's words."""
