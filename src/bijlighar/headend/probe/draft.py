"""A probe's findings as the text of a meter model, with a comment on each line: measured, or assumed.

The text extends the model of its category, so that event codes, rights and push come from there, and says
everything else itself. ``parse_model`` accepts it as it stands; a person should still read it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bijlighar.dlms.association import Ciphering, Mechanism
from bijlighar.dlms.model import AssociationAccess, Quirk, Stamp, merged_tables, parse_model
from bijlighar.dlms.models import load_model, model_text
from bijlighar.dlms.profile import CaptureObject, Scaler
from bijlighar.dlms.security import SecurityControl
from bijlighar.headend.probe.findings import Findings, Measured, ProfileFound
from bijlighar.headend.probe.nearest import nearest_models, profile_that_fits

_BASES = {"D1": "is15959-d1", "D2": "is15959-d2", "D3": "is15959-d3", "D4": "is15959-d4-transformer"}
_THREE_PHASES = re.compile(r"1\.0\.[357]1\.(7|27)\.0\.255")
_RELAY_CLASS = 70
_MECHANISMS = {
    Mechanism.NONE: "none",
    Mechanism.LLS: "lls",
    Mechanism.HLS_AES: "hls-aes",
    Mechanism.HLS_GMAC: "hls-gmac",
}
_ORDER = ("block-load", "daily", "instantaneous", "billing", "nameplate")
_MOST_UNNAMED = 60
_WIDTH = 110


def draft_of(findings: Findings, name: str | None = None) -> str:
    """The text. ``name`` of the model, made from maker and category unless given."""
    category, why = category_of(findings)
    base = _BASES[category]
    body = _Body(findings, category, base)
    lines = [
        f'extends = ["{base}"]',
        f'name = "{name or _name(findings, category)}"',
        f'category = "{category}"  # {why}',
        *_traits(findings),
        *_associations(findings),
        *body.lines(),
    ]
    text = "\n".join(lines) + "\n"
    model = parse_model(text, base=model_text)
    unnamed = _unnamed(findings, {(entry.class_id, entry.obis) for entry in model.objects.values()})
    (count, near), *_ = nearest_models(model)
    head = [*_head(findings), f"# Nearest shipped model: {near} ({count} differences).", ""]
    return "\n".join(head) + "\n" + text + unnamed


def category_of(findings: Findings) -> tuple[str, str]:
    """The category and how it is known."""
    told = findings.nameplate.category if findings.nameplate else ""
    if told in _BASES:
        return told, "measured: the nameplate"
    written = [str(column.obis) for found in findings.profiles.values() for column in found.captures or ()]
    three = any(_THREE_PHASES.fullmatch(obis) for obis in written)
    relay = any(class_id == _RELAY_CLASS for class_id, _ in findings.objects)
    category = ("D2" if relay else "D4") if three else "D1"
    return category, "assumed: by its phases and whether it has a disconnect control; the nameplate does not tell"


def _name(findings: Findings, category: str) -> str:
    maker = findings.nameplate.manufacturer if findings.nameplate else ""
    slug = re.sub(r"[^a-z0-9]+", "-", maker.lower()).strip("-") or "meter"
    return f"draft-{slug}-{category.lower()}"


def _head(findings: Findings) -> list[str]:
    plate = findings.nameplate
    who = (
        "a meter"
        if plate is None
        else f"{plate.manufacturer or 'a meter'}, firmware {plate.firmware or 'unknown'}"
    )
    head = [
        f"# Draft from a probe of {_one_line(who)}. Lines say what was measured and what is assumed; what they do",
        "# not say comes from the model that is extended. Push, rights and event codes were not probed.",
    ]
    head += [f"# Did not open: {_one_line(words)}" for words in findings.tried]
    return head + [f"# On the way: {_one_line(words)}" for words in findings.remarks]


def _one_line(text: str) -> str:
    """What a meter said, fit for a comment."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _traits(findings: Findings) -> list[str]:
    sign = {1: "indian", -1: "blue-book"}[findings.sign.value]
    stamp = Stamp.BEGIN if findings.stamps_begin else Stamp.END
    newest = bool(findings.newest_first.value)
    quirks = dict(findings.quirks)
    for found in findings.profiles.values():
        if found.captures is None and found.rows and found.name == "block-load":
            quirks[Quirk.CAPTURE_OBJECTS_REFUSED] = "attribute 3 of block load was refused"
        if found.scaler_lists is None and found.captures and found.name == "block-load":
            quirks[Quirk.SCALERS_REFUSED] = "the scaler profile of block load was refused"
    listed = ", ".join(f'"{quirk.value}"' for quirk in sorted(quirks))
    return [
        f'stamp = "{stamp.value}"  # {_how(findings.stamp)}',
        f"newest_first = {str(newest).lower()}  # {_how(findings.newest_first)}",
        f'deviation_sign = "{sign}"  # {_how(findings.clock_sign)}',
        *(f"# {quirk.value}: measured: {_one_line(reason)}" for quirk, reason in sorted(quirks.items())),
        f"quirks = [{listed}]",
    ]


