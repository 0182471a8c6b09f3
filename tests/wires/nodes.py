"""All ends that a wire can have in a decoder of pre-norm blocks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from causalcircuit.query import ALL, Expr, Position, Readout, Site, SiteTable, Wire
from causalcircuit.query.wiring import end_of, obstacle
from tests.truth.say import read, row, site

READOUT = read("logit", row("answer"))


def sources(table: SiteTable, position: Position = ALL, neurons: tuple[int, ...] = (0, 7)) -> Iterator[Site]:
    """Every write."""
    (tower,) = table.towers
    yield site("embed", position)
    for i in range(tower.layers):
        yield from (site(f"layer[{i}].head[{j}].out", position) for j in range(tower.heads))
        yield from (site(f"layer[{i}].mlp.neuron[{k}]", position) for k in neurons)
        yield from (site(f"layer[{i}].{x}.out", position) for x in ("attn", "mlp"))


def targets(table: SiteTable, position: Position = ALL) -> Iterator[Expr]:
    """Every read, and a readout."""
    (tower,) = table.towers
    shared = tower.groups != tower.heads
    for i in range(tower.layers):
        at = f"layer[{i}]"
        yield from (site(f"{at}.head[{j}].q", position) for j in range(tower.heads))
        yield from (site(f"{at}.kv[{j}].{x}", position) for j in range(tower.groups) for x in "kv")
        if shared:
            yield from (site(f"{at}.head[{j}].{x}", position) for j in range(tower.heads) for x in "kv")
        yield from (site(f"{at}.{x}", position) for x in ("attn.in", "resid_mid", "mlp.in", "resid"))
    yield site("final_norm", position)
    yield READOUT


def wires(table: SiteTable, position: Position = ALL, end: Position = ALL) -> list[Wire]:
    """Every wire that exists."""
    pairs = product(sources(table, position), targets(table, end))
    return [Wire(a, b) for a, b in pairs if not obstacle(table, table.info(a.address), end_of(table, b))]


def last_readout(e: Expr) -> bool:
    """Whether it is a readout."""
    return isinstance(e, Readout)
