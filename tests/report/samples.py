"""Results made by hand, with numbers of the kind that the shipped examples give."""

from __future__ import annotations

import math

from causalcircuit.diagnostics import Diagnostic, Source, Span, warning
from causalcircuit.query import Estimate, Interval, Result, Tested

W = 'cap.logit["woman"] @ last - cap.logit["man"] @ last'
KITCHEN, OFFICE = "do(cap.image = row.kitchen)", "do(cap.image = row.office)"
HEAD = "cap.decoder.layer[1].cross.head[3].out @ all"
COST = {"row_passes": 900.0, "seconds": 1.2345}
TARGET = "the process that scenes samples, sampling unit row.figure"
ASSUMED = (
    "the assignments are made in the model itself: the effect is identified by intervention",
    "clusters (row.figure) are independent draws from the process",
)
STUDENT = "cluster-robust t, 99 degrees of freedom"
FEW = warning("CQ609", "only 22 clusters: intervals are rough under 30", help="add clusters, not rows")


def scenes(
    name: str, value: float | None, ends: tuple[float, float] | None, unit: str = "logit", **more: object
) -> Estimate:
    """An estimate of the captioner's program."""
    where = (("W", W), ("kitchen", KITCHEN), ("office", OFFICE))
    base: dict[str, object] = {
        "n": 300,
        "clusters": 100,
        "regime": "intervention",
        "estimand": f"E[{W} | {KITCHEN}] - E[{W} | {OFFICE}]",
        "symbols": "E[W | kitchen] - E[W | office]",
        "where": where,
        "data": "scenes",
        "target": TARGET,
        "method": STUDENT,
        "assumptions": ASSUMED,
        "cost": COST,
    }
    interval = None if ends is None else Interval(*ends)
    return Estimate(name, value, interval, 0.95, unit, **(base | more))  # type: ignore[arg-type]


TOTAL = scenes("total", 3.7123, (3.521, 3.9036))
NIE = scenes(
    "nie",
    0.4181,
    (0.3122, 0.5301),
    estimand=f"E[{W} | do({HEAD} = ({HEAD} | {KITCHEN}), cap.image = row.office)] - E[{W} | {OFFICE}]",
    symbols="E[W | office, do(A = (A | kitchen))] - E[W | office]",
    where=(("W", W), ("office", OFFICE), ("A", HEAD), ("kitchen", KITCHEN)),
)
RATIO = scenes(
    "nie / total",
    0.11263,
    (0.0842, 0.1431),
    "ratio",
    symbols="(E[W | office, do(A = (A | kitchen))] - E[W | office]) / (E[W | kitchen] - E[W | office])",
    method="cluster-robust Fieller set, t",
)
MEDIATION = Result(
    (TOTAL, NIE, RATIO),
    comments=('examples/mediation.cq  Kitchen -> "woman": how much runs through head 1.3, and for whom?',),
)

GROUPS = Result(
    tuple(
        scenes("total", v, e, at=(("row.gender", g),), n=n, clusters=c, diagnostics=d)
        for g, v, e, n, c, d in [
            ("woman", 2.91, (2.62, 3.2), 84, 28, (FEW,)),
            ("man", 4.5123, (4.31, 4.7), 150, 50, ()),
            ("unknown", 3.1, (1.0, 5.2), 66, 22, (FEW,)),
        ]
    )
)

SWEEP = Result(
    tuple(
        scenes(
            "effect(H)",
            -0.31 * (7 * layer + head) % 3 - 2,
            (-0.31 * (7 * layer + head) % 3 - 2.2, -0.31 * (7 * layer + head) % 3 - 1.75),
            data="ioi",
            clusters=None,
            n=200,
            symbols=f"E[LD | do(gpt2.layer[{layer}].head[{head}].out @ last = 0)] - E[LD]",
            where=(("LD", "gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last"),),
            at=(("H", f"gpt2.layer[{layer}].head[{head}].out @ last"),),
            comments=("Which heads matter?", "", "One after another, all positions but", "the last left alone."),
        )
        for layer in (10, 0)
        for head in (1, 0)
    )
)

UNDEFINED = Result(
    (
        scenes(
            "nie / total",
            None,
            None,
            "ratio",
            reason="undefined: the 95% interval of the denominator, [-0.11, 0.32], holds 0",
        ),
        scenes("P(W > 0 | kitchen)", 1.0, (0.9625, 1.0), "probability", n=100, clusters=None, method="Wilson"),
        scenes("E[W]", 0.25, None, reason="an interval needs at least two clusters in every mean", n=3, clusters=1),
        scenes("half", -1.5, (-math.inf, -1.23456)),
        scenes("dead", 0.0, (0.0, 0.0), method="a number, nothing estimated"),
        scenes("tiny", 1.5e-11, (1.2e-11, 1.9e-11)),
        scenes("huge", 123456789.0, (123450000.0, 123460000.0), "1/logit"),
        scenes('E[W | do(cap.image = row.kitchen), row.gender = "man"] - E[W]', 2.0, (1.0, 3.0)),
    )
)