def _how(measured: Measured) -> str:
    return f"{'assumed' if measured.value is None else 'measured'}: {_one_line(measured.reason)}"


def _associations(findings: Findings) -> list[str]:
    lines = []
    for name in ("reader", "setting"):
        access = findings.associations.get(name)
        if access is None:
            lines += ["", f"# associations.{name}: assumed, it did not open"]
        else:
            lines += ["", f"[associations.{name}]  # measured: it opened like this", *_form(access)]
    return lines


def _form(access: AssociationAccess) -> list[str]:
    protections = {
        SecurityControl(0): "none",
        SecurityControl.AUTHENTICATED: "authenticated",
        SecurityControl.ENCRYPTED: "encrypted",
        SecurityControl.AUTHENTICATED_ENCRYPTED: "authenticated-encrypted",
    }
    ciphering: Ciphering = access.ciphering
    return [
        f"client_address = {access.client_address}",
        f'mechanism = "{_MECHANISMS[access.mechanism]}"',
        f'ciphering = "{ciphering.value}"',
        f'protection = "{protections[access.protection]}"',
    ]


class _Body:
    """Quantities and profiles. A quantity keeps the base's name where class, object and attribute are the same."""

    def __init__(self, findings: Findings, category: str, base: str) -> None:
        self._findings = findings
        self._category = category
        self._base = load_model(base)
        tables = merged_tables(model_text(base), model_text)
        self._known: dict[str, Mapping[str, Any]] = tables["quantities"]
        self._names = {_key(entry): name for name, entry in self._known.items()}
        self._written: dict[str, str] = {}
        self._types: dict[tuple[int, str, int], str] = {}

    def lines(self) -> list[str]:
        """Both sections, quantities first."""
        names = [*_ORDER, *(name for name in self._findings.profiles if name not in _ORDER)]
        profiles: list[str] = []
        for name in names:
            found = self._findings.profiles.get(name)
            if found is not None:
                profiles += self._profile(found)
        quantities = [f"{name} = {entry}" for name, entry in self._written.items() if entry]
        head = ["", "# measured: types by the cells, exponents and units by the scaler profiles", "[quantities]"]
        return [*head, *quantities, *profiles]

    def _profile(self, found: ProfileFound) -> list[str]:
        if found.refused:
            return ["", f"# profiles.{found.name}: assumed, {_one_line(found.refused)}"]
        how, names = self._columns(found)
        usual = self._base.profiles[found.name]
        lines = ["", f"[profiles.{found.name}]  # {found.rows} rows seen"]
        if found.obis != usual.obis:
            lines.append(f'obis = "{found.obis}"  # measured')
        if usual.period_s is not None:
            told = found.period_s is not None
            period = f"period_s = {found.period_s or usual.period_s}"
            lines.append(f"{period}  # {'measured' if told else 'assumed: attribute 4 was refused'}")
        if found.depth is not None:
            lines.append(f"depth = {found.depth}  # measured: attribute 8")
        if names is None:
            return [*lines, f"# capture: assumed, {how}"]
        return [*lines, f"# {how}", "capture = [", *_wrapped(names), "]"]

    def _columns(self, found: ProfileFound) -> tuple[str, list[str] | None]:
        """How the columns are known, and their quantities' names; None: those of the base."""
        if found.captures is None:
            fitting = profile_that_fits(found, self._category)
            if fitting is None:
                cells = f"no shipped model has such cells: {', '.join(map(str, found.types))}"
                return f"attribute 3 was refused and {cells if found.types else 'no row was there'}", None
            model, profile = fitting
            names = [self._named(found.name, q.column, q.type, q.scaler) for q in profile.columns]
            return f"assumed: attribute 3 was refused; cells and scalers are those of {model}", names
        types = found.types if len(found.types) == len(found.captures) else (None,) * len(found.captures)
        names = [
            self._named(found.name, column, kind, None if column.is_instant else found.scalers.get(column.obis))
            for column, kind in zip(found.captures, types, strict=True)
        ]
        return "measured: attribute 3", names

    def _named(self, profile: str, column: CaptureObject, kind: str | None, scaler: Scaler | None) -> str:
        """The name of a quantity; its entry is written where it is new or differs from the base's."""
        key = (column.class_id, str(column.obis), column.attribute)
        name: str = self._names.get(
            key, f"c{column.class_id}-{str(column.obis).replace('.', '-')}-{column.attribute}"
        )
        known = self._known.get(name, {})
        told = kind or self._types.get(key)  # an empty log tells no types
        if column.is_instant or told == "instant":
            told = "instant" if column.is_instant else "octets"
        if told is not None:
            self._types.setdefault(key, told)
        entry = _entry(column, told or str(known.get("type", "octets")), scaler)
        written = _inline(entry)
        if known and _same(known, entry):
            written = ""
        elif known and ("exponent" in known) == ("exponent" in entry):
            written = _inline({key: entry[key] for key in ("type", "exponent", "unit") if key in entry})
        elif known:
            name += "-as-told"
        if self._written.setdefault(name, written) != written:
            name, written = f"{profile}-{name}", _inline(entry)  # another profile has it in another form
            self._written[name] = written
        return name


