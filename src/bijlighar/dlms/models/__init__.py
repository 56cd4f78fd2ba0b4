"""The meter models that come with the package, one TOML file each; a leading underscore marks a shared part.

A utility's own models stand beside them once ``add_models`` was given their texts; which files those come from is
for other floors to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from bijlighar.dlms.model import MeterModel, parse_model

_SUFFIX = ".toml"
_added: dict[str, str] = {}


class UnknownModel(LookupError):
    """No model of this name is known. ``name`` is what was asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no meter model is named {name!r}; there are {', '.join(model_names())}")
        self.name = name


class ModelCollides(ValueError):
    """A model of this ``name`` comes with the package, which no other may replace."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a model named {name!r} comes with the package; give yours another name")
        self.name = name


def add_models(texts: Mapping[str, str]) -> None:
    """Make models known by name to this process, beside those of the package and instead of those added before.

    Raises ModelCollides; the texts are judged when they are loaded.
    """
    for name in texts:
        if name in _shipped():
            raise ModelCollides(name)
    _added.clear()
    _added.update(texts)
    model_names.cache_clear()
    load_model.cache_clear()


@cache
def model_names() -> tuple[str, ...]:
    """The names of all models, sorted."""
    return tuple(sorted(name for name in (*_shipped(), *_added) if not name.startswith("_")))


def model_text(name: str) -> str:
    """The TOML text of a model or a shared part, for models that extend it. Raises UnknownModel."""
    text = _shipped().get(name) or _added.get(name)
    if text is None:
        raise UnknownModel(name)
    return text


@cache
def load_model(name: str) -> MeterModel:
    """The model of this name. Raises UnknownModel; ModelRefused for one that was added and is none."""
    if name not in model_names():
        raise UnknownModel(name)
    return parse_model(model_text(name), base=model_text)


@cache
def _shipped() -> dict[str, str]:
    return {
        entry.name.removesuffix(_SUFFIX): entry.read_text("utf-8")
        for entry in files(__name__).iterdir()
        if entry.name.endswith(_SUFFIX)
    }