POPULATION = Result(
    (
        scenes(
            "total",
            3.7123,
            None,
            method="exact: these rows are the population",
            target="these rows of scenes, exactly",
        ),
    )
)


def claim(
    name: str, verdict: str, value: float | None, ends: tuple[float, float] | None, p: float, **more: object
) -> Tested:
    """A claim on the indirect-object model."""
    base: dict[str, object] = {
        "p_adjusted": min(1.0, 2 * p),
        "region": "< -0.5 logit",
        "unit": "logit",
        "n": 200,
        "clusters": 60,
        "family": "heads",
        "correction": "holm",
        "level": 0.95,
        "estimand": "E[gpt2.logit[row.io] @ last | do(NM = mean(NM))] - E[gpt2.logit[row.io] @ last]",
        "symbols": "E[LD | do(NM = mean(NM))] - E[LD]",
        "where": (("LD", "gpt2.logit[row.io] @ last"), ("NM", "gpt2.layer[1].head[3].out @ last")),
        "data": "ioi",
        "target": "the process that ioi samples, sampling unit row.names",
        "method": STUDENT,
        "cost": COST,
    }
    interval = None if ends is None else Interval(*ends)
    return Tested(name, verdict, value, interval, p, **(base | more))  # type: ignore[arg-type]


CLAIMS = Result(
    hypotheses=(
        claim(
            "name_mover",
            "supported",
            -1.9312,
            (-2.04, -1.82),
            1e-9,
            title="Head 1.3 writes the name",
            because="attends from END to IO; its OV circuit copies",
        ),
        claim(
            "idle",
            "supported",
            -0.0612,
            (-0.1041, -0.0183),
            0.021,
            region="within [-0.1 logit, 0.1 logit]",
            title="Head 0.1 has no practical effect",
            symbols="E[LD | do(gpt2.layer[0].head[1].out @ last = mean(gpt2.layer[0].head[1].out @ last))] - E[LD]",
            note="by the adjusted p: supported; "
            "the simultaneous interval shown, wider, alone would leave it inconclusive",
        ),
    ),
    comments=("Claims declared before they are tested",),
)

FAMILY = Result(
    hypotheses=tuple(
        claim(
            "effect(H) < -0.1 logit",
            v,
            x,
            None if x is None else (x - 0.1, x + 0.1),
            p,
            region="< -0.1 logit",
            family="effect(H) < -0.1 logit",
            named=False,
            p_refute=1 - p,
            p_refute_adjusted=0.0031 * x if v == "refuted" else 1.0,
            reason="" if x is not None else "undefined: an interval needs at least two clusters in every mean",
            at=(("H", f"a.gpt2.layer[{i // 4}].head[{i % 4}].out @ last"),),
            symbols=f"E[LD | do(a.gpt2.layer[{i // 4}].head[{i % 4}].out @ last = 0)] - E[LD]",
        )
        for i, (v, x, p) in enumerate(
            [
                ("inconclusive", -0.1, 0.5),
                ("refuted", 0.4, 1.0),
                ("supported", -0.9, 0.001),
                ("inconclusive", None, 1.0),
                ("supported", -1.9, 0.00001),
                ("refuted", 0.9, 1.0),
                ("inconclusive", -0.12, 0.3),
            ]
        )
    )
)

_SOURCE = Source("ioi.cq", 'model m = hf("./m")\nestimate ate on ioi ci 95% seed 7\n')
PARTIAL = Result(
    (scenes("total", 3.6, (3.1, 4.1), n=12, clusters=4, cost={}),),
    diagnostics=(
        warning(
            "CQ604", "nothing is drawn at random here: `seed` without effect", Span(_SOURCE, 47, 53), help="drop it"
        ),
        Diagnostic("CQ611", "rows do not vary", severity="note", where="scenes"),
    ),
    interrupted=True,
)

HOSTILE = Result(
    (
        scenes("total", 1.0, (0.5, 1.5), at=(("row.word", "\x1b[31mred[/bold]\x07 :smile: [bold]"),)),
        scenes("total", 1.0, (0.5, 1.5), at=(("row.word", "日本語の長い名前" * 5),)),
    )
)

NOTHING = Result(interrupted=True)

RESULTS = {
    "mediation": MEDIATION,
    "groups": GROUPS,
    "sweep": SWEEP,
    "undefined": UNDEFINED,
    "population": POPULATION,
    "claims": CLAIMS,
    "family": FAMILY,
    "partial": PARTIAL,
    "hostile": HOSTILE,
    "nothing": NOTHING,
}
