"""What is kept: registry, readings in segments, contacts, keys, jobs, people and sessions, audit, trials."""

from bijlighar.records.records import Records

__all__ = ["Records"]
