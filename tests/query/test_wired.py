"""The wiring between chosen nodes: d-separation in the whole diagram, written out, is m-separation in what is drawn."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from causalcircuit.causal import Diagram
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import ALL, FIRST, LAST, Address, Column, Part, Position, Site, SiteTable, Text, Tower
from causalcircuit.query.address import Attached, Word
from causalcircuit.query.dictionary import Activation, Dictionary
from causalcircuit.query.expr import Binary, Call, Counterfactual, Expr, Generated, Input, Mean, Number, Readout, World
from causalcircuit.query.wired import Wired, listing
from tests.query.explicit import Explicit

TEXT = SiteTable("gpt2", (Tower("", "text", 2, 3, 4, 12, 2, causal=True),), ("input",))
GROUPED = SiteTable("llama", (Tower("", "text", 2, 4, 2, 8, 2, causal=True, kv_heads=2),), ("input",))
BESIDE = SiteTable(
    "phi", (Tower("", "text", 2, 2, 4, 8, 2, causal=True, parallel=True, missing=(("resid_mid", "-"),)),), ("input",)
)
MIXED = SiteTable("mixtral", (Tower("", "text", 2, 2, 4, 8, 2, causal=True, experts=3, sparse=(1,)),), ("input",))
CAPTIONER = SiteTable(
    "vision-encoder-decoder",
    (
        Tower("encoder", "image", 1, 2, 3, 6, 2, causal=False),
        Tower("decoder", "text", 2, 2, 4, 8, 2, causal=True, cross=True),
    ),
    ("image", "prefix"),
)
TABLES = [TEXT, GROUPED, BESIDE, MIXED, CAPTIONER]
FROM_START = [Position("index", index=i) for i in range(3)]
FROM_END = [Position("index", index=-i) for i in range(1, 4)]
WORDS = [Position("token", words=(Word(w),)) for w in ("io", "subject")]


def addresses(table: SiteTable) -> list[Address]:
    """Every address of a table whose parts the written diagram knows."""
    found = []
    for local in table.addresses(neurons=True):
        if "pattern" in local or ".norm" in local:
            continue
        parts = []
        for step in local.split("."):
            name, _, index = step.partition("[")
            parts.append(Part(name, int(index[:-1])) if index else Part(name))
        found.append(Address("m", tuple(parts)))
    return found


def readouts(position: Position) -> list[Expr]:
    return [
        Readout("m", "logit", Column("io"), position),
        Readout("m", "logit", Text("a"), position),
        Readout("m", "prob", Text("a b"), position),
    ]


@st.composite
def chosen(draw: st.DrawFn, positions: list[Position]) -> tuple[SiteTable, list[Expr]]:
    table = draw(st.sampled_from(TABLES))
    place = st.sampled_from(positions)
    values: list[Expr] = [
        Site(draw(st.sampled_from(addresses(table))), draw(place)) for _ in range(draw(st.integers(1, 4)))
    ]
    if draw(st.booleans()):
        values.append(draw(st.sampled_from(readouts(draw(place)))))
    if draw(st.booleans()):
        values.append(Input("m", draw(st.sampled_from(table.channels))))  # type: ignore[arg-type]
    return table, list(dict.fromkeys(values))


def drawn(table: SiteTable, values: list[Expr]) -> tuple[Wired, Diagram]:
    names = "ABCDFGH"
    try:
        wired = Wired(table, listing(zip(names, values, strict=False)))
    except DiagnosticError as problem:
        assume("CQ289" not in str(problem))
        raise
    name = [n.name for n in wired.nodes]
    arrows = tuple((name[i], name[j]) for i, j in sorted(wired.arrows))
    return wired, Diagram(tuple(name), arrows, tuple((name[i], name[j]) for i, j in wired.spouses))


def apart(graph: nx.DiGraph, sides: list[set[tuple[str, int]]]) -> bool:
    """Whether sets are d-separated; what is conditioned on is taken from both."""
    a, b, given_ = sides
    return bool(nx.is_d_separator(graph, a - given_, b - given_, given_))


def triples(count: int) -> list[tuple[int, int, tuple[int, ...]]]:
    out = []
    for i, j in itertools.combinations(range(count), 2):
        rest = [k for k in range(count) if k not in (i, j)]
        out += [(i, j, given_) for n in range(len(rest) + 1) for given_ in itertools.combinations(rest, n)]
    return out


def compare(table: SiteTable, values: list[Expr], truth: Explicit, words: dict[str, int], *, exact: bool) -> None:
    wired, diagram = drawn(table, values)
    vertices = [truth.vertices(v, words) for v in values]
    name = [n.name for n in wired.nodes]
    for i, j, behind in triples(len(values)):
        given_ = set().union(*(vertices[k] for k in behind)) if behind else set()
        said = diagram.separated(name[i], name[j], [name[k] for k in behind])
        true = apart(truth.graph, [vertices[i], vertices[j], given_])
        shown = f"{diagram}: {name[i]} _||_ {name[j]} | {[name[k] for k in behind]}, {values}"
        assert (said == true) if exact else (true or not said), shown


def lengths(table: SiteTable, n: int) -> dict[str, int]:
    return {t.name: n if t is table.towers[-1] else 4 for t in table.towers}


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([FROM_START, FROM_END]).flatmap(chosen))
def test_separation_is_that_of_the_whole_diagram(asked: tuple[SiteTable, list[Expr]]) -> None:
    """At numbered positions, with more of them than are named: both say the same of all triples."""
    table, values = asked
    compare(table, values, Explicit(table, lengths(table, 5), new=1), {}, exact=True)


@settings(max_examples=20, deadline=None)
@given(chosen([ALL]))
def test_joint_positions_are_one_variable(asked: tuple[SiteTable, list[Expr]]) -> None:
    table, values = asked
    values = [v if not isinstance(v, Readout) else Readout(v.model, v.kind, v.answer, LAST) for v in values]
    compare(table, values, Explicit(table, lengths(table, 4), new=1), {}, exact=False)


SINGLE = [FIRST, LAST, Position("index", index=-2), *FROM_START[1:], *WORDS]
SPANS = [
    Position("list", parts=(FIRST, LAST)),
    Position("except", parts=(ALL, LAST)),
    Position("except", parts=(ALL, WORDS[0])),
    Position("list", parts=(WORDS[0], Position("index", index=1))),
]


@settings(max_examples=25, deadline=None)
@given(
    chosen([ALL, *SINGLE, *SPANS]),
    st.integers(3, 6),
    st.tuples(st.integers(0, 5), st.integers(0, 5)),
)
def test_nothing_is_claimed_that_some_row_denies(
    asked: tuple[SiteTable, list[Expr]], n: int, at: tuple[int, int]
) -> None:
    """Wherever words stand, and however long a prompt is: what the drawing separates is separated."""
    table, values = asked
    values = [
        Readout(v.model, v.kind, v.answer, LAST)
        if isinstance(v, Readout) and v.position.kind in ("list", "all", "except")
        else v
        for v in values
    ]
    words = {str(w): i for w, i in zip(WORDS, at, strict=True)}
    truth = Explicit(table, lengths(table, n), new=1)
    vertices = [truth.vertices(v, words) for v in values]
    assume(all(vertices))
    for v, one in zip(values, vertices, strict=True):
        if isinstance(v, Site) and "row." in str(v.position):
            truth.graph.add_edges_from((("row", 0), x) for x in one)
    met = {frozenset(p) for p in itertools.combinations(range(len(values)), 2) if vertices[p[0]] & vertices[p[1]]}
    wired, diagram = drawn(table, values)
    assert met <= {frozenset(p) for p in wired.spouses}
    if not met:
        name = [n.name for n in wired.nodes]
        for i, j, behind in triples(len(values)):
            given_ = set().union(*(vertices[k] for k in behind)) if behind else set()
            if diagram.separated(name[i], name[j], [name[k] for k in behind]):
                assert apart(truth.graph, [vertices[i], vertices[j], given_]), f"{diagram} {values}"


def site(*path: str | tuple[str, int], at: Position = LAST) -> Site:
    return Site(Address("m", tuple(Part(*p) if isinstance(p, tuple) else Part(p) for p in path)), at)


def edges(table: SiteTable, **nodes: Expr) -> tuple[set[str], set[str]]:
    """Arrows, and pairs with something in common."""
    wired = Wired(table, listing(nodes.items()))
    names = [n.name for n in wired.nodes]
    arrows = {f"{names[i]} -> {names[j]}" for i, j in wired.arrows}
    return arrows, {f"{names[i]} <-> {names[j]}" for i, j in wired.spouses}


LOGIT = Readout("m", "logit", Text("a"), LAST)
BEFORE, AFTER = site(("layer", 0), "mlp", "out"), site(("layer", 1), "attn", "out")
STREAM = site(("layer", 0), "resid")


def test_a_summary_is_a_part_of_its_site() -> None:
    """`dot(A, d)` is made of what A is made of, and goes where A goes; the rest of A stays beside it."""
    size = Call("norm", (STREAM,))
    arrows, both = edges(TEXT, A=BEFORE, S=size, B=AFTER, Y=LOGIT)
    assert {"A -> S", "S -> B", "S -> Y", "A -> B", "A -> Y", "B -> Y"} == arrows
    assert "B <-> S" in both or "S <-> B" in both
    arrows, _ = edges(TEXT, S=size, W=STREAM, B=AFTER)
    assert arrows == {"W -> S", "W -> B"}  # the whole is there too: then nothing runs through its summary
    steered = Call("dot", (STREAM, Mean(Counterfactual(STREAM, World()))))
    assert edges(TEXT, A=BEFORE, S=steered)[0] == {"A -> S"}  # a reference is the same for all rows


def test_two_summaries_of_one_stream() -> None:
    last = site("final_norm")
    one, other = Call("norm", (STREAM,)), Call("max", (last,))
    assert edges(TEXT, P=other, S=one, Y=LOGIT)[0] == {"S -> P", "S -> Y", "P -> Y"}
    assert edges(TEXT, S=one, P=other, Y=LOGIT)[0] == {"S -> P", "S -> Y", "P -> Y"}
    assert edges(TEXT, S=one, P=Call("max", (STREAM,)))[0] == set()


def test_what_is_read_behind_the_prompt_has_routes_around_the_last_position() -> None:
    """An answer of several tokens, or a generated text, looks back at keys and values of all layers."""
    first = site(("layer", 0), ("kv", 0), "k", at=FIRST)
    held = [site(("layer", i), "attn", "out", at=LAST) for i in range(2)]
    nodes = {"K": first, "A": held[0], "B": held[1]}
    for answer, around in (
        (LOGIT, False),
        (Readout("m", "prob", Text("a b"), LAST), True),
        (Generated("m", 3), True),
    ):
        stream = site(("layer", 0), "resid", at=ALL)
        assert ("K -> Y" in edges(TEXT, **nodes, R=stream, Y=answer)[0]) == around


def test_images_reach_the_text_by_the_projector() -> None:
    table = SiteTable(
        "llava",
        (
            Tower("vision", "image", 2, 2, 4, 8, 16, causal=False, patches=(2, 2)),
            Tower("", "text", 1, 2, 4, 8, 16, causal=True),
        ),
        ("image", "input"),
        projector=8,
    )
    seen = site("vision", ("layer", 0), "mlp", "out", at=Position("image", index=1))
    text = site(("layer", 0), "mlp", "out")
    arrows, both = edges(table, V=seen, P=site("projector", "out", at=ALL), T=text, Y=LOGIT)
    assert arrows == {"V -> P", "P -> T", "P -> Y", "T -> Y"}
    assert both == {"V <-> P", "V <-> T", "V <-> Y", "P <-> T", "P <-> Y", "T <-> Y"}
    assert "V -> Y" in edges(table, V=seen, Y=LOGIT)[0]
    # Some families project an earlier layer: the last one does not stand between.
    late = site("vision", ("layer", 1), "resid", at=ALL)
    assert "V -> Y" in edges(table, V=seen, L=late, Y=LOGIT)[0]


def test_features_stand_between_a_stream_and_its_readers() -> None:
    stream = STREAM.address.path
    found = Dictionary("s", "sae", "s", Path("s"), (0, 0), stream, stream, 16, Activation("relu"), False, ())
    table = replace(TEXT, dictionaries=(found,))
    feature = Site(Address("m", (Attached("s"), Part("feature", 3))), LAST)
    error = Site(Address("m", (Attached("s"), Part("error"))), LAST)
    arrows, _ = edges(table, A=BEFORE, F=feature, W=STREAM, B=AFTER, Y=LOGIT)
    assert arrows == {"A -> W", "W -> F", "W -> B", "W -> Y", "F -> B", "F -> Y", "B -> Y"}
    arrows, _ = edges(table, W=STREAM, F=feature, Rest=error, Y=LOGIT)
    assert arrows == {"W -> F", "W -> Rest", "W -> Y", "F -> Y", "Rest -> Y"}


def test_a_transcoder_finds_features_in_what_the_part_reads() -> None:
    read, write = (site(("layer", 0), "mlp", x) for x in ("in", "out"))
    paths = read.address.path, write.address.path
    found = Dictionary("t", "transcoder", "t", Path("t"), (0, 0), *paths, 16, Activation("relu"), False, ())
    feature = Site(Address("m", (Attached("t"), Part("feature", 3))), LAST)
    error = Site(Address("m", (Attached("t"), Part("error"))), LAST)
    table = replace(TEXT, dictionaries=(found,))
    arrows, _ = edges(table, I=read, O=write, F=feature, Rest=error, S=STREAM)
    assert arrows == {"I -> O", "I -> F", "I -> Rest", "O -> Rest", "I -> S", "F -> S", "Rest -> S"}


@pytest.mark.parametrize(
    "value",
    [
        Counterfactual(BEFORE, World()),
        Column("x"),
        Number(3),
        Binary("+", Call("norm", (BEFORE,)), Call("norm", (AFTER,))),
        Binary("+", Call("norm", (BEFORE,)), LOGIT),
        site(("layer", 0), "mlp", "out", at=Position("new")),
        site(("layer", 0), "mlp", "out", at=Position("each")),
        Site(Address("m", (Part("module", text="transformer.h.0"),)), LAST),
    ],
)
def test_what_stands_nowhere(value: Expr) -> None:
    with pytest.raises(DiagnosticError, match="CQ288"):
        listing([("A", value)])


def test_a_large_model_is_drawn_in_moments() -> None:
    table = SiteTable("x", (Tower("", "text", 80, 64, 128, 8192, 28672, causal=True, kv_heads=8),), ("input",))
    nodes = {f"H{i}_{j}": site(("layer", i), ("head", j), "out") for i in range(0, 80, 4) for j in (0, 9, 63)}
    start = time.process_time()
    arrows, _ = edges(table, **nodes, Y=LOGIT)
    assert time.process_time() - start < 5
    assert len(arrows) == 20 * 19 // 2 * 9 + 60


def test_shared_keys_are_read_by_heads_that_nobody_lists() -> None:
    """`kv[0].k` is of the heads 0 and 1: with head 0 listed a route leads on by head 1, with both it does not."""
    key, part = site(("layer", 0), ("kv", 0), "k"), site(("layer", 0), "attn", "out")
    heads = {f"H{j}": site(("layer", 0), ("head", j), "out") for j in range(2)}
    assert edges(GROUPED, K=key, H0=heads["H0"], B=part)[0] == {"K -> H0", "K -> B", "H0 -> B"}
    assert edges(GROUPED, K=key, **heads, B=part)[0] == {"K -> H0", "K -> H1", "H0 -> B", "H1 -> B"}
