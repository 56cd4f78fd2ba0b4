"""Modules and functions stay short enough to be read, and are called by what they are about."""

import ast
import re

from house.tree import ROOT, modules, written_files

MODULE_LINES = 400
"""Beyond this a module has a second subject. A migration is exempt: one subject, written once, never edited."""

FUNCTION_LINES = 70
"""Beyond this a function does not fit a screen. A migration is exempt here too: it is a list of tables."""

EMPTY_NAMES = {"util", "utils", "common", "helper", "helpers", "manager", "managers", "data", "info", "misc"}
"""Names that say nothing of the subject, for a module or a folder of modules."""

OUR_MODULES = modules("src", "scripts")
OURS_BUT_MIGRATIONS = [module for module in OUR_MODULES if module.parent.name != "versions"]
CLASS_OF_NOTHING = re.compile(r"(Utils?|Helpers?|Manager|Info|Misc)$")
ONLY_ASIDE = re.compile(r"\b(pytest\.skip|importorskip|mark\.skip|skipif|xfail)\b")
PLACE_ON_ONE_MACHINE = re.compile(r"(?<![\w.$}>/-])/(?:work|farm|home/\w+)/")
TEXT = {".py", ".md", ".ts", ".svelte", ".toml", ".json", ".in", ""}


def source(module):
    return (ROOT / module).read_text(encoding="utf-8")


def nodes(module, *kinds):
    return [node for node in ast.walk(ast.parse(source(module))) if isinstance(node, kinds)]


def lines_of(function):
    return (function.end_lineno or function.lineno) - function.lineno + 1


def test_there_are_modules_to_look_at():
    assert len(OUR_MODULES) > 20


def test_no_module_is_longer_than_400_lines():
    lengths = {str(module): len(source(module).splitlines()) for module in OURS_BUT_MIGRATIONS}
    assert {module: lines for module, lines in lengths.items() if lines > MODULE_LINES} == {}


def test_no_function_is_longer_than_70_lines():
    long = {
        f"{module}:{function.name}": lines_of(function)
        for module in OURS_BUT_MIGRATIONS
        for function in nodes(module, ast.FunctionDef, ast.AsyncFunctionDef)
        if lines_of(function) > FUNCTION_LINES
    }
    assert long == {}


def test_every_module_is_called_by_its_subject():
    every = [*OUR_MODULES, *modules("tests")]
    assert [str(module) for module in every if {module.stem, *module.parent.parts} & EMPTY_NAMES] == []


def test_every_class_is_called_by_its_subject():
    named = [(module, node.name) for module in OUR_MODULES for node in nodes(module, ast.ClassDef)]
    assert [f"{module}:{name}" for module, name in named if CLASS_OF_NOTHING.search(name)] == []


def test_no_test_steps_aside():
    aside = [
        f"{module}: {line.strip()}"
        for module in modules("tests")
        for line in source(module).splitlines()
        if ONLY_ASIDE.search(line) and "ONLY_ASIDE" not in line
    ]
    assert aside == []


def test_no_file_names_a_place_on_one_machine():
    found = [
        f"{file}: {hit.group()}"
        for file in written_files()
        if file.suffix in TEXT
        for hit in PLACE_ON_ONE_MACHINE.finditer(source(file))
    ]
    assert found == []
