"""Meaning 12: the default needs no seed, one is asked for exactly where something is random, few clusters are said."""

import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Result
from tests.runs.asking import ask

FEW = 'data few = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.template\n'
SOME = 'data some = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.io\n'


def codes(result: Result) -> list[str]:
    return [d.code for d in result.remarks]


def test_the_default_needs_no_seed_and_repeats() -> None:
    one, two = (ask("estimate effect(NM) on d").estimates[0] for _ in range(2))
    assert one == two
    assert one.interval is not None


@pytest.mark.parametrize("method", ["bootstrap(2000)", "percentile(2000)", "basic(2000)"])
def test_a_seed_is_required_where_the_estimator_is_random(method: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        ask(f"estimate effect(NM) on d with {method}")
    assert [d.code for d in caught.value.diagnostics] == ["CQ603"]
    same = [ask(f"estimate effect(NM) on d with {method} seed 3").estimates[0] for _ in range(2)]
    assert same[0] == same[1]
    assert same[0].interval != ask(f"estimate effect(NM) on d with {method} seed 4").estimates[0].interval


def test_a_seed_without_effect_is_said() -> None:
    assert codes(ask("estimate effect(NM) on d seed 3")) == ["CQ604"]


def test_under_thirty_clusters_warn() -> None:
    result = ask(SOME + "estimate effect(NM) on some")
    clusters = result.estimates[0].clusters
    assert clusters is not None
    assert ("CQ609" in codes(result)) == (clusters < 30)


def test_under_twenty_clusters_the_t_of_the_same_estimand_replaces_a_bootstrap_and_that_is_said() -> None:
    result = ask(FEW + "estimate effect(NM) on few with bootstrap(2000) seed 1")
    (e,) = result.estimates
    assert e.clusters == 5
    assert codes(result) == ["CQ610"]
    assert e.value == ask("estimate effect(NM) on i").estimates[0].value
    assert "cluster-robust t" in e.method


def test_rows_of_a_cluster_are_not_independent() -> None:
    few, rows = (ask(FEW + f"estimate E[LD] on {d}").estimates[0].interval for d in ("few", "i"))
    assert few is not None
    assert rows is not None
    assert few != rows
