"""One small example of every expression, and random ones."""

from __future__ import annotations

from hypothesis import strategies as st

from causalcircuit.query import (
    ALL,
    FACTUAL,
    FIRST,
    LAST,
    ROW,
    Address,
    Applied,
    Assignment,
    Binary,
    Call,
    Chat,
    ClassScore,
    Column,
    Compare,
    Component,
    Counterfactual,
    Direction,
    Distribution,
    Draw,
    Expect,
    Expr,
    Generated,
    Input,
    Items,
    Logic,
    Mean,
    Mentions,
    Negative,
    Noise,
    Number,
    OwnRow,
    Part,
    Picture,
    Position,
    Probability,
    Readout,
    Similarity,
    Site,
    Term,
    Text,
    Truth,
    Turn,
    Vector,
    Wire,
    Wires,
    Within,
    Word,
    World,
    world_of,
)
from causalcircuit.query.circuit import Circuit, CircuitEdge
from causalcircuit.query.circuits.formulas import Known
from causalcircuit.query.identification import AnyValue, Variable
from causalcircuit.query.summaries import Correlation, Quantile


def site(*steps: Part | str, model: str = "m", position: Position = LAST) -> Site:
    """A site whose plain steps are strings."""
    return Site(Address(model, tuple(s if isinstance(s, Part) else Part(s) for s in steps)), position)


HEAD = site(Part("layer", 1), Part("head", 3), "out")
RESID = site(Part("layer", 0), "resid", position=ALL)
LOGIT = Readout("m", "logit", Column("io"), LAST)
CORRUPT = world_of([Assignment(Input("m", "input"), Column("corrupt"))])
PATCH = world_of([Assignment(HEAD, Counterfactual(HEAD, CORRUPT)), Assignment(RESID, Number(0.0))])

DRAWN = Circuit("C", "m", (CircuitEdge(HEAD, None),))

EXAMPLES: dict[type[Expr], tuple[Expr, str]] = {
    Number: (Number(0.1, "logit"), "0.1 logit"),
    Text: (Text(' "a"\n'), '" \\"a\\"\\n"'),
    Truth: (Truth(True), "true"),
    Variable: (Variable("season"), "season"),
    AnyValue: (AnyValue(), "*"),
    Items: (Items((Text("a"), Column("b"))), '["a", row.b]'),
    Column: (Column("io"), "row.io"),
    Site: (HEAD, "m.layer[1].head[3].out @ last"),
    Input: (Input("m", "image"), "m.image"),
    Readout: (LOGIT, "m.logit[row.io] @ last"),
    Mean: (Mean(RESID, pooled=True), "mean(m.layer[0].resid @ all, pooled)"),
    Direction: (
        Direction(Counterfactual(RESID, CORRUPT), True, than=Counterfactual(RESID, FACTUAL)),
        "direction(m.layer[0].resid @ all, do(m.input = row.corrupt), do(), pooled)",
    ),
    Component: (Component(HEAD), "pc1(m.layer[1].head[3].out @ last)"),
    Noise: (Noise(0.5, 3), "noise(sd = 0.5, seed = 3)"),
    Draw: (Draw("u", 3, Column("io"), times=4), 'draw("u", seed = 3, per = row.io, times = 4)'),
    OwnRow: (ROW, "row"),
    Vector: (
        Vector("f.safetensors", "kind", "0" * 64, (1.0,)),
        'vector("f.safetensors", "kind", sha256 = "0000000000000000")',
    ),
    Wire: (Wire(HEAD, LOGIT), "(m.layer[1].head[3].out @ last -> m.logit[row.io] @ last)"),
    Wires: (
        Wires("m", Known(DRAWN), complement=True),
        "outside({(layer[1].head[3].out @ last -> readout)})",
    ),
    Call: (Call("dot", (HEAD, HEAD)), "dot(m.layer[1].head[3].out @ last, m.layer[1].head[3].out @ last)"),
    Binary: (Binary("/", Column("a"), Binary("-", Column("b"), Number(2))), "row.a / (row.b - 2)"),
    Negative: (Negative(Binary("*", Column("a"), Column("b"))), "-(row.a * row.b)"),
    Compare: (Compare("<=", Column("a"), Number(-2)), "row.a <= -2"),
    Within: (Within(Column("a"), Number(0), Number(0.5), outside=True), "row.a outside [0, 0.5]"),
    Logic: (
        Logic("or", (Logic("not", (Column("a"),)), Compare("=", Column("b"), Text("x")))),
        '(not (row.a)) or row.b = "x"',
    ),
    Counterfactual: (Counterfactual(HEAD, CORRUPT), "(m.layer[1].head[3].out @ last | do(m.input = row.corrupt))"),
    Expect: (
        Expect(LOGIT, CORRUPT, Compare("=", Column("g"), Text("man"))),
        'E[m.logit[row.io] @ last | do(m.input = row.corrupt), row.g = "man"]',
    ),
    Probability: (Probability(Compare(">", LOGIT, Number(0))), "P(m.logit[row.io] @ last > 0)"),
    Quantile: (
        Quantile(LOGIT, CORRUPT, share=0.9),
        "quantile((m.logit[row.io] @ last | do(m.input = row.corrupt)), 0.9)",
    ),
    Correlation: (
        Correlation(LOGIT, other=Call("norm", (HEAD,))),
        "correlation(m.logit[row.io] @ last, norm(m.layer[1].head[3].out @ last))",
    ),
    Term: (Term(2), "term[2]"),
    Chat: (
        Chat((Turn("system", (Text("Be brief."),)), Turn("user", (Picture(), Column("q"))))),
        '[system "Be brief.", user [image, row.q]]',
    ),
    Picture: (Picture(), "image"),
    ClassScore: (ClassScore("m", Text("toxic"), "sigmoid"), 'm.class["toxic", sigmoid]'),
    Similarity: (Similarity("m"), "m.similarity"),
    Distribution: (Distribution("m", LAST), "m.logits @ last"),
    Generated: (Generated("m", 20, 0.7, 3), "m.text(tokens = 20, temperature = 0.7, seed = 3)"),
    Mentions: (
        Mentions(Generated("m", 8), Items((Text("woman"), Column("word")))),
        'm.text(tokens = 8) mentions ["woman", row.word]',
    ),
    Applied: (Applied("toxicity", (HEAD, Number(2.0))), "toxicity(m.layer[1].head[3].out @ last, 2)"),
}
"""Of each class: an expression and its canonical text."""

