"""Which model a meter is tried against: one that is shipped, or the file of a draft that a probe wrote."""

from __future__ import annotations

from pathlib import Path

from bijlighar.dlms.model import MeterModel, ModelRefused, parse_model
from bijlighar.dlms.models import UnknownModel, load_model, model_text


class ModelNotFound(Exception):
    """There is no such model, or its file is none. The message says why."""


def model_of(named: str) -> MeterModel:
    """The model of this name, or of the file at this path. Raises ModelNotFound."""
    try:
        if not named.endswith(".toml"):
            return load_model(named)
        return parse_model(Path(named).read_text(encoding="utf-8"), base=model_text)
    except (UnknownModel, ModelRefused, OSError, UnicodeDecodeError) as problem:
        raise ModelNotFound(f"the model {named!r} cannot be used: {problem}") from None
