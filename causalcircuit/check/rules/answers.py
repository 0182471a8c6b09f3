"""Meaning 8: what an answer may be, before any tokenizer is asked (CQ508)."""

from __future__ import annotations

from collections.abc import Iterator

from causalcircuit.check.rules.context import Context, rule
from causalcircuit.check.wording import shown, within
from causalcircuit.diagnostics import Diagnostic
from causalcircuit.query import Column, Expr, Items, Readout, Text, is_text, render


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
        if isinstance(e.answer, Items) and any(map(is_text, items)):
            way = "`logprob[T] @ last`, and `exp` of it"
            yield Diagnostic("CQ487", "a generated text is scored alone, not in a set", e.span, help=(way,))
        if e.per_token and len(items) > 1:
            yield Diagnostic(
                "CQ508",
                f"a set of answers has no number of tokens: `{shown(e)}`",
                e.span,
                "a set of answers",
                help=("leave `per_token` out, or ask for each answer alone",),
            )
        for item in items:
            problem = _problem(context, item)
            if problem:
                exact = ("an answer is the exact string of the text, its leading space included",)
                yield Diagnostic("CQ508", problem, within(item.span, e.span), help=exact)


def _problem(context: Context, item: Expr) -> str:
    if is_text(item):
        return ""  # the business of `check_scored`
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
