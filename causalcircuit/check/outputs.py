"""Outputs of a model that are no answers: scores of classes, similarity, the whole distribution."""

from __future__ import annotations

from typing import cast, get_args

from causalcircuit.check.sources import classes, sites
from causalcircuit.check.values import Path
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import Span, did_you_mean, error
from causalcircuit.query import (
    Call,
    Classes,
    ClassScore,
    Column,
    Counterfactual,
    Distribution,
    Expr,
    Index,
    ModelRef,
    Number,
    Position,
    Similarity,
    SiteTable,
    Text,
)
from causalcircuit.query.expr import Scale

SCALES: tuple[str, ...] = get_args(Scale)
_WAYS = 'write `{0}.class["{1}", softmax]` if one class excludes the others, `{0}.class["{1}", sigmoid]` if not'


def similarity(model: ModelRef, span: Span) -> Similarity:
    """`m.similarity`.

    Raises:
        DiagnosticError: CQ498, the model has no two towers that meet.
    """
    if not _meeting(sites(model)):
        raise error(
            "CQ498",
            f"`{model.name}` has no similarity: it is no model of a text tower and an image tower that meet at the end",
            span,
            help="the cosine of two sites is written `cosine(A, B)`",
        )
    return Similarity(model.name, span=span)


def _meeting(table: SiteTable) -> bool:
    """Two towers side by side: CLIP, SigLIP."""
    kinds = {t.modality for t in table.towers}
    return len(table.towers) == 2 and kinds == {"text", "image"} and not table.projector and table.readout == "none"


def distribution(path: Path, position: Position | None, span: Span) -> Distribution:
    """`m.logits @ last`; of a classifier `m.logits`.

    Raises:
        DiagnosticError: CQ209 no position, CQ211 one too many, CQ516 several, CQ498 no logits.
    """
    name, found, table = path.model.name, classes(path.model), sites(path.model)
    if found is None and (len(table.towers) == 2 and _meeting(table)):
        raise error("CQ498", f"`{name}` gives no distribution", span, help=f"its score is `{name}.similarity`")
    if found is not None and position is not None:
        raise error("CQ211", f"`{name}` gives scores of classes, once an input", span, help=f"write `{name}.logits`")
    if found is None and position is None:
        raise error("CQ209", f"`{span.text}` has no position", span, "at which?", help=f"write `{name}.logits @ last`")
    return Distribution(name, position, span=span)


def class_score(path: Path, index: Index | Expr, scale: str | None, span: Span) -> ClassScore:
    """`m.class["toxic"]`, `m.class["toxic", softmax]`, `m.class[2, logit]`.

    Raises:
        DiagnosticError: CQ490 nothing says what the scores mean, CQ491 no such class, CQ498 no classifier.
    """
    found, name = classes(path.model), path.model.name
    if found is None:
        raise error(
            "CQ498",
            f"`{name}` is no classifier: it gives no scores of classes",
            span,
            help="models of `…ForSequenceClassification` and `…ForImageClassification` do",
        )
    label = Number(float(index), span=span) if isinstance(index, int) else index
    if not isinstance(label, Number | Text | Column):
        raise error(
            "CQ491",
            "`class` takes one class: its label, its number, or a column of these",
            span,
            help=f'write `{name}.class["{found.labels[0]}"]`; probabilities of several classes add up',
        )
    if not isinstance(label, Column):
        known_class(found, label.value if isinstance(label, Text) else int(label.value), name, span)
    if scale is None and found.scale is None:
        shown_label = label.value if isinstance(label, Text) else found.labels[0]
        raise error(
            "CQ490",
            f"the config of `{name}` does not say what its scores of classes mean (`problem_type`)",
            span,
            "softmax, or sigmoid?",
            help=(_WAYS.format(name, shown_label), "`logit` gives the bare score"),
        )
    return ClassScore(name, label, cast(Scale, scale or found.scale), span=span)


def known_class(found: Classes, label: str | int, model: str, span: Span | None) -> int:
    """The number of a class.

    Raises:
        DiagnosticError: CQ491, none has that label, or several.
    """
    numbers = found.numbers(label)
    if len(numbers) == 1:
        return numbers[0]
    said = f'"{label}"' if isinstance(label, str) else str(label)
    if numbers:
        raise error(
            "CQ491",
            f"{len(numbers)} classes of `{model}` are called {said}",
            span,
            help="name one by its number: " + ", ".join(f"`class[{i}]`" for i in numbers),
        )
    raise error(
        "CQ491",
        f"`{model}` has no class {said}: it has {len(found.labels)} classes",
        span,
        "no such class",
        help=did_you_mean(str(label), found.labels[:40]) if isinstance(label, str) else _numbered(found),
    )


def _numbered(found: Classes) -> str:
    return ", ".join(f'{i} "{label}"' for i, label in enumerate(found.labels[:12])) + " …" * (len(found.labels) > 12)


def divergence(arguments: tuple[Expr, ...], span: Span | None) -> Call:
    """`kl(A, (A | w))`.

    Raises:
        DiagnosticError: CQ492, something that is no distribution.
    """
    for argument in arguments:
        core = argument.value if isinstance(argument, Counterfactual) else argument
        if not isinstance(core, Distribution):
            raise error(
                "CQ492",
                f"`kl` compares two distributions, and `{shown(argument)}` is none",
                argument.span or span,
                help="write `kl(m.logits @ last, (m.logits @ last | w))`",
            )
    return Call("kl", arguments, span=span)
