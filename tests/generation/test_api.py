"""Texts as Python objects are those of the language."""

from __future__ import annotations

from pathlib import Path

import pytest

import causalcircuit as cq
from causalcircuit import E, P, do, row
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.runs import check_text

EXAMPLES = Path(__file__).parents[2] / "examples"
HEAD = """
model cap = hf("./models/captioner")
data scenes = jsonl("./data/scenes.jsonl") with prefix = "a"
let kitchen = do(cap.image = row.kitchen)
node T = cap.text(tokens = 6)
"""


def asked(estimand: str) -> object:
    return check_text(f"{HEAD}estimate {estimand} on scenes", folder=EXAMPLES).commands[0].queries[0].expr  # type: ignore[union-attr]


def test_they_build_the_same_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    cap = cq.model("./models/captioner", name="cap")
    kitchen = do({cap.image: row.kitchen})
    text, drawn = cap.text(6), cap.text(tokens=6, temperature=0.7, seed=3)
    stream = cap.decoder.layer[0].resid @ [cq.last, cq.new]
    same = {
        'P(T mentions ["woman", "lady"] | kitchen)': P(text.mentions("woman", "lady") | kitchen),
        'P(T mentions "woman" | kitchen)': P(text.mentions("woman") | kitchen),
        "P(T != row.gender | kitchen)": P((text != row.gender) | kitchen),
        "P(cap.text(tokens = 6, temperature = 0.7, seed = 3) mentions row.gender | kitchen)": P(
            drawn.mentions(row.gender) | kitchen
        ),
        "E[cap.logprob[(T | kitchen)] @ last | kitchen]": E[(cap.logprob[text | kitchen] @ cq.last) | kitchen],
        'P(T mentions "a" | kitchen, do(cap.decoder.layer[0].resid @ [last, new] = '
        "0.5 * cap.decoder.layer[0].resid @ [last, new]))": P[text.mentions("a"), kitchen & do({stream: 0.5 * stream})],
    }
    for written, built in same.items():
        assert built.expr == asked(written), written


def test_wrong_arguments_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    cap = cq.model("./models/captioner", name="cap")
    for call, code in (
        (lambda: cap.text(0), "CQ480"),
        (lambda: cap.text(4, temperature=0.7), "CQ480"),
        (lambda: cap.text(4).mentions(3), "CQ482"),
        (lambda: cap.text(4).mentions(), "CQ482"),
        (lambda: cap.logit[cap.text(4)] @ cq.last, "CQ487"),
        (lambda: cap.encoder.embed @ cq.new, "CQ483"),
    ):
        with pytest.raises(DiagnosticError) as caught:
            call()
        assert [d.code for d in caught.value.diagnostics] == [code]
