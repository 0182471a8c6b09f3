"""Diagrams for other programs: DOT, dagitty and networkx; and back from networkx."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from causalcircuit.causal.diagram import Diagram

if TYPE_CHECKING:
    import networkx as nx

_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_KEPT = {"digraph", "graph", "dag", "node", "edge", "subgraph", "strict", "bb"}


def to_dot(diagram: Diagram) -> str:
    """DOT: bidirected edges are dashed with two heads, latents are marked and grey."""
    lines = ["digraph {"]
    for v in diagram.vertices:
        lines.append(f"  {_quoted(v)}{' [latent=true, color=grey]' if v in diagram.latents else ''};")
    lines += [f"  {_quoted(p)} [selection=true, shape=box];" for p in dict(diagram.selections)]
    lines += [f"  {_quoted(a)} -> {_quoted(b)};" for a, b in (*diagram.directed, *diagram.selections)]
    lines += [f"  {_quoted(a)} -> {_quoted(b)} [dir=both, style=dashed];" for a, b in diagram.bidirected]
    return "\n".join([*lines, "}"])


def to_dagitty(diagram: Diagram, exposure: str = "", outcome: str = "") -> str:
    """The text that dagitty reads, with the treatment and the outcome marked where they are named."""
    lines = ["dag {"]
    for v in diagram.vertices:
        flags = [word for word, on in (("latent", v in diagram.latents), ("exposure", v == exposure)) if on]
        flags += ["outcome"] * (v == outcome)
        lines.append(f"  {_quoted(v)}{' [' + ', '.join(flags) + ']' if flags else ''}")
    lines += [f"  {_quoted(p)} [selection]" for p in dict(diagram.selections)]
    lines += [f"  {_quoted(a)} -> {_quoted(b)}" for a, b in (*diagram.directed, *diagram.selections)]
    lines += [f"  {_quoted(a)} <-> {_quoted(b)}" for a, b in diagram.bidirected]
    return "\n".join([*lines, "}"])


def to_networkx(diagram: Diagram) -> nx.DiGraph:
    """The diagram with a latent for every bidirected edge; nodes carry `observed="yes"` or `"no"`, as DoWhy reads."""
    import networkx as nx

    made = nx.DiGraph()
    for v in diagram.vertices:
        made.add_node(v, observed="no" if v in diagram.latents else "yes")
    made.add_edges_from(diagram.directed)
    for a, b in diagram.bidirected:
        name = f"U({a}, {b})"
        while name in made:
            name += "'"
        made.add_node(name, observed="no")
        made.add_edges_from([(name, a), (name, b)])
    return made


def from_networkx(graph: nx.DiGraph) -> Diagram:
    """A diagram from a directed graph or multigraph of networkx.

    A node with `observed` "no" or false, or with `latent` or `hidden` true, is latent; an edge with `dir="both"` or
    `kind="bidirected"`, or whose key is `"bidirected"`, stands for an unmeasured common cause. Names become strings.

    Raises:
        DiagnosticError: what the diagram itself raises.
    """
    latents = {str(v) for v, data in graph.nodes(data=True) if _hidden(data)}
    directed: list[tuple[str, str]] = []
    bidirected: list[tuple[str, str]] = []
    edges = graph.edges(keys=True, data=True) if graph.is_multigraph() else graph.edges(data=True)
    for a, b, *keys, data in edges:
        both = data.get("dir") == "both" or data.get("kind") == "bidirected" or "bidirected" in keys
        (bidirected if both else directed).append((str(a), str(b)))
    return Diagram(tuple(str(v) for v in graph.nodes), tuple(directed), tuple(bidirected), frozenset(latents))


def _hidden(data: dict[str, Any]) -> bool:
    seen = data.get("observed", True)
    return bool(data.get("latent") or data.get("hidden")) or seen in (False, "no", "false")


def _quoted(name: str) -> str:
    if _PLAIN.fullmatch(name) and name.casefold() not in _KEPT:
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
