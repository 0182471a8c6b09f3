"""Circuits by hand, and random ones."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from causalcircuit.query import ALL, FIRST, LAST, Address, Attached, Part, Position, Site, Word
from causalcircuit.query.circuit import Circuit, CircuitEdge, CircuitNode, Origin, Score, SizePoint, Trust
from causalcircuit.query.circuits.sets import ordered
from causalcircuit.query.estimate import Interval


def site(text: str, position: Position = ALL, model: str = "m") -> Site:
    """`layer[1].head[3].out` as a site."""
    parts = []
    for step in text.split("."):
        name, _, index = step.rstrip("]").partition("[")
        parts.append(Part(name, int(index)) if index else Part(name))
    return Site(Address(model, tuple(parts)), position)


def edge(source: str, target: str | None, value: float | None = None, selected: float | None = None) -> CircuitEdge:
    """A wire by its ends."""
    score = None if value is None else Score(value, None, 10, selected)
    return CircuitEdge(site(source), None if target is None else site(target), score)


def circuit(*edges: CircuitEdge, name: str = "C", **more: object) -> Circuit:
    """A circuit of these wires."""
    return Circuit(name, "m", ordered(edges), **more)  # type: ignore[arg-type]


texts = st.text(max_size=8)
words = st.builds(Word, st.none() | st.text("abc", min_size=1), st.none() | texts, st.none() | st.just("base"))
numbers = st.floats(-1e150, 1e150)
shares = st.none() | st.floats(0, 1)
plain = st.sampled_from([LAST, FIRST, ALL, Position("index", index=-2), Position("image", index=7), Position("new")])
positions = st.one_of(
    plain,
    st.builds(lambda w, n, o: Position("token", words=(w,), number=n, offset=o), words, st.none() | st.just(2),
              st.integers(-2, 2)),
    st.builds(lambda parts: Position("list", parts=tuple(parts)), st.lists(plain, min_size=2, max_size=3)),
    st.builds(lambda a, b: Position("except", parts=(a, b)), plain, plain),
    st.just(Position("inside", mask="mask")),
)  # fmt: skip
_NAMES = ["embed", "layer[0].head[1].out", "layer[1].head[3].q", "layer[1].mlp.in", "layer[0].mlp.out", "vision.embed"]
addresses = st.one_of(
    st.sampled_from([site(n).address for n in _NAMES]),
    st.builds(lambda t: Address("m", (Part("module", text=t),)), texts),
    st.builds(lambda k: Address("m", (Attached("s"), Part("feature", k))), st.integers(0, 9)),
)
sites = st.builds(Site, addresses, positions)
intervals = st.none() | st.builds(
    Interval, st.one_of(numbers, st.just(-math.inf)), st.one_of(numbers, st.just(math.inf))
)
scores = st.none() | st.builds(Score, numbers, intervals, st.integers(0, 99), shares)
counts = st.integers(0, 10**6)
origins = st.builds(
    Origin, texts, st.sampled_from(["noising", "denoising", "between"]), texts, texts, texts, texts, texts, counts,
    st.none() | counts, counts, texts, texts, texts, texts, st.none() | counts,
    st.dictionaries(texts, texts, max_size=2), st.floats(0, 9), counts,
)  # fmt: skip
curves = st.lists(st.builds(SizePoint, counts, st.floats(0, 1), numbers, intervals), max_size=3).map(tuple)
listed = st.lists(texts, max_size=2).map(tuple)
trusts = st.builds(
    Trust, curves, shares, shares, shares, shares, shares, counts, shares, shares,
    st.dictionaries(texts, numbers, max_size=2), listed, listed, shares, counts,
    st.dictionaries(texts, intervals.filter(lambda i: i is not None), max_size=2), counts, st.floats(0, 9),
)  # fmt: skip


def _circuit(
    name: str,
    wires: list[tuple[Site, Site | None, Score | None]],
    nodes: list[tuple[Site, Score | None]],
    *rest: object,
) -> Circuit:
    once = {(a, b): CircuitEdge(a, b, s) for a, b, s in wires}
    scored = {a: CircuitNode(a, s) for a, s in nodes}
    return Circuit(name, "m", ordered(once.values()), ordered(scored.values()), *rest)  # type: ignore[arg-type]


circuits = st.builds(
    _circuit,
    texts,
    st.lists(st.tuples(sites, st.none() | sites, scores), max_size=6),
    st.lists(st.tuples(sites, scores), max_size=3),
    st.none() | origins,
    st.none() | trusts,
    st.dictionaries(texts, st.lists(sites, min_size=1, max_size=2).map(tuple), max_size=2),
    st.dictionaries(texts, listed, max_size=2),
    st.lists(sites, max_size=2, unique=True).map(tuple),
    st.dictionaries(st.sampled_from(["", "decoder"]), st.integers(1, 8), max_size=2),
)
"""Any circuit: every kind of address, position, score and origin."""

ORIGIN = Origin(
    "eap_ig(5)", "denoising", "LD", "logit", "corrupt", "do()", "ioi", 324, 108, 32491, "gpt2 ioi", "0" * 64,
    dtype="float32", device="cpu", seed=7, versions={"torch": "2.13.0"}, seconds=1.5, passes=324,
)  # fmt: skip
