"""Whole plans: what is predicted from sketches is what loaded models then do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from causalcircuit import rows, runs
from causalcircuit.check import queries_of, sites
from causalcircuit.engine import Prepared, execute, prepare
from causalcircuit.engine.cost.limit import positions_for, weights_of
from causalcircuit.engine.cost.meter import Meter
from causalcircuit.engine.cost.predict import predict
from causalcircuit.engine.cost.seconds import guessed
from causalcircuit.engine.plan import make_plan
from causalcircuit.models import load, sketch
from tests.planning.counting import allocated, operations

EXAMPLES = Path(__file__).parents[2] / "examples"
ROWS = 48
HOWS = ("full", "naive")


def planned(name: str) -> tuple[Prepared, Prepared]:
    """The first data set of an example, some rows of it: on sketches, and on loaded models."""
    torch.set_num_threads(1)
    program = runs.check(EXAMPLES / f"{name}.cq")
    ref = program.commands[0].data
    asked = [c for c in program.commands if c.data == ref]
    data = rows.load(ref)
    data = data.take(range(min(ROWS, data.n)))
    plan = make_plan(
        [q.expr for c in asked for q in queries_of(c)], data, {n: sites(r) for n, r in program.models.items()}
    )
    models = {n: program.models[n] for n in plan.models}
    sketched = prepare(plan, {n: sketch(r) for n, r in models.items()}, data)
    return sketched, prepare(plan, {n: load(r) for n, r in models.items()}, data)


@pytest.fixture(scope="module", params=["ioi", "interchange", "mediation", "claims"])
def both(request: pytest.FixtureRequest) -> tuple[Prepared, Prepared]:
    return planned(request.param)


@pytest.mark.parametrize("how", HOWS)
def test_passes_and_operations_are_those_that_are_made(both: tuple[Prepared, Prepared], how: str) -> None:
    sketched, loaded = both
    rates = {n: guessed("cpu", 1) for n in sketched.models}
    found = predict(sketched, 2048, how, rates)  # type: ignore[arg-type]
    assert predict(loaded, 2048, how, rates).flops == found.flops  # type: ignore[arg-type]
    with Meter(loaded.models.values()) as meter:
        table = execute(loaded, how=how)  # type: ignore[arg-type]
    assert (found.passes, found.row_passes) == (meter.passes, table.cost["row_passes"])
    counted = operations(lambda: execute(loaded, how=how))  # type: ignore[arg-type]
    assert found.flops.total == pytest.approx(counted, rel=0.04)  # images: the class token passes no convolution


def test_sharing_is_predicted_to_save(both: tuple[Prepared, Prepared]) -> None:
    rates = {n: guessed("cpu", 1) for n in both[0].models}
    full, naive = (predict(both[0], 2048, how, rates).flops.total for how in HOWS)  # type: ignore[arg-type]
    assert full <= naive


@pytest.mark.parametrize("how", HOWS)
def test_memory_is_not_underestimated(both: tuple[Prepared, Prepared], how: str) -> None:
    """What tensors hold at the worst moment lies between half of what is predicted and 1.15 times it."""
    sketched, loaded = both
    found = predict(sketched, 2048, how, {n: guessed("cpu", 1) for n in sketched.models})  # type: ignore[arg-type]
    most = allocated(lambda: execute(loaded, how=how))  # type: ignore[arg-type]
    predicted = found.activations + found.kept
    assert 0.5 * predicted < most < 1.15 * predicted


@pytest.mark.parametrize("beside", [2_000_000, 6_000_000])
def test_a_limit_is_kept(both: tuple[Prepared, Prepared], beside: int) -> None:
    sketched, loaded = both
    limit = weights_of(sketched.models) + beside
    positions = positions_for([sketched], limit)
    assert positions == positions_for([loaded], limit) < 2048
    most = allocated(lambda: execute(loaded, max_tokens=positions))
    assert most < 1.1 * beside


def test_a_larger_limit_never_means_smaller_passes(both: tuple[Prepared, Prepared]) -> None:
    weights = weights_of(both[0].models)
    found = [positions_for([both[0]], weights + beside) for beside in (10**6, 2 * 10**6, 10**7, 10**8, 10**12)]
    assert found == sorted(found)
    assert found[-1] == 2048
