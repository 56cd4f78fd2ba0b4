"""The meter models that come with the package, one TOML file each; a leading underscore marks a shared part."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from bijlighar.dlms.model import MeterModel, parse_model

_SUFFIX = ".toml"


class UnknownModel(LookupError):
    """No model of this name comes with the package. ``name`` is what was asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no meter model is named {name!r}; there are {', '.join(model_names())}")
        self.name = name


@cache
def model_names() -> tuple[str, ...]:
    """The names of all models, sorted."""
    return tuple(sorted(name for name in _texts() if not name.startswith("_")))


def model_text(name: str) -> str:
    """The TOML text of a model or a shared part, for models that extend it. Raises UnknownModel."""
    try:
        return _texts()[name]
    except KeyError:
        raise UnknownModel(name) from None


@cache
def load_model(name: str) -> MeterModel:
    """The model of this name. Raises UnknownModel."""
    if name not in model_names():
        raise UnknownModel(name)
    return parse_model(model_text(name), base=model_text)


@cache
def _texts() -> dict[str, str]:
    return {
        entry.name.removesuffix(_SUFFIX): entry.read_text("utf-8")
        for entry in files(__name__).iterdir()
        if entry.name.endswith(_SUFFIX)
    }
