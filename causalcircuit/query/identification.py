"""Identification: variables that stand in a diagram only, and what was found out about an estimand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from causalcircuit.diagnostics import Span
from causalcircuit.query.expr import Expr


@dataclass(frozen=True, slots=True)
class Variable(Expr):
    """A variable of a diagram that nothing measures: it can be asked about, and has no value on a row."""

    name: str


@dataclass(frozen=True, slots=True)
class AnyValue(Expr):
    """`*` in `do(X = *)`: at every value."""


@dataclass(frozen=True, slots=True)
class FoundEffect:
    """What is known of one effect.

    Attributes:
        effect: the effect, `P(Y | do(X))`.
        identified: whether there is a formula.
        proven: whether "not identified" is a proof, or no way was found.
        by: the method that answered, or that was asked for.
        estimand: the formula, as text; empty without one.
        derivation: its steps, as text.
        hedge: why there is no formula; empty where no hedge shows it.
        advice: what would help.
        notes: what else is to be said.
        machine: all of it, for machines.
    """

    effect: str
    identified: bool
    proven: bool
    by: str
    estimand: str = ""
    derivation: tuple[str, ...] = ()
    hedge: str = ""
    advice: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    machine: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def verdict(self) -> str:
        """The answer in words."""
        if self.identified:
            return f"identified by {self.by}"
        how = "" if self.by == "id" else f" by {self.by}"
        return f"is not identified{how}" if self.proven else f"was not identified{how}"


@dataclass(frozen=True, slots=True)
class Identified:
    """The answer to `identify Q in G`.

    Attributes:
        name: the estimand as it was asked.
        query: the estimand in full, its variables by their names in the diagram.
        graph: the diagram's name.
        effects: the effects that the estimand is made of, each once.
        given: the distributions that are known, where some are named.
        assume: what the diagram says that it assumes. wiring: how it was held against the wiring of models.
    """

    name: str
    query: str
    graph: str
    effects: tuple[FoundEffect, ...]
    given: tuple[str, ...] = ()
    assume: str = ""
    comments: tuple[str, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)
    wiring: str = "not checked"

    @property
    def identified(self) -> bool:
        """Whether every effect that the estimand is made of has a formula."""
        return all(e.identified for e in self.effects)

    @property
    def failed(self) -> FoundEffect | None:
        """The first effect without a formula."""
        return next((e for e in self.effects if not e.identified), None)

    def to_json(self) -> dict[str, Any]:
        """The answer for machines; `effects` has each effect by itself."""
        failed = self.failed
        shown = failed or self.effects[0]
        return {
            "name": self.name,
            "query": self.query,
            "graph": self.graph,
            "identified": self.identified,
            "proven": all(e.identified or e.proven for e in self.effects),
            "by": shown.by if failed else ", ".join(dict.fromkeys(e.by for e in self.effects)),
            "estimand": None if failed else _formulas(self.effects),
            "derivation": [] if failed else [step for e in self.effects for step in e.machine["derivation"]],
            "hedge": shown.machine["hedge"] if failed else None,
            "advice": shown.machine["advice"] if failed else [],
            "notes": list(dict.fromkeys(note for e in self.effects for note in e.notes)),
            "given": list(self.given),
            "wiring": self.wiring,
            "effects": [dict(e.machine) for e in self.effects],
        }


def _formulas(effects: Sequence[FoundEffect]) -> dict[str, str]:
    """The formula, or those of all effects, each with what it is equal to."""
    if len(effects) == 1:
        return dict(effects[0].machine["estimand"])
    return {
        "text": "; ".join(f"{e.effect} = {e.machine['estimand']['text']}" for e in effects),
        "latex": r" \\ ".join(f"{e.machine['query']} = {e.machine['estimand']['latex']}" for e in effects),
    }
