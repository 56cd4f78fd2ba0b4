"""Use cases: each joins the head-end, the records and the rules for one purpose of the utility."""
