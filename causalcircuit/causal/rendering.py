"""Terms as text and as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from causalcircuit.causal.bits import bits
from causalcircuit.causal.terms import Prob, Product, Ratio, Sum, Term, follows

_WORD = re.compile(r"([A-Za-z]+)_?(\d+)")


class Writer:
    """One way of writing terms; a variable that is summed while it also has a value outside gets a prime."""

    def __init__(self, names: Sequence[str], outer: int, latex: bool = False) -> None:
        """Write with `names`; `outer` are the variables that have a value where the term stands."""
        self.names = names
        self.latex = latex
        self.level = [0 if outer >> v & 1 else -1 for v in range(len(names))]

    def write(self, term: Term) -> str:
        """The term."""
        match term:
            case Prob():
                return self._prob(term)
            case Sum():
                return self._sum(term)
            case Ratio():
                if self.latex:
                    return rf"\frac{{{self.write(term.above)}}}{{{self.write(term.below)}}}"
                return f"{self._closed(term.above)} / {self._closed(term.below)}"
            case Product():
                return self._product(term)

    def _prob(self, term: Prob) -> str:
        given = [self._variable(v) for v in bits(term.given)]
        if term.do:
            do = ", ".join(self._variable(v) for v in bits(term.do))
            given.append(rf"\mathrm{{do}}({do})" if self.latex else f"do({do})")
        of = ", ".join(self._variable(v) for v in bits(term.of))
        bar = (r" \mid " if self.latex else " | ") if given else ""
        mark = "P"
        if term.population:
            mark = rf"P^{{\mathrm{{{_escaped(term.population)}}}}}" if self.latex else f"P[{term.population}]"
        return f"{mark}({of}{bar}{', '.join(given)})"

    def _sum(self, term: Sum) -> str:
        over = list(bits(term.over))
        for v in over:
            self.level[v] += 1
        named = ", ".join(self._variable(v) for v in over)
        body = self._closed(term.body) if isinstance(term.body, Ratio) and not self.latex else self.write(term.body)
        for v in over:
            self.level[v] -= 1
        if self.latex:
            return rf"\sum_{{{named}}} {body}"
        return f"Σ_{{{named}}} {body}" if len(over) > 1 else f"Σ_{named} {body}"

    def _product(self, term: Product) -> str:
        if not term.factors:
            return "1"
        # A sum reaches to the end of what follows it, so it stands last, or in brackets.
        ordered = sorted(term.factors, key=lambda f: isinstance(f, Sum))
        parts = [self.write(f) if not isinstance(f, Sum) else self._closed(f) for f in ordered[:-1]]
        return " ".join([*parts, self.write(ordered[-1])])

    def _closed(self, term: Term) -> str:
        text = self.write(term)
        if isinstance(term, Prob):
            return text
        return rf"\left[{text}\right]" if self.latex else f"[{text}]"

    def _variable(self, v: int) -> str:
        primes = "'" * max(self.level[v], 0)
        if not self.latex:
            return self.names[v] + primes
        name = self.names[v]
        numbered = _WORD.fullmatch(name)
        if numbered:
            base, number = numbered.groups()
            base = base if len(base) == 1 else rf"\mathrm{{{base}}}"
            return f"{base}_{{{number}}}{primes}"
        return (name if len(name) == 1 else rf"\mathrm{{{_escaped(name)}}}") + primes


def _escaped(name: str) -> str:
    special: Callable[[re.Match[str]], str] = lambda m: {"\\": r"\backslash "}.get(m[0], "\\" + m[0])  # noqa: E731
    return re.sub(r"[\\_%&#${}]", special, name)


def tidy(term: Term) -> Term:
    """The term with factors of the chain rule drawn together: P(a | c) P(b | a, c) is P(a, b | c)."""
    return _tidy(term, {})


def _tidy(term: Term, known: dict[int, Term]) -> Term:
    if id(term) in known:
        return known[id(term)]
    made: Term
    match term:
        case Prob():
            made = term
        case Sum():
            made = Sum(term.over, _tidy(term.body, known))
        case Ratio():
            made = Ratio(_tidy(term.above, known), _tidy(term.below, known))
        case Product():
            made = _chained([_tidy(f, known) for f in term.factors])
    known[id(term)] = made
    return made


def _chained(found: list[Term]) -> Term:
    merged = True
    while merged:
        merged = False
        for i, a in enumerate(found):
            for j, b in enumerate(found):
                if i != j and isinstance(a, Prob) and isinstance(b, Prob) and follows(b, a):
                    found[i] = Prob(a.of | b.of, a.given, a.do, a.population)
                    del found[j]
                    merged = True
                    break
            if merged:
                break
    return found[0] if len(found) == 1 else Product(tuple(found))
