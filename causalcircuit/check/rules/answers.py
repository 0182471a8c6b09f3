"""Meaning 8: what an answer may be, before any tokenizer is asked (CQ508)."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.check.wording import shown, within
from causalcircuit.diagnostics import Diagnostic
from causalcircuit.query import Column, Expr, Items, Readout, Text, render


@rule
def answers(context: Context) -> Iterator[Diagnostic]:
    """Sets of answers under `logit`, answers that are no strings, empty ones."""
    for e in context.expressions():
        if not isinstance(e, Readout):
            continue
        items = e.answer.items if isinstance(e.answer, Items) else (e.answer,)
        if not items:
            yield Diagnostic("CQ508", "this set of answers is empty", e.span, help=('write `prob[["he", "she"]]`',))
        if isinstance(e.answer, Items) and e.kind == "logit" and len(items) > 1:
            yield Diagnostic(
                "CQ508",
                f"logits of several answers do not add up: `{shown(e)}`",
                e.span,
                "a set of answers",
                help=("`prob[[…]]` adds probabilities, `logprob[[…]]` is the log of their sum",),
            )
        for item in items:
            problem = _problem(context, item)
            if problem:
                way = ("an answer is the exact string of the text, its leading space included",)
                yield Diagnostic("CQ508", problem, within(item.span, e.span), help=way)


def _problem(context: Context, item: Expr) -> str:
    if isinstance(item, Text):
        return "" if item.value else "an answer is empty"
    if not isinstance(item, Column):
        return f"`{render(item)}` is no answer"
    values = context.data.columns.get(item.name)
    if values is None:
        return ""
    wrong = next((i for i, v in enumerate(values) if not isinstance(v, str) or not v), None)
    if wrong is None:
        return ""
    return f"column `{item.name}` holds no answer in {context.data.place(wrong)}: {values[wrong]!r}"
