"""The examples of docs/dlms.md, run in order in one namespace, as a reader would type them."""

import importlib
import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "dlms.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)


def test_every_example_does_what_it_says():
    assert len(EXAMPLES) >= 7
    namespace = {}
    for number, example in enumerate(EXAMPLES, 1):
        exec(compile(example, f"example {number} of docs/dlms.md", "exec"), namespace)


def test_every_module_that_is_named_exists():
    named = set(re.findall(r"`(bijlighar\.dlms(?:\.\w+)*)`", DOCUMENT.read_text(encoding="utf-8")))
    assert len(named) >= 8
    for name in sorted(named):
        importlib.import_module(name)
