"""Answers of `identify` for a terminal: formulas and derivations, or hedges and what would help."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from causalcircuit.query.identification import FoundEffect, Identified
from causalcircuit.report.details import grid
from causalcircuit.report.safe import words

_INDENT = 2
PLAIN = str.maketrans({"Σ": "sum", "⊥": "_||_"})
"""What stands for the signs of formulas where the output knows ASCII only."""


def identified_block(found: Identified, brief: bool) -> Group:
    """Everything about one estimand."""
    failed = found.failed
    verdict = "not identified" if failed is not None and failed.proven else "no way was found"
    head = words(f"{found.name} in {found.graph}", "bold underline")
    head += Text(" · ") + (Text("identified", "green") if failed is None else Text(verdict, "bold red"))
    lines: list[tuple[str, Text]] = []
    if found.query != found.name and not brief:
        lines.append(("asked", words(found.query)))
    lines += [("given", words(g)) for g in found.given]
    if found.assume and not brief:
        lines.append(("assuming", words(found.assume)))
    if not brief:
        lines.append(("wiring", words(found.wiring)))
    parts: list[RenderableType] = [head, *([Padding(grid(lines), (0, 0, 0, _INDENT))] if lines else [])]
    for effect in found.effects:
        parts += [Text(), Padding(Group(*_effect(effect, brief)), (0, 0, 0, _INDENT))]
    return Group(*parts)


def _effect(effect: FoundEffect, brief: bool) -> Iterator[RenderableType]:
    """The formula and its steps, or what is in the way."""
    if effect.identified:
        # An instrument answers with a slope, which is no distribution.
        slope = effect.by == "iv"
        yield words(f"{effect.effect}: {effect.estimand}" if slope else f"{effect.effect} = {effect.estimand}", "bold")
    else:
        yield words(f"{effect.effect} {effect.verdict}", "bold")
    lines: list[tuple[str, Text]] = []
    if effect.identified and not brief:
        lines.append(("by", words(effect.by)))
        lines += [(f"step {k}", words(step)) for k, step in enumerate(effect.derivation, 1)]
    if effect.hedge:
        lines.append(("hedge", words(effect.hedge)))
    lines += [("would help", words(a)) for a in effect.advice]
    lines += [("note", words(n)) for n in effect.notes]
    if lines:
        yield Padding(grid(lines), (0, 0, 0, _INDENT))
