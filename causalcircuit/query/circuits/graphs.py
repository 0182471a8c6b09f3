"""GraphML (through networkx) and DOT: what other programs read. GraphML is read back unchanged, DOT is for pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from causalcircuit.query.circuits.schema import Mismatch

if TYPE_CHECKING:
    import networkx as nx

READOUT = "readout"
_XML = "".join(chr(i) for i in range(32) if i not in (9, 10, 13))
_REST = "circuit"
_DOWN, _UP = "#b5482a", "#2a6db5"


def to_graph(made: Mapping[str, Any]) -> nx.MultiDiGraph:
    """A document as a graph: nodes `n0`, … and `readout`, with labels; edges with scores.

    What is no edge or node stands in a graph attribute as JSON.
    """
    import networkx as nx

    rest = {k: v for k, v in made.items() if k not in ("edges", "nodes")}
    graph = nx.MultiDiGraph(**{_REST: json.dumps(rest, ensure_ascii=True, allow_nan=False)})
    keys = {site["id"]: f"n{i}" for i, site in enumerate(made["sites"])}
    for name, key in keys.items():
        graph.add_node(key, label=_shown(name))
    for rank, node in enumerate(made["nodes"]):
        graph.nodes[keys[node["site"]]].update(rank=rank, **_flat(node["score"]))
    if any(e["target"] is None for e in made["edges"]):
        graph.add_node(READOUT, label=_shown((made["origin"] or {}).get("readout") or READOUT))
    for rank, e in enumerate(made["edges"]):
        target = READOUT if e["target"] is None else keys[e["target"]]
        graph.add_edge(keys[e["source"]], target, rank=rank, **_flat(e["score"]))
    return graph


def from_graph(graph: nx.MultiDiGraph) -> dict[str, Any]:
    """The document of a graph that `to_graph` made.

    Raises:
        Mismatch: it is another graph.
    """
    try:
        made: dict[str, Any] = json.loads(graph.graph[_REST])
        ids = {f"n{i}": site["id"] for i, site in enumerate(made["sites"])}
        for key, data in graph.nodes(data=True):
            if key != READOUT and data.get("label") != _shown(ids[key]):
                raise Mismatch(f"the node `{ids[key]}` is labelled `{data.get('label')}`")
        nodes = [(d["rank"], {"site": ids[key], "score": _deep(d)}) for key, d in graph.nodes(data=True) if "rank" in d]
        edges = [
            (d["rank"], {"source": ids[a], "target": None if b == READOUT else ids[b], "score": _deep(d)})
            for a, b, d in graph.edges(data=True)
        ]
    except (KeyError, TypeError, ValueError) as problem:
        if isinstance(problem, Mismatch):
            raise
        raise Mismatch(f"it was not written by CausalCircuit: {problem!r} is missing or no JSON") from None
    for name, found in (("nodes", nodes), ("edges", edges)):
        made[name] = [item for _, item in sorted(found, key=lambda pair: pair[0])]
    return made


def to_graphml(made: Mapping[str, Any]) -> str:
    """GraphML."""
    import networkx as nx

    return '<?xml version="1.0" encoding="utf-8"?>\n' + "\n".join(nx.generate_graphml(to_graph(made))) + "\n"


def from_graphml(text: str) -> dict[str, Any]:
    """The document of a GraphML text.

    Raises:
        Mismatch: it is no GraphML, or was not written by `to_graphml`.
    """
    import networkx as nx

    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Mismatch("it declares entities, which no circuit file does")
    try:
        graph = nx.parse_graphml(text.partition("?>")[2] if text.startswith("<?xml") else text, force_multigraph=True)
    except Exception as problem:  # the parser and its reader have no common class of their own
        raise Mismatch(f"it is no GraphML: {problem}") from None
    return from_graph(graph)


def to_dot(made: Mapping[str, Any]) -> str:
    """DOT for Graphviz: blue raises the readout, red lowers it, thick is strong."""
    graph = to_graph(made)
    most = max((abs(d["score"]) for *_, d in graph.edges(data=True) if "score" in d), default=0.0) or 1.0
    lines = [f"digraph {_quoted(made['name'])} {{", "rankdir=BT;"]
    lines += [f"{key} [{_attributes(data)}];" for key, data in graph.nodes(data=True)]
    for a, b, data in graph.edges(data=True):
        look: dict[str, object] = {}
        if "score" in data:
            colour = _UP if data["score"] >= 0 else _DOWN
            look = {"penwidth": f"{0.5 + 4 * abs(data['score']) / most:.3f}", "color": colour}
        lines.append(f"{a} -> {b} [{_attributes({**data, **look})}];")
    return "\n".join([*lines, "}"]) + "\n"


def _attributes(data: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={_quoted(value)}" for name, value in data.items())


def _flat(score: Mapping[str, Any] | None) -> dict[str, float | int]:
    """A score as attributes; an open end of an interval is infinite."""
    if score is None:
        return {}
    out: dict[str, float | int] = {"score": float(score["value"]), "n": score["n"]}
    if score["interval"] is not None:
        low, high = score["interval"]
        out |= {"low": -math.inf if low is None else float(low), "high": math.inf if high is None else float(high)}
    return out if score["selected"] is None else out | {"selected": float(score["selected"])}


def _deep(data: Mapping[str, Any]) -> dict[str, Any] | None:
    if "score" not in data:
        return None
    interval = None
    if "low" in data:
        interval = [None if math.isinf(data[end]) else data[end] for end in ("low", "high")]
    return {"value": data["score"], "interval": interval, "n": data["n"], "selected": data.get("selected")}


def _shown(name: str) -> str:
    """A label: what XML cannot hold is left out."""
    bare = "".join("�" if c in _XML or "\ud800" <= c <= "\udfff" or c in "￾￿" else c for c in name)
    return " ".join(bare.split())


def _quoted(value: object) -> str:
    text = _shown(str(value)).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
