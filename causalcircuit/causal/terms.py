"""The algebra of estimands: sums, products and quotients of conditional distributions over numbered variables.

A term is a function of the values of its free variables. `Sum` binds: inside it a variable means the summand's own
value, also where the same variable has another value outside (in the front-door formula the inner sum over x is not
the x of the query). The functions `prob`, `product`, `ratio` and `total` build terms and simplify on the way; each of
their rules is an identity of probability that needs no graph, so that a simplified term has the value of the plain
one wherever no cell divides by zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from causalcircuit.causal.bits import bits, mask_of


@dataclass(frozen=True, slots=True)
class Prob:
    """P(of | given, do(do)) of one of the given distributions' populations; sets of variables are bit masks."""

    of: int
    given: int = 0
    do: int = 0
    population: str = ""
    free: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Note the free variables."""
        object.__setattr__(self, "free", self.of | self.given | self.do)


@dataclass(frozen=True, slots=True)
class Product:
    """Two or more factors."""

    factors: tuple[Term, ...]
    free: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Note the free variables."""
        found = 0
        for factor in self.factors:
            found |= factor.free
        object.__setattr__(self, "free", found)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A quotient."""

    above: Term
    below: Term
    free: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Note the free variables."""
        object.__setattr__(self, "free", self.above.free | self.below.free)


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum over all values of some variables."""

    over: int
    body: Term
    free: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Note the free variables."""
        object.__setattr__(self, "free", self.body.free & ~self.over)


Term = Prob | Product | Ratio | Sum
ONE = Product(())


def prob(of: int, given: int = 0, do: int = 0, population: str = "") -> Term:
    """P(of | given, do(do)); of nothing it is 1."""
    return Prob(of, given & ~of, do, population) if of else ONE


def mentioned(term: Term) -> int:
    """Every variable of a term, bound ones too."""
    match term:
        case Prob():
            return term.free
        case Sum():
            return term.over | mentioned(term.body)
        case Ratio():
            return mentioned(term.above) | mentioned(term.below)
        case Product():
            found = 0
            for factor in term.factors:
                found |= mentioned(factor)
            return found


def renumbered(term: Term, new: Mapping[int, int]) -> Term:
    """The same term over other numbers."""

    def moved(mask: int) -> int:
        return mask_of(new[v] for v in bits(mask))

    match term:
        case Prob():
            return Prob(moved(term.of), moved(term.given), moved(term.do), term.population)
        case Sum():
            return Sum(moved(term.over), renumbered(term.body, new))
        case Ratio():
            return Ratio(renumbered(term.above, new), renumbered(term.below, new))
        case Product():
            return Product(tuple(renumbered(factor, new) for factor in term.factors))


def factors(term: Term) -> tuple[Term, ...]:
    """The factors of a product, or the term alone."""
    return term.factors if isinstance(term, Product) else (term,)


def product(parts: Iterable[Term]) -> Term:
    """A product without nested products and ones; quotients go below one line."""
    found: list[Term] = []
    below: list[Term] = []
    for part in parts:
        if isinstance(part, Ratio):
            below.extend(factors(part.below))
        found.extend(factors(part.above if isinstance(part, Ratio) else part))
    if below:
        return ratio(_plain(found), _plain(below))
    return _plain(found)


def _plain(found: list[Term]) -> Term:
    return found[0] if len(found) == 1 else Product(tuple(found)) if found else ONE


def ratio(above: Term, below: Term) -> Term:
    """A quotient: common factors cancel, and P(a, b | c) / P(b | c) is P(a | b, c)."""
    if isinstance(above, Ratio) or isinstance(below, Ratio):
        up = [above.above if isinstance(above, Ratio) else above, below.below if isinstance(below, Ratio) else ONE]
        down = [below.above if isinstance(below, Ratio) else below, above.below if isinstance(above, Ratio) else ONE]
        return ratio(product(up), product(down))
    top, bottom = list(factors(above)), []
    for factor in factors(below):
        if factor in top:
            top.remove(factor)
        else:
            bottom.append(factor)
    left = []
    for factor in bottom:
        for i, other in enumerate(top):
            if (joined := _conditional(other, factor)) is not None:
                top[i] = joined
                break
        else:
            left.append(factor)
    return Ratio(_plain(top), _plain(left)) if left else _plain(top)


