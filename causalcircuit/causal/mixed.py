"""Acyclic directed mixed graphs (ADMG) over numbered vertices: what every algorithm of this room walks on."""

from __future__ import annotations

from collections.abc import Iterable

from causalcircuit.causal.bits import bits


class Mixed:
    """Directed and bidirected edges between the vertices 0 … n−1, numbered in a topological order.

    Each set of vertices is an integer whose bits are its members, so that a question about a set is a handful of
    machine words. Subgraphs are not built: the methods take `within`, the set of the vertices that are left.

    Attributes:
        n: how many vertices.
        pa: of each vertex, its parents; all of them have smaller numbers.
        ch: of each vertex, its children.
        sp: of each vertex, its spouses: the other ends of its bidirected edges.
    """

    __slots__ = ("ch", "n", "pa", "sp")

    def __init__(
        self, n: int, directed: Iterable[tuple[int, int]] = (), bidirected: Iterable[tuple[int, int]] = ()
    ) -> None:
        self.n = n
        self.pa = [0] * n
        self.ch = [0] * n
        self.sp = [0] * n
        for a, b in directed:
            self.pa[b] |= 1 << a
            self.ch[a] |= 1 << b
        for a, b in bidirected:
            self.sp[a] |= 1 << b
            self.sp[b] |= 1 << a

    @property
    def all(self) -> int:
        """Every vertex."""
        return (1 << self.n) - 1

    def ancestors(self, of: int, within: int, cut: int = 0) -> int:
        """`of` and what has a directed path into it inside `within`, arrows into `cut` removed."""
        pa = self.pa
        seen = of & within
        todo = seen & ~cut
        while todo:
            low = todo & -todo
            new = pa[low.bit_length() - 1] & within & ~seen
            seen |= new
            todo = (todo ^ low) | (new & ~cut)
        return seen

    def descendants(self, of: int, within: int) -> int:
        """`of` and what it has a directed path into, inside `within`."""
        ch = self.ch
        todo = seen = of & within
        while todo:
            low = todo & -todo
            new = ch[low.bit_length() - 1] & within & ~seen
            seen |= new
            todo = (todo ^ low) | new
        return seen

    def parents(self, of: int) -> int:
        """The parents of the members of a set; members may be among them."""
        found = 0
        for v in bits(of):
            found |= self.pa[v]
        return found

    def district(self, vertex: int, within: int) -> int:
        """The vertices that a vertex reaches over bidirected edges inside `within`, itself included."""
        sp = self.sp
        todo = seen = 1 << vertex
        while todo:
            low = todo & -todo
            new = sp[low.bit_length() - 1] & within & ~seen
            seen |= new
            todo = (todo ^ low) | new
        return seen

    def districts(self, within: int) -> list[int]:
        """The districts (c-components) of the subgraph on `within`, by their first vertices."""
        found = []
        while within:
            one = self.district((within & -within).bit_length() - 1, within)
            found.append(one)
            within &= ~one
        return found

    def mutilated(self, cut_into: int = 0, cut_out_of: int = 0) -> Mixed:
        """The graph without the edges, bidirected ones too, into the first set, and the arrows out of the second."""
        made = Mixed(self.n)
        for v in range(self.n):
            if cut_into >> v & 1:
                continue
            made.pa[v] = self.pa[v] & ~cut_out_of
            made.sp[v] = self.sp[v] & ~cut_into
            for p in bits(made.pa[v]):
                made.ch[p] |= 1 << v
        return made

    def without(self, vertices: int) -> Mixed:
        """The latent projection: the same graph of causes with some vertices unobserved, their numbers left unused."""
        made = Mixed(self.n)
        made.pa, made.ch, made.sp = self.pa[:], self.ch[:], self.sp[:]
        for v in bits(vertices):
            made._marginalise(v)
        return made

    def _marginalise(self, v: int) -> None:
        bit = 1 << v
        above, below, beside = self.pa[v], self.ch[v], self.sp[v]
        for c in bits(below):
            self.pa[c] = (self.pa[c] | above) & ~bit
            self.sp[c] = (self.sp[c] | below | beside) & ~(bit | 1 << c)
        for p in bits(above):
            self.ch[p] = (self.ch[p] | below) & ~bit
        for s in bits(beside):
            self.sp[s] = (self.sp[s] | below) & ~(bit | 1 << s)
        self.pa[v] = self.ch[v] = self.sp[v] = 0
