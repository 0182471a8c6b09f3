"""`cq.std.NIE(Y, treated, control, M)`: the vocabulary of effects, as the language defines it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import Any

from causalcircuit.api.circuits import Circuit
from causalcircuit.api.quantities import Do, Quantity, merge, quantity
from causalcircuit.check import vocabulary
from causalcircuit.check.scope import Scope
from causalcircuit.check.values import Standard, Value
from causalcircuit.diagnostics import did_you_mean


@dataclass(frozen=True)
class _Text:
    """A default, shown as the language writes it."""

    text: str

    def __repr__(self) -> str:
        return self.text


class Definition:
    """A name of the vocabulary: called with quantities and worlds it gives the estimand; `repr` is its definition."""

    def __init__(self, made: Standard) -> None:
        self._made = made
        self.__name__ = self.__qualname__ = made.name
        self.__doc__ = vocabulary.page(made.name)
        optional = {name: _Text(made.text(node)) for name, node in made.defaults}
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        empty = inspect.Parameter.empty
        parameters = [inspect.Parameter(p, kind, default=optional.get(p, empty)) for p in made.parameters]
        self.__signature__ = inspect.Signature(parameters)

    def __repr__(self) -> str:
        """The text that defines it."""
        return self._made.statement.text

    def __call__(self, *arguments: Any, **named: Any) -> Quantity:
        """The estimand.

        Args:
            arguments, named: worlds (`cq.do(…)`), quantities, numbers, circuits, as the definition takes them.

        Raises:
            TypeError: other arguments than it takes.
            DiagnosticError: CQ900, an argument of another kind; what is wrong with the estimand.
        """
        given = self.__signature__.bind(*arguments, **named).arguments
        parts = [x if isinstance(x, Do | Circuit) else quantity(x) for x in given.values()]
        models = merge(*(p.models for p in parts))
        drawn = {p.expr for p in parts if isinstance(p, Quantity) and p.drawn}
        made = replace(self._made, scope=Scope(models=models, drawn=drawn))
        values = dict(zip(given, map(_value, parts), strict=True))
        return Quantity(vocabulary.unfold(vocabulary.given(made, values), made, None), models)


def _value(part: Do | Circuit | Quantity) -> Value:
    if isinstance(part, Do):
        return part.world
    return part.declared if isinstance(part, Circuit) else part.expr


class Vocabulary:
    """`cq.std`: its attributes are the names of the vocabulary."""

    def __getattr__(self, name: str) -> Definition:
        made = None if name.startswith("_") else vocabulary.standard(name, Scope())
        if made is None:
            raise AttributeError(f"the vocabulary has no `{name}`: {did_you_mean(name, vocabulary.words())}")
        return Definition(made)

    def __dir__(self) -> list[str]:
        return list(vocabulary.words())


std = Vocabulary()