POSITIONS: dict[str, Position] = {
    "last": LAST,
    "first": FIRST,
    "all": ALL,
    "-2": Position("index", index=-2),
    "image[7]": Position("image", index=7),
    "token(row.w)": Position("token", words=(Word("w"),)),
    '(token("Mary", 2) + 1)': Position("token", words=(Word(None, "Mary"),), number=2, offset=1),
    "token(row.a in row.base, row.b in row.source)": Position(
        "token", words=(Word("a", within="base"), Word("b", within="source"))
    ),
    "(span(row.w) - 3)": Position("span", words=(Word("w"),), offset=-3),
    "inside(row.mask)": Position("inside", mask="mask"),
    "outside(row.mask)": Position("outside", mask="mask"),
    "[first, token(row.w)]": Position("list", parts=(FIRST, Position("token", words=(Word("w"),)))),
}
"""Positions by their canonical text."""

finite = st.floats(-100, 100, allow_nan=False).map(lambda x: round(x, 3))
names = st.sampled_from(["a", "b", "c"])


def arithmetic(leaves: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    """Sums, products, powers and signs of `leaves`."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(Binary, st.sampled_from("+-*/"), inner, inner),
            st.builds(Binary, st.just("^"), inner, st.integers(-2, 3).map(lambda n: Number(float(n)))),
            st.builds(Negative, inner.filter(lambda e: not isinstance(e, Number))),
        ),
        max_leaves=6,
    )


sites = st.builds(
    lambda layer, head, position: site(Part("layer", layer), Part("head", head), "out", position=position),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from(list(POSITIONS.values())),
)


def _values(inner: st.SearchStrategy[World]) -> st.SearchStrategy[Expr]:
    site_values = st.one_of(sites, st.builds(Counterfactual, sites, inner), st.builds(Mean, sites, st.booleans()))
    return arithmetic(st.one_of(site_values, st.builds(Number, finite)))


worlds: st.SearchStrategy[World] = st.recursive(
    st.just(FACTUAL),
    lambda inner: st.lists(st.builds(Assignment, sites, _values(inner)), max_size=3, unique_by=lambda a: a.target).map(
        world_of
    ),
    max_leaves=4,
)
"""Worlds nested several deep, with values of every kind."""
