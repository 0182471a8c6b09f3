"""The page on structural models: every example gives what stands below it, every link leads somewhere."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from causalcircuit.scm.fitting import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "structural-models.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_examples_of_the_page() -> None:
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) > 1
    names: dict[str, object] = {}
    runner, parser, out = doctest.DocTestRunner(verbose=False), doctest.DocTestParser(), list[str]()
    for i, block in enumerate(blocks):
        test = parser.get_doctest(block, names, f"block {i + 1}", str(PAGE), 0)
        runner.run(test, out=out.append, clear_globs=False)
        names.update(test.globs)
    assert runner.failures == 0, "".join(out)


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#\s]+\.md)\)", TEXT)
    assert links
    assert [x for x in links if not (PAGE.parent / x).exists()] == []


def test_it_names_every_kind() -> None:
    assert [k for k in KINDS if f"`{k}`" not in TEXT] == []
