"""Meter models in files outside the package: a folder of a utility's own, or one draft that a probe wrote.

Each ``NAME.toml`` of the folder is one model, ``_NAME.toml`` a part that others extend; docs/meter-models.md has
the keys. All are judged when the folder is read, so that a fault is told at the start and not at a meter.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

from bijlighar.dlms.model import MeterModel, ModelRefused, parse_model
from bijlighar.dlms.models import ModelCollides, UnknownModel, add_models, load_model, model_text

SUFFIX: Final = ".toml"
MOST_FILES: Final = 1_000
"""A utility has a dozen makes; a folder of thousands of files is another folder."""
MOST_OCTETS: Final = 1 << 20
"""Of one file; the longest that is shipped has some 30 kB."""
_NAME: Final = re.compile(r"_?[a-z0-9][a-z0-9-]*")


class ModelsNotUsable(Exception):
    """A model or a folder of models cannot be used. The message names file, line or key, and the rule."""


def add_models_of(folder: Path | None) -> tuple[str, ...]:
    """Make the models of a folder known to this process; None = none. Their names. Raises ModelsNotUsable."""
    texts = {} if folder is None else _texts_of(folder)
    try:
        add_models({path.stem: text for path, text in texts.items()})
    except ModelCollides as collision:
        raise ModelsNotUsable(f"{_file_of(texts, collision.name)}: {collision}") from None
    names = []
    for path, text in texts.items():
        if not path.stem.startswith("_"):
            _judge(path, text)
            names.append(path.stem)
    return tuple(names)


def model_of(named: str) -> MeterModel:
    """The model of this name, or of the file at this path. Raises ModelsNotUsable."""
    try:
        if not named.endswith(SUFFIX):
            return load_model(named)
    except UnknownModel as unknown:
        raise ModelsNotUsable(f"the model {named!r} cannot be used: {unknown}") from None
    path = Path(named)
    return _parsed(path, _text_of(path))


def _texts_of(folder: Path) -> dict[Path, str]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)
    except OSError as problem:
        raise ModelsNotUsable(f"the folder of models {folder} cannot be read: {problem.strerror}") from None
    if len(paths) > MOST_FILES:
        raise ModelsNotUsable(f"{folder} holds {len(paths)} files of models, more than {MOST_FILES}")
    texts = {}
    for path in paths:
        if not _NAME.fullmatch(path.stem):
            raise ModelsNotUsable(f"{path}: a model's file has lower-case letters, digits and hyphens in its name")
        texts[path] = _text_of(path)
    return texts


def _text_of(path: Path) -> str:
    """The text of a file, when it is TOML at all."""
    try:
        if path.stat().st_size > MOST_OCTETS:
            raise ModelsNotUsable(f"{path}: more than {MOST_OCTETS} octets")
        text = path.read_text(encoding="utf-8")
        tomllib.loads(text)
    except OSError as problem:
        raise ModelsNotUsable(f"the model {str(path)!r} cannot be used: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise ModelsNotUsable(f"{path}: not UTF-8 at octet {problem.start}") from None
    except tomllib.TOMLDecodeError as problem:
        raise ModelsNotUsable(f"{path}: no TOML: {problem}") from None
    return text


def _judge(path: Path, text: str) -> None:
    model = _parsed(path, text)
    if model.name != path.stem:
        where = _place(path, text, "name")
        raise ModelsNotUsable(f"{where}: name: is {model.name!r}, and a model is named as its file, {path.stem!r}")


def _parsed(path: Path, text: str) -> MeterModel:
    try:
        return parse_model(text, base=model_text)
    except ModelRefused as refusal:
        raise ModelsNotUsable(f"{_place(path, text, refusal.key)}: {refusal}") from None
    except UnknownModel as unknown:
        raise ModelsNotUsable(f"{_place(path, text, 'extends')}: extends: {unknown}") from None


def _file_of(texts: dict[Path, str], name: str) -> Path:
    return next(path for path in texts if path.stem == name)


def _place(path: Path, text: str, key: str) -> str:
    """The file, and the line where the key stands or its table begins; no line for what another text says."""
    wanted, table, best = key.partition("[")[0], "", (0, 0)
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].strip().replace('"', "")
        if words.startswith("["):
            name = table = words.strip("[]").strip()
        elif "=" in words:
            name = ".".join(part for part in (table, words.partition("=")[0].strip()) if part)
        else:
            continue
        if name and (wanted == name or wanted.startswith(f"{name}.")):
            best = max(best, (len(name), number))
    return f"{path}:{best[1]}" if best[1] else str(path)
