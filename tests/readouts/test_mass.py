"""How much of the probability the answers hold, against probabilities calculated here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import transformers

from causalcircuit.diagnostics import Diagnostic
from tests.readouts.asking import ask, native, rows

HEAD = """
model m = hf("./gpt2") with dtype = float64
data d = jsonl("./prompts.jsonl") with prompt = row.clean
let other = do(m.input = row.other)
"""


def said(folder: Path, question: str) -> list[Diagnostic]:
    found = ask(folder, question, HEAD).diagnostics
    return [d for d in found if d.code in ("CQ493", "CQ494")]


def share(note: Diagnostic) -> list[float]:
    """Average, least and most in percent."""
    return [float(x) for x in re.findall(r"([\d.e+-]+)%", note.message)]


def probability(folder: Path, column: str, answer: str) -> list[float]:
    """[rows] of an answer of one or several tokens."""
    words = transformers.AutoTokenizer.from_pretrained(folder / "gpt2")
    model = native(folder / "gpt2", "GPT2LMHeadModel")
    out = []
    for r in rows(folder, "prompts.jsonl"):
        prompt, tokens = words(r[column])["input_ids"], words(answer)["input_ids"]
        with torch.no_grad():
            logs = model(torch.tensor([[*prompt, *tokens]])).logits[0].log_softmax(-1)
        out.append(float(sum(logs[len(prompt) - 1 + i, t] for i, t in enumerate(tokens)).exp()))
    return out


def test_the_mass_of_a_set(folder: Path) -> None:
    answers = [" Mary", " John", " Bartholomew"]
    each = [sum(p) for p in zip(*(probability(folder, "clean", a) for a in answers), strict=True)]
    (note,) = said(folder, 'estimate E[m.logprob[[" Mary", " John", " Bartholomew"]] @ last] on d')
    assert share(note) == pytest.approx([100 * x for x in (sum(each) / len(each), min(each), max(each))], rel=0.01)
    assert "4 rows" in note.message


def test_answers_that_are_asked_about_one_by_one_are_taken_together(folder: Path) -> None:
    each = [a + b for a, b in zip(*(probability(folder, "clean", w) for w in (" Mary", " John")), strict=True)]
    (note,) = said(folder, 'estimate E[m.logprob[" Mary"] @ last] - E[m.logprob[" John"] @ last] on d')
    assert share(note)[0] == pytest.approx(100 * sum(each) / len(each), rel=0.01)


def test_an_answer_that_begins_another_holds_it(folder: Path) -> None:
    each = probability(folder, "clean", " Mary")
    (note,) = said(folder, 'estimate E[m.logprob[" Mary"] @ last] - E[m.logprob[" Mary gave"] @ last] on d')
    assert share(note)[0] == pytest.approx(100 * sum(each) / len(each), rel=0.01)


def test_the_least_assigned_world_is_looked_at(folder: Path) -> None:
    """Where nothing is asked of the factual world, the one with the fewest assignments is."""
    each = probability(folder, "other", " Mary")
    zero = "m.layer[0].mlp.out @ last = 0"
    y = 'm.logprob[[" Mary"]] @ last'
    (note,) = said(folder, f"estimate E[{y} | other, do({zero})] - E[{y} | other] on d")
    assert share(note)[0] == pytest.approx(100 * sum(each) / len(each), rel=0.01)
    assert "do(m.input = row.other)" in note.message


def test_little_mass_is_a_warning(folder: Path) -> None:
    words = transformers.AutoTokenizer.from_pretrained(folder / "gpt2")
    model = native(folder / "gpt2", "GPT2LMHeadModel")
    with torch.no_grad():
        mean = torch.stack(
            [
                model(**words(r["clean"], return_tensors="pt")).logits[0, -1].softmax(-1)
                for r in rows(folder, "prompts.jsonl")
            ]
        ).mean(0)
    rare = [words.decode([int(i)]) for i in mean.argsort() if words.decode([int(i)]).strip().isalpha()]
    alone = [w for w in rare if len(words(w)["input_ids"]) == 1][:2]
    assert float(mean[[words(w)["input_ids"][0] for w in alone]].sum()) < 0.05
    first, second = (f'm.logprob["{w}"] @ last' for w in alone)
    (note,) = said(folder, f"estimate E[{first} - {second}] on d as population")
    assert (note.code, note.severity) == ("CQ494", "warning")
    assert note.help


@pytest.mark.parametrize("y", ['m.prob[" Mary"] @ last', 'm.logit[" Mary"] @ last', "norm(m.embed @ last)"])
def test_what_says_it_itself_or_asks_for_none_has_no_note(folder: Path, y: str) -> None:
    assert said(folder, f"estimate E[{y}] on d") == []
