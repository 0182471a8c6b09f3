"""Regimes against the truth: exact probability tables by rows with weights, and formulas written out by hand."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalcircuit.query import Result
from causalcircuit.runs import check_text, run_program

HEAD = 'data d = jsonl("./d.jsonl") weight row.p\n'


def told(folder: Path, rows: list[dict[str, object]], text: str) -> Result:
    (folder / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return run_program(check_text(text, folder=folder))


def nodes(*names: str) -> str:
    return "".join(f"node {n} = row.{n.lower()}\n" for n in names)


def table(joint: np.ndarray, names: str) -> list[dict[str, object]]:
    """Every cell of a joint distribution as a row; its last axis is hidden and summed over."""
    seen = joint.sum(axis=-1)
    return [
        {**{n.lower(): v for n, v in zip(names, at, strict=True)}, "p": float(seen[at])}
        for at in itertools.product(*map(range, seen.shape))
    ]


def mechanism(rng: np.random.Generator, *parents: int, levels: int = 2) -> np.ndarray:
    """P(v | parents), [parents…, levels]."""
    return rng.dirichlet(np.ones(levels) * 2, size=parents)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_adjustment_front_door_and_formulas_are_exact_on_a_table_of_probabilities(seed: int) -> None:
    """U confounds X and Y; Z moves X; M stands between X and Y; W is another cause of X and Y that is measured."""
    import tempfile

    rng = np.random.default_rng(seed)
    u, w = rng.dirichlet([2, 2]), rng.dirichlet([2, 2, 2])
    x, m, y = mechanism(rng, 3, 2), mechanism(rng, 2, levels=3), mechanism(rng, 3, 3, 2)
    joint = np.einsum("u,w,wux,xm,mwuy->wxmyu", u, w, x, m, y)
    do = np.einsum("u,w,xm,mwuy->xy", u, w, m, y)[:, 1]
    of_one = np.einsum("u,xm,muy->xy", u, m, y[:, 1])[:, 1]
    text = HEAD + nodes("W", "X", "M", "Y")
    text += "graph G { W -> X, W -> Y, X -> M -> Y, X <-> Y }\n"
    text += "let tau = E[Y | do(X = 1)] - E[Y | do(X = 0)]\n"
    text += "estimate tau, E[Y | do(X = 1)] / E[Y | do(X = 0)], P(Y = 0 | do(X = 1)) in G on d as population by id\n"
    text += "estimate E[Y | do(X = 1), W = 1] - E[Y | do(X = 0), W = 1] in G on d as population\n"
    text += "estimate E[Y | do(M = 2)] - E[Y | do(M = 0)], E[Y^2 + 3 * Y - 1 | do(M = 1)] in G on d as population\n"
    text += "graph F { X -> M -> Y, X <-> Y }\n"
    with tempfile.TemporaryDirectory() as folder:
        found = [e.value for e in told(Path(folder), table(joint, "WXMY"), text).estimates]
    by_m = np.einsum("u,w,mwuy->my", u, w, y)[:, 1]
    truth = [do[1] - do[0], do[1] / do[0], 1 - do[1], of_one[1] - of_one[0], by_m[2] - by_m[0], 4 * by_m[1] - 1]
    assert np.asarray(found) == pytest.approx(truth, abs=1e-9), (found, truth)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_front_door_alone_is_exact(seed: int) -> None:
    import tempfile

    rng = np.random.default_rng(seed)
    u = rng.dirichlet([2, 2])
    x, m, y = mechanism(rng, 2), mechanism(rng, 2, levels=3), mechanism(rng, 3, 2)
    joint = np.einsum("u,ux,xm,muy->xmyu", u, x, m, y)
    do = np.einsum("u,xm,muy->xy", u, m, y)[:, 1]
    text = HEAD + nodes("X", "M", "Y") + "graph F { X -> M -> Y, X <-> Y }\n"
    text += "let tau = P(Y | do(X = 1)) - P(Y | do(X = 0))\n"
    text += "estimate tau in F on d as population by frontdoor, id\n"
    text += "estimate P(Y | do(X = 1)) in F on d as population\n"
    with tempfile.TemporaryDirectory() as folder:
        result = told(Path(folder), table(joint, "XMY"), text)
    found = [e.value for e in result.estimates]
    assert found == pytest.approx([do[1] - do[0], do[1] - do[0], do[1]], abs=1e-9)
    assert [e.regime for e in result.estimates] == ["frontdoor", "id", "frontdoor"]
    assert all(e.interval is None and not e.reason for e in result.estimates)


def napkin(seed: int) -> tuple[np.ndarray, float]:
    """W -> R -> X -> Y with W <-> X and W <-> Y: only ID identifies it, at any value of R."""
    rng = np.random.default_rng(seed)
    a, b = rng.dirichlet([2, 2]), rng.dirichlet([2, 2])
    w, r = mechanism(rng, 2, 2), mechanism(rng, 2)
    x, y = mechanism(rng, 2, 2), mechanism(rng, 2, 2)
    joint = np.einsum("a,b,abw,wr,rax,xby->wrxyab", a, b, w, r, x, y)
    do = np.einsum("b,xby->xy", b, y)[:, 1]
    return joint.reshape(2, 2, 2, 2, 4), float(do[1] - do[0])


@pytest.mark.parametrize("seed", range(2))
def test_the_napkin_is_answered_by_id_without_being_told(tmp_path: Path, seed: int) -> None:
    joint, truth = napkin(seed)
    text = HEAD + nodes("W", "R", "X", "Y") + "graph N { W -> R -> X -> Y, W <-> X, W <-> Y }\n"
    text += "estimate E[Y | do(X = 1)] - E[Y | do(X = 0)] in N on d as population\n"
    (found,) = told(tmp_path, table(joint, "WRXY"), text).estimates
    assert found.regime == "id"
    assert found.value == pytest.approx(truth, abs=1e-9)
    assert any("no adjustment set and no front door exist" in a for a in found.assumptions)


def test_bounds_hold_the_truth_and_meet_it_where_all_comply(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    u, z = rng.dirichlet([2, 2]), np.array([0.5, 0.5])
    x, y = mechanism(rng, 2, 2), mechanism(rng, 2, 2)
    do = np.einsum("u,xuy->xy", u, y)[:, 1]
    text = HEAD + nodes("Z", "X", "Y") + "graph I { Z -> X -> Y, X <-> Y }\n"
    text += "let tau = E[Y | do(X = 1)] - E[Y | do(X = 0)]\n"
    text += "estimate tau in I on d with bounds\n"
    joint = np.einsum("u,z,zux,xuy->zxyu", u, z, x, y)
    (found,) = told(tmp_path, table(joint, "ZXY"), text).estimates
    assert found.bounds is not None
    assert (found.value, found.regime) == (None, "bounds(Z)")
    assert found.bounds.low <= do[1] - do[0] <= found.bounds.high
    obeyed = np.einsum("u,z,zx,xuy->zxyu", u, z, np.eye(2), y)
    rows = [row for row in table(obeyed, "ZXY") if row["p"]]
    (exact,) = told(tmp_path, rows, text).estimates
    assert exact.bounds is not None
    assert (exact.bounds.low, exact.bounds.high) == pytest.approx((do[1] - do[0],) * 2, abs=1e-7)


def test_events_of_two_variables_several_treatments_and_conditions_are_exact(tmp_path: Path) -> None:
    """A confounds X, W and Y; X acts through M and directly; W is another treatment."""
    rng = np.random.default_rng(8)
    a, x, w, m = rng.dirichlet([2, 2, 2]), mechanism(rng, 3), mechanism(rng, 3), mechanism(rng, 2, levels=3)
    y = mechanism(rng, 3, 3, 2, 2)  # [m, a, x, w, y]
    joint = np.einsum("a,ax,aw,xm,maxwy->axwmy", a, x, w, m, y)[..., None]

    def of_both(at: int) -> np.ndarray:
        return np.einsum("a,aw,m,mawy->my", a, w, m[at], y[:, :, at])

    def of_two(one: int, two: int) -> float:
        return float(np.einsum("a,m,may->y", a, m[one], y[:, :, one, two])[1])

    text = HEAD + nodes("A", "X", "W", "M", "Y")
    text += "graph G { A -> X, A -> W, A -> Y, X -> M -> Y, X -> Y, W -> Y }\n"
    text += "estimate P(M = 2 and Y = 1 | do(X = 1)), E[M * Y | do(X = 0)] in G on d as population by adjustment, id\n"
    text += "estimate E[Y | do(X = 1, W = 0)] - E[Y | do(X = 0, W = 1)] in G on d as population\n"
    text += "estimate E[Y | do(X = 1, W = 0)] in G on d as population by adjustment, id\n"
    text += "estimate E[Y | do(X = 1), not W] in G on d as population\n"
    found = [e.value for e in told(tmp_path, table(joint, "AXWMY"), text).estimates]
    product = sum(level * of_both(0)[level, 1] for level in range(3))
    given_w = np.einsum("a,a,m,ma->", a, w[:, 0], m[1], y[:, :, 1, 0, 1]) / (a @ w[:, 0])
    truth = [of_both(1)[2, 1]] * 2 + [product] * 2 + [of_two(1, 0) - of_two(0, 1)] + [of_two(1, 0)] * 2 + [given_w]
    assert found == pytest.approx(truth, abs=1e-9)
