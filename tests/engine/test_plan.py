"""Plans: which worlds, in which order, and nothing twice."""

from __future__ import annotations

import subprocess
import sys

import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.engine import make_plan
from causalcircuit.query import LAST, Binary, Counterfactual, Expect, Mean, Number, Readout, Site
from causalcircuit.query.plan import Plan
from tests.truth.ask import Engine
from tests.truth.say import call, cell, do, feed, given, mean, op, read, row, site

LD = Binary("-", read("logit", row("answer")), read("logit", " Tom"))
A, B, C = (site(f"layer[{i}].attn.out", LAST) for i in (0, 1, 1))
OTHER = do((feed("input"), row("other")))


def worlds(plan: Plan) -> list[str]:
    return [str(len(r.targets)) + ("*" if r.reads else "") for r in plan.runs]


def test_equal_worlds_are_one(text: Engine) -> None:
    effect = Binary("-", Expect(LD, do((A, 0), (B, 1))), Expect(LD))
    again = Binary("-", Expect(LD, do((B, 1), (A, 0))), Expect(LD))
    plan = make_plan([effect, again], text.data)
    assert len(plan.runs) == 2
    assert len(plan.cells) == 4, "two readouts in two worlds"
    assert plan.row_passes == 2 * text.data.n


def test_nested_worlds_come_first_and_inherit_nothing(text: Engine) -> None:
    inner = do((A, given(A, OTHER)))
    outer = do((B, given(B, inner)), (A, 0))
    plan = make_plan([Expect(LD, outer)], text.data)
    assert [r.world for r in plan.runs] == [OTHER, inner, outer]
    assert [r.needs for r in plan.runs] == [(), (0,), (1,)]
    assert [r.depth for r in plan.runs] == [0, 1, 2]
    assert plan.runs[1].reads == (B,)


def test_a_bare_target_is_natural_and_another_site_is_read_without_the_assignment(text: Engine) -> None:
    world = do((B, op(B, "*", A)), (site("layer[0].mlp.out", LAST), 3))
    plan = make_plan([Expect(LD, world)], text.data)
    formula = plan.runs[-1].values[list(plan.runs[-1].targets).index(B)]
    assert isinstance(formula, Binary)
    assert isinstance(formula.left, Site)
    assert formula.right == Counterfactual(A, world.without(B))
    assert plan.runs[0].world == world.without(B)


def test_a_mean_is_factual_unless_it_names_a_world(text: Engine) -> None:
    plan = make_plan([Expect(LD, do((A, mean(A)))), Expect(LD, do((A, mean(given(A, OTHER)))))], text.data)
    assert [r.statistic.of for r in plan.references] == [Counterfactual(A, do()), Counterfactual(A, OTHER)]
    assert [len(s.runs) for s in plan.stages] == [2, 2]
    assert plan.row_passes == 4 * text.data.n


def test_references_of_references_take_sweeps(text: Engine) -> None:
    """mean(B) in the world where A is at its own mean: three sweeps."""
    ablated = do((A, mean(A)))
    plan = make_plan([Expect(LD, do((B, Mean(given(B, ablated))))), Expect(LD)], text.data)
    assert [r.stage for r in plan.references] == [0, 1]
    assert len(plan.stages) == 3
    assert [plan.stages[k].references for k in range(3)] == [(0,), (1,), ()]
    assert [len(s.runs) for s in plan.stages] == [1, 1, 1], "no world runs twice here"


def test_a_source_runs_again_where_a_later_sweep_needs_it(text: Engine) -> None:
    plan = make_plan([Expect(LD, do((A, op(given(A, OTHER), "-", mean(given(A, OTHER))))))], text.data)
    assert [s.runs for s in plan.stages] == [(0,), (0, 1)]
    assert plan.row_passes == 3 * text.data.n


def test_cells_of_vectors(text: Engine) -> None:
    plan = make_plan([cell(call("norm", op(A, "-", given(A, OTHER))), do((A, 0)))], text.data)
    assert {r.world for r in plan.runs} == {do((A, 0)), OTHER}
    assert all(r.reads == (A,) for r in plan.runs)


def test_a_readout_in_another_world_is_a_value(text: Engine) -> None:
    prob = read("prob", " Tom")
    plan = make_plan([Expect(LD, do((A, op(A, "*", given(prob, do())))))], text.data)
    assert plan.runs[0].reads == (prob,)


@pytest.mark.parametrize(
    "world",
    [
        do((A, read("logit", " Tom"))),
        do((feed("input"), 3)),
        do((feed("input"), feed("input"))),
        do((A, feed("input"))),
    ],
)
def test_values_that_no_assignment_takes(text: Engine, world) -> None:
    with pytest.raises(DiagnosticError) as caught:
        make_plan([Expect(LD, world)], text.data)
    assert [d.code for d in caught.value.diagnostics] == ["CQ352"]


def test_another_models_assignments_do_not_make_another_world(text: Engine) -> None:
    from dataclasses import replace

    def of(e: Site, model: str) -> Site:
        return replace(e, address=replace(e.address, model=model))

    two = do((A, 0), (of(A, "n"), 1))
    plan = make_plan([Expect(LD, two), Expect(LD, do((A, 0)))], text.data)
    assert [(r.model, len(r.targets)) for r in plan.runs] == [("m", 1)]
    crossed = do((A, of(B, "n")), (of(A, "n"), 1))
    plan = make_plan([Expect(LD, crossed)], text.data)
    assert [(r.model, r.targets) for r in plan.runs] == [("n", (of(A, "n"),)), ("m", (A,))]


def test_plans_are_values(text: Engine) -> None:
    queries = [Expect(LD, do((A, mean(A)))), Expect(Number(1.0))]
    assert make_plan(queries, text.data) == make_plan(queries, text.data)
    assert hash(make_plan(queries, text.data)) == hash(make_plan(queries, text.data))
    assert "then mean(" in str(make_plan(queries, text.data))


def test_a_plan_of_columns_runs_nothing(text: Engine) -> None:
    plan = make_plan([Expect(row("dose"))], text.data)
    assert plan.runs == ()
    assert plan.row_passes == 0


def test_planning_imports_no_torch() -> None:
    code = "import sys, causalcircuit.engine as e; e.make_plan; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_readouts_of_a_world_are_read_once(text: Engine) -> None:
    plan = make_plan([Expect(LD), Expect(Binary("*", LD, LD))], text.data)
    assert all(isinstance(r, Readout) for r in plan.runs[0].reads)
    assert len(plan.runs[0].reads) == 2
