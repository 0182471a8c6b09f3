"""Generated text: `m.text(tokens = 20)`, `mentions`, positions `@ new`, scored texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lark import Tree

from causalcircuit.check.sources import sites
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import DiagnosticError, Span, did_you_mean, error
from causalcircuit.query import (
    Column,
    Counterfactual,
    Expr,
    Generated,
    Items,
    Mentions,
    ModelRef,
    Number,
    Position,
    SiteInfo,
    SiteTable,
    Text,
    is_text,
    models_of,
    writes,
)
from causalcircuit.syntax.trees import Node, named

if TYPE_CHECKING:
    from causalcircuit.check.expressions import Lowering

_WORDS = ("tokens", "temperature", "seed")


def generated(low: Lowering, model: ModelRef, arguments: Sequence[Node], span: Span) -> Generated:
    """The arguments of `m.text(…)`.

    Raises:
        DiagnosticError: CQ480, they are not what a text takes.
    """
    given: dict[str, Expr] = {}
    for argument in arguments:
        if not isinstance(argument, Tree) or argument.data != "named":
            said = low.span(argument).text
            raise _refused("a text takes its arguments by name", low.span(argument), f"write `tokens = {said}`")
        name, value = named(argument)
        if name in given:
            raise _refused(f"`{name}` is given twice", low.span(argument), "leave one out")
        if name not in _WORDS:
            raise _refused(f"a text takes no `{name}`", low.span(argument), did_you_mean(name, _WORDS))
        given[name] = low.expr(value)
    return text_of(model, given, span)


def text_of(model: ModelRef, given: dict[str, Expr], span: Span | None) -> Generated:
    """A text of a model from its arguments, checked.

    Raises:
        DiagnosticError: CQ480, the arguments are wrong; CQ483, the model writes none.
    """
    way = f"`{model.name}.text(tokens = 20)`, `{model.name}.text(tokens = 20, temperature = 0.7, seed = 3)`"
    table = sites(model)
    if not writes(table):
        raise _silent(model, span)
    if "tokens" not in given:
        raise _refused("a text says how long it is at most", span, way)
    tokens = _whole(given["tokens"], "tokens", 1, span)
    if table.max_positions is not None and tokens >= table.max_positions:
        limit = f"`{model.name}` reads {table.max_positions} positions at most, its prompt among them"
        raise _refused(f"a text of {tokens} tokens is too long", given["tokens"].span or span, limit)
    if "temperature" not in given:
        if "seed" in given:
            message = "a text without `temperature` is greedy, and `seed` means nothing to it"
            raise _refused(message, given["seed"].span or span, f"leave `seed` out, or draw the text: {way}")
        return Generated(model.name, tokens, span=span)
    heat = given["temperature"]
    if not isinstance(heat, Number) or heat.unit is not None or heat.value <= 0:
        message = f"a temperature is a positive number, and `{shown(heat)}` is none"
        raise _refused(message, heat.span or span, "without `temperature` the likeliest token is taken at each step")
    if "seed" not in given:
        raise _refused("a text that is drawn needs a `seed`", span, way)
    return Generated(model.name, tokens, heat.value, _whole(given["seed"], "seed", 0, span), span=span)


def _whole(e: Expr, what: str, least: int, span: Span | None) -> int:
    value = e.value if isinstance(e, Number) and e.unit is None else -1.0
    if value != int(value) or not least <= value < 2**63:
        kind = "a positive whole number" if least else "a whole number"
        raise _refused(f"`{what}` is {kind}, and `{shown(e)}` is none", e.span or span, f"write `{what} = 7`")
    return int(value)


def uncalled(model: ModelRef, span: Span | None) -> DiagnosticError:
    """`m.text` without its arguments."""
    return _refused(f"`{model.name}.text` is called", span, f"write `{model.name}.text(tokens = 20)`, without position")


def mentions(value: Expr, words: Expr, span: Span | None) -> Mentions:
    """`T mentions ["woman", "lady"]`.

    Raises:
        DiagnosticError: CQ482, either side is something else.
    """
    core = value.value if isinstance(value, Counterfactual) else value
    if not is_text(value) and not isinstance(core, Column):
        raise error(
            "CQ482",
            f"`mentions` is asked of a text, and `{shown(value)}` is none",
            value.span or span,
            "no text",
            help="`m.text(tokens = 20)` is what a model writes, `row.caption` what the data say",
        )
    items = words.items if isinstance(words, Items) else (words,)
    wrong = next((w for w in items if not isinstance(w, Text | Column) or w == Text("")), None)
    if wrong is not None or not items:
        said = "there are none" if wrong is None else f"`{shown(wrong)}` is none"
        raise error(
            "CQ482",
            f"`mentions` takes words, and {said}",
            (wrong.span if wrong is not None else None) or words.span or span,
            help='a word is a string or a column: `mentions "dog"`, `mentions ["woman", "lady"]`, `mentions row.name`',
        )
    return Mentions(value, words, span=span)


def check_new(model: ModelRef, table: SiteTable, info: SiteInfo, position: Position, where: Span | None) -> None:
    """Generated positions are those of the tower that writes.

    Raises:
        DiagnosticError: CQ483, this one does not; CQ516, an offset from them.
    """
    if not writes(table):
        raise _silent(model, where)
    if info.stand != table.readout_tower.name:
        tower = table.readout_tower.prefix
        raise error(
            "CQ483",
            f"`{info.address}` has no generated positions: it stands on what the model reads",
            where,
            help=f"generated tokens are those of `{model.name}.{tower}layer[…]`; use `@ all` here",
        )
    if position.offset:
        message = "`new` is every generated position, and takes no offset"
        raise error("CQ516", message, where, help="write `@ new`, or `@ [last, new]`")


def check_scored(model: ModelRef, kind: str, text: Expr, position: Position, span: Span | None) -> None:
    """A generated text that is scored: by its own model, from the end of the prompt.

    Raises:
        DiagnosticError: CQ487.
    """
    core = text
    while isinstance(core, Counterfactual):
        core = core.value
    if kind == "logit":
        message, way = "a text has no logit: it is several tokens", "`logprob[…]` adds up the log-probabilities of them"
    elif position.kind != "last" or position.offset:
        message, way = f"a text is scored from the end of the prompt, not `@ {position}`", "write `@ last`"
    elif models_of(core) != {model.name}:
        message = f"`{model.name}` cannot score a text of another model: their tokens differ"
        way = "score it by its own model"
    else:
        return
    raise error("CQ487", message, span, help=way)


def _silent(model: ModelRef, span: Span | None) -> DiagnosticError:
    return error(
        "CQ483",
        f"`{model.name}` writes no text",
        span,
        "nothing is generated",
        help="decoders, captioners and other encoder-decoders do: their output is a vocabulary, "
        "and no position sees later ones",
    )


def _refused(message: str, span: Span | None, way: str) -> DiagnosticError:
    return error("CQ480", message, span, help=way)
