"""Which shipped model a probed meter is most like, and whose columns stand in where it does not tell its own."""

from __future__ import annotations

from collections.abc import Iterator

from bijlighar.dlms.model import MeterModel, Profile
from bijlighar.dlms.models import load_model, model_names
from bijlighar.headend.probe.findings import ProfileFound

_STANDARD = "is15959-"


def nearest_models(model: MeterModel) -> list[tuple[int, str]]:
    """(number of differences, name) of every shipped model, the nearest first."""
    counted = [(len(list(differences(model, load_model(name)))), name) for name in model_names()]
    return sorted(counted)


def differences(one: MeterModel, other: MeterModel) -> Iterator[str]:
    """In what two models differ, as far as reading goes."""
    for trait in ("category", "stamp", "newest_first", "deviation_sign", "quirks"):
        if getattr(one, trait) != getattr(other, trait):
            yield trait
    for name in ("reader", "setting"):
        if _form(one, name) != _form(other, name):
            yield name
    for name in sorted({*one.profiles, *other.profiles}):
        mine, theirs = one.profiles.get(name), other.profiles.get(name)
        if mine is None or theirs is None or not _alike(mine, theirs):
            yield name


def _form(model: MeterModel, name: str) -> tuple[object, ...]:
    access = model.associations.get(name)
    return () if access is None else (access.mechanism, access.ciphering, access.protection)


def _alike(one: Profile, other: Profile) -> bool:
    places = (one.obis, one.period_s) == (other.obis, other.period_s)
    return places and _columns(one) == _columns(other)


def _columns(profile: Profile) -> list[tuple[object, ...]]:
    return [(quantity.column, quantity.type, quantity.scaler) for quantity in profile.columns]


def profile_that_fits(found: ProfileFound, category: str) -> tuple[str, Profile] | None:
    """A shipped model's profile with such cells and such scalers; None for none.

    Models of the category come first, and among them those of the standard.
    """
    models = [load_model(name) for name in model_names()]
    ranked = [(model.category != category, not model.name.startswith(_STANDARD), model.name) for model in models]
    for _, _, name in sorted(ranked):
        model = load_model(name)
        profile = model.profiles.get(found.name)
        if profile is not None and _fits(profile, found):
            return model.name, profile
    return None


def _fits(profile: Profile, found: ProfileFound) -> bool:
    types = tuple(quantity.type for quantity in profile.columns)
    if len(types) != len(found.types) or not found.types:
        return False
    same_types = all(known in (None, kind) for known, kind in zip(found.types, types, strict=True))
    return same_types and found.scaler_lists in (None, profile.layout.scaler_profile())