def _key(entry: Mapping[str, Any]) -> tuple[int, str, int]:
    return int(entry["class_id"]), str(entry["obis"]), int(entry.get("attribute", 2))


def _entry(column: CaptureObject, kind: str, scaler: Scaler | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"class_id": column.class_id, "obis": str(column.obis)}
    if column.attribute != 2:
        entry["attribute"] = column.attribute
    entry["type"] = kind
    if scaler is not None and scaler.symbol is not None:
        entry |= {"exponent": scaler.exponent, "unit": scaler.symbol}
    return entry


def _same(known: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    return all(known.get(key) == entry.get(key) for key in ("type", "exponent", "unit"))


def _inline(entry: Mapping[str, Any]) -> str:
    inner = ", ".join(
        f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}" for key, value in entry.items()
    )
    return f"{{ {inner} }}"


def _wrapped(names: list[str]) -> list[str]:
    lines, line = [], " "
    for name in names:
        if len(line) + len(name) > _WIDTH:
            lines.append(line)
            line = " "
        line += f' "{name}",'
    return [*lines, line]


def _unnamed(findings: Findings, named: set[tuple[int, Any]]) -> str:
    left = sorted(f"{class_id}/{obis}" for class_id, obis in findings.objects if (class_id, obis) not in named)
    if not left:
        return ""
    shown = left[:_MOST_UNNAMED]
    lines = _wrapped(shown)
    more = f" and {len(left) - len(shown)} more" if len(left) > len(shown) else ""
    told = "\n".join("#" + line.replace('"', "").rstrip(",") for line in lines)
    return f"\n# Objects of the meter that no key above names{more}:\n{told}\n"