def _conditional(above: Term, below: Term) -> Term | None:
    """P(a, b | c) / P(b | c) as P(a | b, c), where the two are of that form."""
    if (
        isinstance(above, Prob)
        and isinstance(below, Prob)
        and below.of & ~above.of == 0
        and below.given == above.given
        and below.do == above.do
        and below.population == above.population
    ):
        return prob(above.of & ~below.of, above.given | below.of, above.do, above.population)
    return None


def total(over: int, body: Term) -> Term:
    """The sum over some variables, pushed as far inwards as it goes; what sums to one disappears."""
    if not over:
        return body
    if isinstance(body, Sum):
        return Sum(over, body) if over & body.over else total(over | body.over, body.body)
    if isinstance(body, Ratio):
        inside = over & body.below.free
        outside = over & ~inside
        if not outside:
            return _past(over, body)
        summed = ratio(total(outside, body.above), body.below)
        return total(inside, summed)
    found = list(factors(body))
    left = over
    changed = True
    while changed:
        changed = False
        for v in bits(left):
            bit = 1 << v
            holding = [i for i, factor in enumerate(found) if factor.free & bit]
            if len(holding) == 2 and (joined := _joined(found[holding[0]], found[holding[1]])) is not None:
                found[holding[0]] = joined
                del found[holding.pop()]
            if len(holding) != 1:
                continue
            i = holding[0]
            factor = found[i]
            if isinstance(factor, Prob):
                if not factor.of & bit:
                    continue
                summed = prob(factor.of & ~bit, factor.given, factor.do, factor.population)
            elif isinstance(body, Product):
                summed = total(bit, factor)
                if isinstance(summed, Sum) and summed.over & bit:
                    continue
            else:
                continue
            found[i : i + 1] = factors(summed)
            left &= ~bit
            changed = True
    return product(_grouped(left, found)) if left else product(found)


def _past(over: int, body: Ratio) -> Term:
    """The sum of a quotient whose divisor is summed over too: what mentions none of the variables stands outside."""
    above = [[f for f in factors(body.above) if bool(f.free & over) is held] for held in (False, True)]
    below = [[f for f in factors(body.below) if bool(f.free & over) is held] for held in (False, True)]
    inner: Term = Sum(over, Ratio(_plain(above[1]), _plain(below[1])))
    return ratio(product([*above[0], inner]), _plain(below[0]))


def follows(later: Prob, earlier: Prob) -> bool:
    """Whether P(a | c) and P(b | a, c) stand in this order, so that their product is P(a, b | c)."""
    return (
        later.given == earlier.given | earlier.of
        and not later.of & (earlier.of | earlier.given)
        and (later.do, later.population) == (earlier.do, earlier.population)
    )


def _joined(a: Term, b: Term) -> Term | None:
    """P(a | c) P(b | a, c) as P(a, b | c), in either order."""
    if not (isinstance(a, Prob) and isinstance(b, Prob)):
        return None
    if follows(a, b):
        a, b = b, a
    return Prob(a.of | b.of, a.given, a.do, a.population) if follows(b, a) else None


def _grouped(over: int, found: list[Term]) -> list[Term]:
    """One sum for each group of factors that share summed variables; what has none stands outside."""
    outside = [factor for factor in found if not factor.free & over]
    groups: list[tuple[int, list[Term]]] = []
    for factor in found:
        mine = factor.free & over
        if not mine:
            continue
        joined = [factor]
        rest = []
        for mask, members in groups:
            if mask & mine:
                mine |= mask
                joined = [*members, *joined]
            else:
                rest.append((mask, members))
        groups = [*rest, (mine, joined)]
    unused = over
    for mask, _ in groups:
        unused &= ~mask
    sums: list[Term] = [Sum(mask, _plain(members)) for mask, members in groups]
    # A variable that nothing mentions counts its values: kept, so that the term stays what was asked for.
    return [*outside, *([Sum(unused, ONE)] if unused else []), *sums]
