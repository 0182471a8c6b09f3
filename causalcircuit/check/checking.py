"""The statement `check`: an independence, an estimate against what could refute it, a fitted model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lark import Token, Tree

from causalcircuit.check import abstracting, separating
from causalcircuit.check.expressions import Lowering
from causalcircuit.diagnostics import error
from causalcircuit.syntax.trees import inner, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

_WORDS = {"in_diagram": "in"}
_SIDES = ("side", "between")


def check(checker: Checker, tree: Tree[Token], low: Lowering, comments: tuple[str, ...]) -> None:
    """`check X _||_ Y | Z in G`, `check tau in G on d by R against placebo`, `check S`, `… against interventions`.

    Raises:
        DiagnosticError: CQ904, an option of the one form in the other.
    """
    options = [part for part in map(tree_of, inner(tree)) if part.data not in _SIDES]
    if abstracting.asked(options, low) or abstracting.alone(tree, low):
        abstracting.check(checker, tree, low, comments)
        return
    if any(part.data == "against" for part in options):
        from causalcircuit.check import refuting

        refuting.check(checker, tree, low, comments)
        return
    other = next((part for part in options if part.data != "in_diagram"), None)
    if other is not None:
        word = _WORDS.get(str(other.data), str(other.data))
        ways = (
            "an independence is read off its diagram: `check X _||_ Y | Z in G`",
            "a fitted model is held against rows, or interventions: `check S`, `check S against interventions`",
            "an estimate is held against refuters: `check tau in G on d by adjustment against placebo seed 7`",
        )
        raise error("CQ904", f"`{word}` stands here without `against`", low.span(other), help=ways)
    separating.check(checker, tree, low, comments)
