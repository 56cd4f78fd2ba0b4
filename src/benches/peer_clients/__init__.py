"""Clients of other programs, each run by the interpreter of its own environment; never imported."""
