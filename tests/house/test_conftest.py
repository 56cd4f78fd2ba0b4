"""A conftest offers fixtures and does nothing by itself: what a test uses stands in its arguments."""

import ast

from house.tree import ROOT, modules


def faults(tree):
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    hooks = [node.name for node in functions if node.name.startswith("pytest_")]
    decorators = [ast.unparse(decorator) for node in functions for decorator in node.decorator_list]
    return hooks + [text for text in decorators if "autouse" in text]


def test_a_conftest_offers_fixtures_and_nothing_else():
    conftests = [module for module in modules("tests") if module.name == "conftest.py"]
    found = {str(file): faults(ast.parse((ROOT / file).read_text(encoding="utf-8"))) for file in conftests}
    assert {file: what for file, what in found.items() if what} == {}


def test_hooks_and_fixtures_that_act_unasked_are_found():
    magic = "@pytest.fixture(autouse=True)\ndef quiet(): ...\ndef pytest_configure(config): ..."
    assert faults(ast.parse(magic)) == ["pytest_configure", "pytest.fixture(autouse=True)"]
