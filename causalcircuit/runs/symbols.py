"""An estimand in symbols: with declared names, and what these stand for."""

from __future__ import annotations

from collections.abc import Mapping

from causalcircuit.query import Expr, World, is_estimand, render


class _Heard(dict[Expr | World, str]):
    """Names that remember which of them were used."""

    def __init__(self, names: Mapping[Expr | World, str]) -> None:
        super().__init__(names)
        self.used: dict[Expr | World, None] = {}

    def get(self, key: Expr | World, default: str | None = None) -> str | None:  # type: ignore[override]
        found = super().get(key, default)
        if found is not None:
            self.used[key] = None
        return found

    def __getitem__(self, key: Expr | World) -> str:
        self.used[key] = None
        return super().__getitem__(key)


def symbols(estimand: Expr, names: Mapping[Expr | World, str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The estimand by the names of its nodes and worlds, and a line for each name: (name, what it stands for).

    Names of whole estimands are written out, so that the formula says what is estimated.
    """
    known = {k: v for k, v in names.items() if isinstance(k, World) or not is_estimand(k)}
    heard = _Heard(known)
    text = render(estimand, heard)
    where: dict[str, str] = {}
    waiting = list(heard.used)
    while waiting:
        item = waiting.pop(0)
        if known[item] in where:
            continue
        inside = _Heard({k: v for k, v in known.items() if k != item})
        where[known[item]] = render(item, inside)
        waiting.extend(inside.used)
    return text, tuple(where.items())
