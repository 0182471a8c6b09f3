"""A second run computes nothing, loads nothing, and says the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.store.conftest import BOTH, HEAD, Ask, answers, passes, values

SAYS = """
import json, sys
from causalcircuit.tools import answering
code = answering.run("ask.cq", answering.Wishes(machine=True, quiet=True, **json.loads(sys.argv[1])))
heavy = {"torch", "transformers", "pandas"}
print("loaded", sorted({m.partition(".")[0] for m in sys.modules} & heavy), file=sys.stderr)
sys.exit(code)
"""


def command(folder: Path, **wishes: Any) -> tuple[dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-c", SAYS, json.dumps(wishes)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr.strip().splitlines()[-1]


def test_a_second_run_loads_no_model_and_prints_the_same_bytes(store: Path, folder: Path) -> None:
    (folder / "ask.cq").write_text(HEAD + "## Why\n" + BOTH + "test E[LD] > 0 logit on d\n")
    first, loaded = command(folder)
    second, again = command(folder)
    assert "torch" in loaded
    assert again == "loaded []"
    ran, found = first.pop("run"), second.pop("run")
    assert json.dumps(first) == json.dumps(second)
    assert (ran["stored"], ran["computed"]) == (0, found["stored"])
    assert found["computed"] == 0
    assert ran["id"] != found["id"]


def test_remarks_come_out_equal(ask: Ask) -> None:
    text = 'estimate E[gpt2.prob[[" Anna", " Diana"]] @ last] on d as population\n'
    first, second = ask(text), ask(text)
    assert any(d.code.startswith("CQ49") for d in first.diagnostics)
    assert answers(first) == answers(second)
    assert (passes(first) > 0, passes(second)) == (True, 0)


def test_remarks_stand_where_the_question_stands_now(ask: Ask) -> None:
    text = 'estimate E[gpt2.prob[[" Anna", " Diana"]] @ last] on d as population\n'
    ask(text)
    moved = ask("\n\n" + text)
    assert passes(moved) == 0
    (note,) = [d for d in moved.diagnostics if d.code.startswith("CQ49")]
    assert note.span is not None
    assert note.span.source.text[note.span.start :].startswith("gpt2.prob")


def test_texts_are_outcomes(ask: Ask) -> None:
    text = 'estimate P(gpt2.text(tokens = 3) mentions ["Anna", "Diana"]) on d as population\n'
    first, second = ask(text), ask(text)
    assert answers(first) == answers(second)
    assert passes(second) == 0
    (a,), (b,) = (list(t.cells.values()) for r in (first, second) for t in r.tables.values())
    assert a.tolist() == b.tolist()


def test_an_edited_file_computes_what_is_new(ask: Ask) -> None:
    first = ask(BOTH)
    more = ask(BOTH + "estimate E[LD | do(NM = 1)] on d ci 95%\n")
    assert passes(more) == 12
    assert values(more)[: len(values(first))] == values(first)
    # A question less, another order, another interval: nothing is new.
    for text in (
        "estimate E[LD | do(NM = 1)] - E[LD] on d as population\n",
        "estimate E[LD], E[LD | do(NM = 0)] on d ci 90%\n",
    ):
        assert passes(ask(text)) == 0


def test_references_are_kept(ask: Ask) -> None:
    first = ask("estimate E[LD | do(NM = mean(NM))] on d ci 95%\n")
    other = ask("estimate E[LD | do(NM = 2 * mean(NM))] on d ci 95%\n")
    assert passes(first) == 24
    assert passes(other) == 12


def test_fresh_computes_everything_and_keeps_it(ask: Ask) -> None:
    first = ask(BOTH)
    fresh = ask(BOTH, keep="fresh")
    assert passes(fresh) == passes(first)
    assert values(fresh) == values(first)
    assert passes(ask(BOTH)) == 0


def test_no_store_neither_finds_nor_keeps(ask: Ask, store: Path) -> None:
    off = ask(BOTH, keep="off")
    assert not store.exists()
    assert "id" not in off.run
    assert passes(ask(BOTH)) == passes(off)
    assert passes(ask(BOTH, keep="off")) == passes(off)


def test_plans_are_kept_apart(ask: Ask) -> None:
    ask(BOTH)
    assert passes(ask(BOTH, how="naive")) > 0
    assert passes(ask(BOTH, how="naive")) == 0
