"""Benchmarks, started by `bijlighar bench` as processes of their own."""
