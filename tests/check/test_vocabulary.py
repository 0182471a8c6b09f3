"""The vocabulary of `query/std.cq`: what its definitions mean, held against structural models that are enumerated."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import causalcircuit as cq
from causalcircuit.check import Checker, vocabulary
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, Source, codes, page
from causalcircuit.query import (
    FACTUAL,
    Binary,
    Compare,
    Counterfactual,
    Expect,
    Expr,
    Logic,
    Number,
    Probability,
    World,
    render,
    walk,
)
from causalcircuit.query.algebra import world_in
from causalcircuit.query.identification import Variable
from causalcircuit.runs import Session, check_text
from repotools.fixtures import FIXTURES
from tests.check.programs import IOI, SCENES, checked, errors, said

DOCS = Path(__file__).parents[2] / "docs"
DRAWN = "graph G { Z -> X, Z -> Y, X -> M, X -> Y, M -> Y }\nlet on1 = do(X = 1)\nlet off = do(X = 0)\n"


# ---- a structural model of four variables, all of whose states are enumerated


@dataclass(frozen=True)
class Scm:
    """Z, X, M, Y of 0 and 1: functions of their parents and of a state u, which has probability p[u].

    Shapes: z [u], x [z, u], m [x, u], y [z, x, m, u]. With as many states as this any joint law of potential responses
    can be had.
    """

    p: np.ndarray
    z: np.ndarray
    x: np.ndarray
    m: np.ndarray
    y: np.ndarray

    def value(self, name: str, u: int, world: World) -> float:
        """A variable on a row in a world."""
        assigned = world.value_of(Variable(name))
        if assigned is not None:
            return self.of(assigned, u, world)
        inside = {v: int(self.value(v, u, world)) for v in {"Z": "", "X": "Z", "M": "X", "Y": "ZXM"}[name]}
        return float(getattr(self, name.lower())[(*inside.values(), u)])

    def of(self, e: Expr, u: int, world: World) -> float:
        """A row value in a world; a nested world inherits nothing."""
        match e:
            case Variable(name=name):
                return self.value(name, u, world)
            case Number(value=x):
                return x
            case Counterfactual(value=inside, world=other):
                return self.of(inside, u, other)
            case Compare(op="=", left=left, right=right):
                return float(self.of(left, u, world) == self.of(right, u, world))
            case Logic(op="not", operands=(one,)):
                return 1 - self.of(one, u, world)
            case Logic(op="and", operands=several):
                return float(all(self.of(one, u, world) for one in several))
            case Binary(op="-", left=left, right=right):
                return self.of(left, u, world) - self.of(right, u, world)
        raise AssertionError(render(e))

    def estimand(self, e: Expr) -> float:
        """An estimand, over all states."""
        match e:
            case Number(value=x):
                return x
            case Binary(op=op, left=left, right=right):
                a, b = self.estimand(left), self.estimand(right)
                return {"+": a + b, "-": a - b, "*": a * b}[op] if op != "/" else a / b
            case (
                Expect(value=value, world=world, condition=condition)
                | Probability(event=value, world=world, condition=condition)
            ):
                u = range(len(self.p))
                kept = np.array([1.0 if condition is None else self.of(condition, i, world) for i in u]) * self.p
                return float(np.array([self.of(value, i, world) for i in u]) @ kept / kept.sum())
        raise AssertionError(render(e))


def scm(seed: int, random_treatment: bool = False) -> Scm:
    r = np.random.default_rng(seed)
    k = 16
    z, x, m, y = (r.integers(0, 2, s) for s in ((k,), (2, k), (2, k), (2, 2, 2, k)))
    p = r.dirichlet(np.ones(k))
    if not random_treatment:
        return Scm(p, z, x, m, y)
    # X is a coin of its own: states are pairs (u, coin), and nothing else looks at the coin
    coin = np.repeat([0, 1], k)
    both = [np.concatenate([a, a], axis=-1) for a in (z, m, y)]
    return Scm(np.concatenate([0.3 * p, 0.7 * p]), both[0], np.stack([coin, coin]), both[1], both[2])


@cache
def asked(text: str) -> Expr:
    checker = Checker(FIXTURES)
    checker.read(Source("t.cq", f"{DRAWN}let q = {text}\n"))
    found = checker.scope.names["q"][0]
    assert isinstance(found, Expr)
    return found


def brute(s: Scm) -> dict[str, float]:
    """Each effect by sums over states, from the definitions in the literature."""
    p, u = s.p, np.arange(len(s.p))
    z = s.z
    x = s.x[z, u]
    m = [s.m[0, u], s.m[1, u]]

    def y(a: np.ndarray | int, b: np.ndarray) -> np.ndarray:
        return s.y[z, a, b, u]

    def mean(v: np.ndarray, kept: np.ndarray | None = None) -> float:
        w = p if kept is None else p * kept
        return float(v @ w / w.sum()) if w.sum() else np.nan  # nobody is among them

    y1, y0 = y(1, m[1]), y(0, m[0])
    te, nde, nie = mean(y1) - mean(y0), mean(y(1, m[0])) - mean(y0), mean(y(0, m[1])) - mean(y0)
    ones = np.ones_like(x)
    return {
        "ATE(Y, on1, off)": te,
        "TE(Y, on1, off)": te,
        "CATE(Y, on1, off, (Z = 1))": mean(y1, z == 1) - mean(y0, z == 1),
        "ETT(Y, on1, off, (X = 1))": mean(y1 - y0, x == 1),
        "CDE(Y, on1, off, M, 1)": mean(y(1, ones)) - mean(y(0, ones)),
        "NDE(Y, on1, off, M)": nde,
        "NIE(Y, on1, off, M)": nie,
        "mediated_share(Y, on1, off, M)": nie / te if te else np.nan,
        "needed_share(Y, on1, off, M)": 1 - nde / te if te else np.nan,
        "mediated_interaction(Y, on1, off, M)": te - nde - nie,
        "interaction(Y, on1, off, do(M = 1), do(M = 0))": (mean(y(1, ones)) - mean(y(0, ones)))
        - (mean(y(1, 0 * ones)) - mean(y(0, 0 * ones))),
        "interaction(Y, on1, off, do(M = 1))": (mean(y(1, ones)) - mean(y(0, ones))) - te,
        "PN((Y = 1), on1, off)": mean(y0 == 0, y1 == 1),
        "PN((Y = 1), on1, off, given = (X = 1))": mean(y0 == 0, (x == 1) & (y(x, s.m[x, u]) == 1)),
        "PS((Y = 1), on1, off)": mean(y1 == 1, y0 == 0),
        "PS((Y = 1), on1, off, (X = 0))": mean(y1 == 1, (x == 0) & (y(x, s.m[x, u]) == 0)),
        "PNS((Y = 1), on1, off)": mean((y1 == 1) & (y0 == 0)),
        "PNS((Y = 1), on1, off, (Z = 0))": mean((y1 == 1) & (y0 == 0), z == 0),
    }


@given(st.integers(0, 10**9))
@settings(max_examples=25, deadline=None)
def test_every_definition_is_what_the_literature_says(seed: int) -> None:
    s = scm(seed)
    for text, truth in brute(s).items():
        if np.isfinite(truth):
            assert s.estimand(asked(text)) == pytest.approx(truth, abs=1e-12), text


def test_every_name_but_that_of_wires_is_held_against_enumeration() -> None:
    assert {text.partition("(")[0] for text in brute(scm(0))} == {*vocabulary.words()} - {"PSE"}


@given(st.integers(0, 10**9))
@settings(max_examples=25, deadline=None)
def test_identities_between_effects(seed: int) -> None:
    s = scm(seed)

    def of(text: str) -> float:
        return s.estimand(asked(text))

    te = of("TE(Y, on1, off)")
    assert te == pytest.approx(of("NDE(Y, on1, off, M)") - of("NIE(Y, off, on1, M)"), abs=1e-12)
    assert te == pytest.approx(of("NIE(Y, on1, off, M)") - of("NDE(Y, off, on1, M)"), abs=1e-12)
    parts = [of(f"{name}(Y, on1, off, M)") for name in ("NDE", "NIE", "mediated_interaction")]
    assert te == pytest.approx(sum(parts), abs=1e-12)
    y1, y0 = of("P(Y = 1 | on1)"), of("P(Y = 1 | off)")
    pns = of("PNS((Y = 1), on1, off)")
    assert max(0.0, y1 - y0) - 1e-12 <= pns <= min(y1, 1 - y0) + 1e-12
    assert pns == pytest.approx(of("PN((Y = 1), on1, off)") * y1, abs=1e-12)
    assert pns == pytest.approx(of("PS((Y = 1), on1, off)") * (1 - y0), abs=1e-12)
    share = of("P(X = 1)")
    treated, others = of("ETT(Y, on1, off, (X = 1))"), of("ETT(Y, on1, off, (X = 0))")
    assert te == pytest.approx(share * treated + (1 - share) * others, abs=1e-12)


@given(st.integers(0, 10**9))
@settings(max_examples=15, deadline=None)
def test_where_treatment_is_random_nothing_hangs_on_who_was_treated(seed: int) -> None:
    s = scm(seed, random_treatment=True)
    for name, x in (("PN", 1), ("PS", 0), ("PNS", 1)):
        bare, restricted = (s.estimand(asked(f"{name}((Y = 1), on1, off{g})")) for g in ("", f", (X = {x})"))
        assert bare == pytest.approx(restricted, abs=1e-12)
    assert s.estimand(asked("ETT(Y, on1, off, (X = 1))")) == pytest.approx(s.estimand(asked("ATE(Y, on1, off)")))


# ---- the language


def test_a_wire_carries_what_its_source_writes_under_treatment() -> None:
    text = "E[W | office, do((A -> W) = (A | kitchen))] - E[W | office]"
    assert scenes("PSE(W, kitchen, office, A, W)") == scenes(text)


def scenes(text: str) -> Expr:
    return checked(f"{SCENES}estimate {text} on scenes\n").commands[-1].queries[0].expr  # type: ignore[union-attr]


def test_arguments_by_name_and_left_out() -> None:
    assert scenes("NIE(W, M = A, control = office, treated = kitchen)") == scenes("NIE(W, kitchen, office, A)")
    assert scenes("PN(W > 0, kitchen, office)") == scenes("P(not (W > 0 | office) | (W > 0 | kitchen))")
    chosen = 'PN(W > 0, kitchen, office, given = (row.gender = "man"))'
    assert scenes(chosen) == scenes('P(not (W > 0 | office) | (W > 0 | kitchen), row.gender = "man")')


def test_functions_of_a_program_have_defaults_too() -> None:
    text = "let gap(Y, w = kitchen, base = office) = E[Y | w] - E[Y | base]\n"
    program = checked(SCENES + text + "estimate gap(W), gap(W, office), gap(W, base = kitchen) on scenes\n")
    queries = [q.expr for q in program.commands[-1].queries]  # type: ignore[union-attr]
    assert queries[0] == scenes("ATE(W, kitchen, office)")
    assert queries[1] == scenes("E[W | office] - E[W | office]")
    assert queries[2] == scenes("E[W | kitchen] - E[W | kitchen]")


def test_a_name_of_the_program_comes_first_and_changes_no_definition() -> None:
    mine = SCENES + "let TE(Y, w, v) = E[Y | w]\nlet E1 = 2\n"
    program = checked(mine + "estimate TE(W, kitchen, office), mediated_share(W, kitchen, office, A) on scenes\n")
    own, share = (q.expr for q in program.commands[-1].queries)  # type: ignore[union-attr]
    assert own == scenes("E[W | kitchen]")
    assert share == scenes("mediated_share(W, kitchen, office, A)")
    assert errors(SCENES + "estimate ATE(W, kitchen, office) on scenes\nlet ATE(x) = E[x]\n") == ["CQ203"]
    assert said("graph G { PN -> PS }\nidentify E[PS | do(PN = 1)] in G\n") == ()
    assert errors(IOI + "node NIE = gpt2.layer[0].resid @ last\nestimate E[LD | do(NIE = 0)] on ioi\n") == []


def test_a_definition_is_no_name_of_a_file_in_use(tmp_path: Path) -> None:
    (tmp_path / "empty.cq").write_text("let a = 1\n")
    with pytest.raises(DiagnosticError) as problem:
        check_text('use "./empty.cq" as m\nlet b = m.ATE\n', folder=tmp_path)
    assert [d.code for d in problem.value.diagnostics] == ["CQ201"]


def places(e: Expr) -> set[str]:
    worlds = [w for x in walk(e) if (w := world_in(x)) is not None]
    spans = [*(x.span for x in walk(e)), *(w.span for w in worlds), *(a.span for w in worlds for a in w.assignments)]
    return {s.source.name for s in spans if s is not None}


@pytest.mark.parametrize(
    "text", ["NIE(W, kitchen, office, A)", "PN(W > 0, kitchen, office)", "PSE(W, kitchen, office, A, W)"]
)
def test_places_are_those_of_the_call(text: str) -> None:
    assert places(scenes(text)) == {"t.cq"}


def place(d: Diagnostic) -> str:
    return d.span.text if d.span is not None else ""


@pytest.mark.parametrize(
    ("call", "code", "under"),
    [
        ("ATE(W, kitchen, A)", "CQ900", "A"),
        ("PN(kitchen, W > 0, office)", "CQ900", "kitchen"),
        ("NIE(E[W], kitchen, office, A)", "CQ900", "E[W]"),
        ("NIE(W, kitchen, office, scenes)", "CQ900", "scenes"),
        ("ATE(W, kitchen)", "CQ207", "ATE(W, kitchen)"),
        ("ATE(W, kitchen, office, A)", "CQ207", "ATE(W, kitchen, office, A)"),
        ("ATE(W, kitchen, contrl = office)", "CQ207", "contrl = office"),
        ("ATE(W, treated = kitchen, office)", "CQ207", "ATE(W, treated = kitchen, office)"),
        ("NIE(W, kitchen, office, W)", "CQ215", "W"),
        ("interaction(W, kitchen, office, office)", "CQ301", "cap.image = row.office"),
        ("mediated_share(W, kitchen, office, W)", "CQ215", "W"),
        ("NIE(W, kitchen, office, cap.decoder.layer[1].mlp.out)", "CQ209", "cap.decoder.layer[1].mlp.out"),
        ("PN(W, kitchen, office)", "CQ314", "W"),
        ("NIE", "CQ205", "NIE"),
        ("NIEE(W, kitchen, office, A)", "CQ201", "NIEE"),
    ],
)
def test_what_is_wrong_with_a_call(call: str, code: str, under: str) -> None:
    found = [d for d in said(f"{SCENES}estimate {call} on scenes\n") if d.is_error]
    assert {d.code for d in found} == {code}
    assert found[0].span is not None
    assert found[0].span.source.name == "t.cq"
    assert place(found[0]) == under
    assert all(label.span.source.name == "t.cq" for label in found[0].labels)


def test_a_group_that_the_worlds_move_is_refused_in_the_program() -> None:
    found = said(f"{SCENES}estimate CATE(W, kitchen, office, (W > 0)) on scenes\n")
    (refused,) = (d for d in found if d.is_error)
    assert (refused.code, place(refused)) == ("CQ308", "CATE(W, kitchen, office, (W > 0))")


def test_true_is_a_condition_only_where_it_is_left_out() -> None:
    assert scenes("E[W | kitchen, true]") == scenes("E[W | kitchen]")
    assert errors(f"{SCENES}estimate E[(W | true)] on scenes\n") == ["CQ213"]


def test_defaults_come_last() -> None:
    assert errors("let f(x = 1, y) = x\n") == ["CQ901"]
    assert errors("let f(x, x = 1) = x\n") == ["CQ202"]


def test_diagrams_answer_what_asks_for_one_world_at_a_time() -> None:
    drawn = "graph G { Z -> X, Z -> Y, X -> Y }\n"
    program = check_text(drawn + "identify ATE(Y, do(X = 1), do(X = 0)), CATE(Y, do(X = 1), do(X = 0), (Z = 1)) in G\n")
    assert [i.identified for i in program.identifications] == [True, True]
    assert errors(drawn + "identify PNS((Y = 1), do(X = 1), do(X = 0)) in G\n") == ["CQ282"]


# ---- Python


cap = cq.model(str(FIXTURES / "models/captioner"), name="cap")
A = cap.decoder.layer[1].cross.head[3].out @ cq.all
W = cap.logit["woman"] @ cq.last - cap.logit["man"] @ cq.last
KITCHEN, OFFICE = cq.do({cap.image: cq.row.kitchen}), cq.do({cap.image: cq.row.office})
CALLS: list[tuple[Callable[[], cq.Quantity], str]] = [
    (lambda: cq.std.ATE(W, KITCHEN, OFFICE), "ATE(W, kitchen, office)"),
    (lambda: cq.std.CATE(W, KITCHEN, OFFICE, cq.row.gender == "man"), 'CATE(W, kitchen, office, (row.gender = "man"))'),
    (lambda: cq.std.CDE(W, KITCHEN, OFFICE, A, cq.mean(A | OFFICE)), "CDE(W, kitchen, office, A, mean((A | office)))"),
    (lambda: cq.std.NIE(W, M=A, treated=KITCHEN, control=OFFICE), "NIE(W, kitchen, office, A)"),
    (lambda: cq.std.needed_share(W, KITCHEN, OFFICE, A), "needed_share(W, kitchen, office, A)"),
    (lambda: cq.std.PSE(W, KITCHEN, OFFICE, A, W), "PSE(W, kitchen, office, A, W)"),
    (lambda: cq.std.interaction(W, KITCHEN, OFFICE, cq.do({A: 0})), "interaction(W, kitchen, office, do(A = 0))"),
    (lambda: cq.std.PNS(W > 0, KITCHEN, OFFICE), "PNS(W > 0, kitchen, office)"),
]


@pytest.mark.parametrize(("built", "text"), CALLS, ids=[text for _, text in CALLS])
def test_python_builds_the_same(built: Callable[[], cq.Quantity], text: str) -> None:
    assert built().expr == scenes(text)


def test_python_opens_definitions() -> None:
    assert repr(cq.std.NIE).startswith("let NIE(Y, treated, control, M) = ")
    assert "natural indirect effect" in (cq.std.NIE.__doc__ or "")
    assert dir(cq.std) == sorted(vocabulary.words())
    with pytest.raises(AttributeError, match="did you mean `NIE`"):
        cq.std.NIEE  # noqa: B018
    with pytest.raises(TypeError, match="missing a required argument: 'M'"):
        cq.std.NIE(W, KITCHEN, OFFICE)
    with pytest.raises(DiagnosticError) as problem:
        cq.std.NIE(W, KITCHEN, A, A)
    (found,) = problem.value.diagnostics
    assert (found.code, found.span) == ("CQ900", None)


def test_python_asks_diagrams() -> None:
    g = cq.graph("X -> Y, Z -> X, Z -> Y")
    asked = cq.std.ATE(g["Y"], cq.do({g["X"]: 1}), cq.do({g["X"]: 0}))
    assert cq.identify(asked, diagram=g).identifications[0].identified
    held = cq.std.CDE(g["Y"], cq.do({g["X"]: 1}), cq.do({g["X"]: 0}), g["Z"], 2)
    assert repr(held) == "E[Y | do(X = 1, Z = 2)] - E[Y | do(X = 0, Z = 2)]"


# ---- what a user opens


def test_every_definition_has_a_page_with_its_text() -> None:
    for name in vocabulary.words():
        text = vocabulary.page(name) or ""
        assert text.startswith(f"# {name}(")
        assert f"let {name}(" in text
        parameters = re.findall(r"^- `(\w+)`", text, re.MULTILINE)
        assert set(parameters) <= set(vocabulary.TAKES)
        assert len(text.splitlines()[2]) > 40  # what it is, in words
    assert vocabulary.page("CQ201") is None
    assert vocabulary.listing().count("\n") == len(vocabulary.words())


def test_the_page_of_the_docs_has_every_definition() -> None:
    text = (DOCS / "vocabulary.md").read_text(encoding="utf-8")
    for name in vocabulary.words():
        definition = (vocabulary.page(name) or "").partition("```cq\n")[2].partition("\n```")[0]
        assert definition in text, name


@pytest.mark.parametrize(
    "block", re.findall(r"```cq\n(.*?)```", (DOCS / "vocabulary.md").read_text(encoding="utf-8"), re.DOTALL)
)
def test_blocks_of_the_docs_are_sound(block: str) -> None:
    assert [d.code for d in said(SCENES + block)] == []


def test_a_prompt_explains_what_is_declared_there() -> None:
    session = Session(FIXTURES)
    assert session.function("ATE") is None
    session.execute("let ATE(x) = E[x]")
    assert session.function("ATE") == "let ATE(x) = E[x]"


@pytest.mark.parametrize("code", [c for c in codes() if "CQ900" <= c <= "CQ901"])
def test_examples_of_the_pages(code: str) -> None:
    examples = re.findall(r"```cq\n(.*?)```", page(code) or "", re.DOTALL)
    assert len(examples) == 2
    assert errors(examples[0]) == [code]
    assert errors(examples[1]) == []


def test_nothing_is_read_where_no_definition_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the vocabulary was read")

    monkeypatch.setattr(vocabulary, "_definitions", refuse)
    assert errors(SCENES + "estimate E[W | kitchen] on scenes\n") == []
    assert FACTUAL.factual
