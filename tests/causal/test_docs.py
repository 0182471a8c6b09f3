"""The page on identification: every example gives what stands below it."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "identification.md"


def test_the_examples_of_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 6
    names: dict[str, object] = {}
    runner = doctest.DocTestRunner(verbose=False)
    parser = doctest.DocTestParser()
    out: list[str] = []
    for i, block in enumerate(blocks):
        test = parser.get_doctest(block, names, f"block {i + 1}", str(PAGE), 0)
        runner.run(test, out=out.append, clear_globs=False)
        names.update(test.globs)
    assert runner.failures == 0, "".join(out)
    assert runner.tries > 25


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#\s]+\.md)\)", PAGE.read_text(encoding="utf-8"))
    assert links
    assert [x for x in links if not (PAGE.parent / x).exists()] == []
