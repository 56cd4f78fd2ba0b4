"""Service levels: how much of a day's data was there by which hour, and what kept the rest away.

Pure functions over columns: who was there in time (``completeness``), which tries of the day came to nothing
(``cells``) and why (``faults``), all held against dated limits (``limits``).
"""
