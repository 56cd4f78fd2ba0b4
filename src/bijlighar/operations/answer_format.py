"""The forms in which an answer in SQL is told; apart, so that the command line's help loads nothing else."""

from __future__ import annotations

from enum import StrEnum


class AnswerFormat(StrEnum):
    """How an answer is told."""

    TABLE = "table"
    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"
