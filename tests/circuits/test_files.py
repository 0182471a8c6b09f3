"""Files of circuits: read back as they were; what was changed, cut off or is of another kind is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query.circuit import Circuit, Score
from causalcircuit.query.circuits import as_text, from_text, read, write
from causalcircuit.query.circuits.document import digest, document
from causalcircuit.query.circuits.schema import Mismatch, check, schema
from tests.circuits.samples import circuit, circuits, edge, site

HEAD, MLP = "layer[0].head[1].out", "layer[0].mlp.out"
SMALL = circuit(
    edge(HEAD, "layer[1].head[3].q", -0.5, 0.9),
    edge(MLP, None, 0.25, 0.5),
    edge("embed", "layer[0].mlp.in"),
    groups={"early": (site(HEAD), site(MLP))},
)


def codes(text: str, suffix: str = ".json") -> list[str]:
    with pytest.raises(DiagnosticError) as caught:
        from_text(text, suffix)
    assert all(d.help for d in caught.value.diagnostics)
    return [d.code for d in caught.value.diagnostics]


def changed(change: Any, *, sealed: bool = False) -> str:
    """The file of the small circuit with one change, and with its hash made anew where `sealed`."""
    made = document(SMALL)
    change(made)
    return json.dumps(made | ({"sha256": digest(made)} if sealed else {}))


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(circuits)
@example(SMALL)
@example(Circuit("", "m"))
def test_json_and_graphml_are_read_back_unchanged(c: Circuit) -> None:
    for suffix in (".json", ".graphml"):
        again = from_text(as_text(c, suffix), suffix)
        assert again == c
        assert as_text(again, suffix) == as_text(c, suffix)
        if c.origin is not None and again.origin is not None:  # what equality leaves out
            assert (again.origin.seconds, again.origin.passes) == (c.origin.seconds, c.origin.passes)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(circuits)
def test_what_is_written_fits_the_schema(c: Circuit) -> None:
    check(document(c))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pydot's own, of its parser
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(circuits)
@example(SMALL)
def test_dot_has_nodes_edges_and_scores(c: Circuit) -> None:
    import pydot

    (graph,) = pydot.graph_from_dot_data(as_text(c, ".dot")) or []
    made = document(c)
    names = {n.get_name() for n in graph.get_nodes()}
    assert len(names) == len(made["sites"]) + any(e["target"] is None for e in made["edges"])
    found = sorted(float(str(e.get("score")).strip('"')) for e in graph.get_edges() if e.get("score") is not None)
    assert found == sorted(e.score.value for e in c.edges if e.score is not None)
    assert len(graph.get_edges()) == len(c.edges)


def test_graphml_is_what_networkx_reads(tmp_path: Path) -> None:
    write(SMALL, tmp_path / "c.graphml")
    graph = nx.read_graphml(tmp_path / "c.graphml", force_multigraph=True)
    labels = nx.get_node_attributes(graph, "label")
    scored = {(labels[a], labels[b]): d.get("score") for a, b, d in graph.edges(data=True)}
    assert scored[f"{HEAD} @ all", "layer[1].head[3].q @ all"] == -0.5
    assert scored[f"{MLP} @ all", "readout"] == 0.25
    assert scored["embed @ all", "layer[0].mlp.in @ all"] is None


def test_files_on_disk(tmp_path: Path) -> None:
    for name in ("c.json", "deep/c.graphml"):
        write(SMALL, tmp_path / name)
        assert read(tmp_path / name) == SMALL
    write(SMALL, tmp_path / "c.dot")
    assert {p.name for p in tmp_path.iterdir()} == {"c.json", "deep", "c.dot"}
    for name, code in (("c.dot", "CQ770"), ("none.json", "CQ770"), ("deep", "CQ770"), ("c.txt", "CQ770")):
        with pytest.raises(DiagnosticError, match=code):
            read(tmp_path / name)
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "latin.json").write_bytes(b"\xff\xfe")
    for name, code in (("folder.json", "CQ770"), ("latin.json", "CQ771")):
        with pytest.raises(DiagnosticError, match=code):
            read(tmp_path / name)
    for name in ("c.txt", "c.json/c.json"):
        with pytest.raises(DiagnosticError, match="CQ776"):
            write(SMALL, tmp_path / name)


@settings(deadline=None)
@given(st.data())
def test_a_file_that_was_cut_off_is_refused(data: Any) -> None:
    for suffix in (".json", ".graphml"):
        text = as_text(SMALL, suffix)
        assert codes(text[: data.draw(st.integers(0, len(text.rstrip()) - 1))], suffix) == ["CQ771"]


def _leaves(x: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(x, dict | list) and x:
        items = x.items() if isinstance(x, dict) else enumerate(x)
        return [leaf for k, v in items for leaf in _leaves(v, (*path, k))]
    return [path]


@pytest.mark.parametrize("path", _leaves(document(SMALL)), ids=lambda p: ".".join(map(str, p)))
def test_no_value_can_be_changed_by_hand(path: tuple[Any, ...]) -> None:
    def change(made: Any) -> None:
        for step in path[:-1]:
            made = made[step]
        old = made[path[-1]]
        other = {int: 7, float: 0.125, str: "x", list: [], dict: {"x": 1}, type(None): 0.5}[type(old)]
        made[path[-1]] = other if other != old else {"x": ["x"]}

    assert set(codes(changed(change))) <= {"CQ771", "CQ772", "CQ773"}


def test_the_diagnostic_names_the_cause() -> None:
    def score(value: Any) -> str:
        return changed(lambda m: m["edges"][0]["score"].update(value=value))

    assert codes(score(-0.4)) == ["CQ773"]
    assert codes(score(math.nan)) == codes(score(math.inf)) == ["CQ775"]
    assert codes(score(10**400)) == ["CQ771"]
    assert codes(score(True)) == codes(score("1")) == ["CQ771"]
    assert codes(changed(lambda m: m.update(schema=2), sealed=True)) == ["CQ772"]
    assert codes(changed(lambda m: m.update(schema=True), sealed=True)) == ["CQ772"]
    assert codes(changed(lambda m: m.update(more=1), sealed=True)) == ["CQ771"]
    assert codes(changed(lambda m: m.pop("trust"), sealed=True)) == ["CQ771"]
    assert codes(changed(lambda m: m["edges"].append(m["edges"][0]), sealed=True)) == ["CQ771"]
    assert codes(changed(lambda m: m["sites"].append(m["sites"][0]), sealed=True)) == ["CQ771"]
    assert codes(changed(lambda m: m["edges"][0].update(source="layer[9].mlp.out @ all"), sealed=True)) == ["CQ771"]
    assert codes(changed(lambda m: m["sites"][0]["position"].update(kind="last"), sealed=True)) == ["CQ771"]
    assert codes("[]") == codes("{}") == codes("null") == codes("1" * 5000) == ["CQ771"]
    assert codes("[" * 100_000) == ["CQ771"]
    assert codes('{"format": 1, "format": 2}') == ["CQ771"]
    with pytest.raises(DiagnosticError, match="CQ773"):
        from_text(changed(lambda m: m.update(sha256="0" * 64)))


def test_spaces_and_the_order_of_keys_do_not_matter() -> None:
    made = document(SMALL)
    assert from_text(json.dumps(dict(reversed(made.items())), indent=7)) == SMALL


@pytest.mark.parametrize(
    ("old", "new"),
    [('<data key="d', '<!DOCTYPE a><data key="d'), ("-0.5", "-0.4"), ("-0.5", "NaN"), ("-0.5", "INF"),
     (f"{HEAD} @ all</data>", "layer[0].head[2].out @ all</data>"), ("<graph ", "<graf ")],
)  # fmt: skip
def test_graphml_that_was_changed_is_refused(old: str, new: str) -> None:
    text = as_text(SMALL, ".graphml")
    assert old in text
    assert set(codes(text.replace(old, new), ".graphml")) <= {"CQ771", "CQ773", "CQ775"}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_not_written(value: float) -> None:
    broken = replace(SMALL.edges[0], score=Score(value))
    for suffix in (".json", ".graphml", ".dot"):
        with pytest.raises(DiagnosticError, match="CQ775"):
            as_text(replace(SMALL, edges=(broken,)), suffix)


def test_a_site_of_another_model_is_not_written() -> None:
    foreign = replace(SMALL, over=(site(HEAD, model="other"),))
    with pytest.raises(DiagnosticError, match="CQ775"):
        as_text(foreign)


def test_the_schema_is_whole() -> None:
    """Every rule that is named exists, and the parts of JSON Schema in it are those that are looked at."""
    known = {"$schema", "title", "description", "type", "required", "additionalProperties", "properties", "items",
             "$defs", "$ref", "anyOf", "const", "enum", "minimum", "minItems", "maxItems"}  # fmt: skip

    def rules(rule: Any) -> None:
        assert set(rule) <= known
        assert rule.get("$ref", "#/$defs/id").removeprefix("#/$defs/") in schema()["$defs"]
        inside = [*rule.get("properties", {}).values(), *rule.get("$defs", {}).values(), *rule.get("anyOf", ())]
        inside += [x for k in ("items", "additionalProperties") if isinstance(x := rule.get(k), dict)]
        for x in inside:
            rules(x)

    rules(schema())
    made = document(SMALL)
    del made["edges"][0]["score"]["n"]
    with pytest.raises(Mismatch, match=r"edges\[0\].score has no `n`"):
        check(made)
