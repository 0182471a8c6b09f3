"""How a block adds its parts to the stream: solved from one pass's data, bit for bit.

Three forms are known. One part after the other: `mid = before + a`, `after = mid (+ c) + m`; both reading the same
stream: `after = before + a + m`; and a norm after each part: `mid = N(before + a)`, `after = N'(mid + m)`. Any term may
have a factor: a number of the config or a parameter of the block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from causalcircuit.models.records import Records, flat, same
from causalcircuit.models.roles import RoleError, Term

_FACTORS = ("residual_multiplier", "residual_scale", "layer_scale")


@dataclass(frozen=True, slots=True, eq=False)
class Composition:
    """What was solved: the terms, and how they stand (see `Block`)."""

    attention: Term
    cross: Term | None
    mlp: Term
    order: Literal["pre", "parallel", "post"]
    reader: nn.Module | None
    norms: tuple[nn.Module, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A block's candidates.

    Attributes:
        block: itself. attention, cross: modules whose output may be what attention adds, outermost first.
        rest: the modules that may be what the MLP adds. inside: all that belongs to the attentions.
    """

    block: nn.Module
    attention: tuple[nn.Module, ...]
    cross: tuple[nn.Module, ...]
    rest: tuple[nn.Module, ...]
    inside: frozenset[nn.Module]


def parts_of(
    block: nn.Module,
    own: tuple[nn.Module, nn.Module],
    cross: tuple[nn.Module, nn.Module] | None,
    records: Records,
) -> Parts:
    """The candidates, given each attention's core and projection."""
    shape = flat(_out(block, records)).shape
    cores = [p for p in (own, cross) if p is not None]
    taken: list[tuple[nn.Module, ...]] = []
    inside: set[nn.Module] = set()
    for core, projection in cores:
        others = {m for c, p in cores if c is not core for m in (c, p)}
        taken.append(tuple(_writes(block, core, projection, others, shape, records)))
        inside.update(core.modules(), [projection])
    named = {m for t in taken for m in t}
    rest = tuple(
        m
        for m in block.modules()
        if m in records
        and m is not block
        and m not in named
        and m not in inside
        and not any(core in set(m.modules()) for core, _ in cores)
        and (out := records[m].output) is not None
        and flat(out).shape == shape
    )
    return Parts(block, taken[0], taken[1] if len(taken) > 1 else (), rest, frozenset(inside))


def _writes(
    block: nn.Module, core: nn.Module, projection: nn.Module, others: set[nn.Module], shape: object, records: Records
) -> Iterator[nn.Module]:
    """What may be an attention's write: its projection, what holds it, and leaves that are fed one of these."""
    chosen: list[nn.Module] = []
    for m in sorted((m for m in block.modules() if m in records and m is not block), key=lambda m: records[m].order):
        out = records[m].output
        if out is None or flat(out).shape != shape or records[m].order < records[projection].order:
            continue
        holds = projection in set(m.modules()) or core in set(m.modules())
        follows = not any(True for _ in m.children()) and any(
            same(x, made) for c in chosen for x in records[m].inputs[:1] if (made := records[c].output) is not None
        )
        if (holds and not others & set(m.modules())) or follows:
            chosen.append(m)
    placed = {m: i for i, m in enumerate(block.modules())}
    yield from sorted(chosen, key=lambda m: placed[m])


def compose(parts: Parts, config: object, records: Records) -> Composition:
    """Solve a block.

    Raises:
        RoleError: none of the known forms gives the stream that the block returns.
    """
    before = _stream(parts.block, records)
    after = _out(parts.block, records)
    factors = tuple(_factors(parts.block, config, before.shape[-1]))
    for a in parts.attention:
        for factor in factors:
            write = _scaled(a, factor, records)
            mid = flat(before) + flat(write)
            readers = _readers(parts, mid, a, records)
            if readers:
                found = _pre(parts, Term(a, factor), mid, readers[0], after, factors, records)
                found = found or _post(parts, Term(a, factor), readers, after, factors, records)
                if found is not None:
                    return found
    for a in parts.attention:
        for factor in factors:
            found = _parallel(parts, Term(a, factor), before, after, factors, records)
            if found is not None:
                return found
    raise RoleError("no module completes stream + attention + MLP = next stream")


def _pre(
    parts: Parts, a: Term, mid: Tensor, reader: nn.Module, after: Tensor, factors: Sequence[Factor], records: Records
) -> Composition | None:
    for c, between in _crossed(parts, mid, factors, records):
        for m in parts.rest:
            for factor in factors:
                if same(between + flat(_scaled(m, factor, records)), after):
                    return Composition(a, c, Term(m, factor), "pre", reader)
    return None


def _crossed(
    parts: Parts, mid: Tensor, factors: Sequence[Factor], records: Records
) -> Iterator[tuple[Term | None, Tensor]]:
    """The stream before the MLP: `mid`, or with what cross-attention adds."""
    if not parts.cross:
        yield None, mid
    for c in parts.cross:
        for factor in factors:
            yield Term(c, factor), mid + flat(_scaled(c, factor, records))


def _parallel(
    parts: Parts, a: Term, before: Tensor, after: Tensor, factors: Sequence[Factor], records: Records
) -> Composition | None:
    if parts.cross:
        return None
    x, y = flat(before), flat(_scaled(a.module, a.scale, records))
    for m in parts.rest:
        for factor in factors:
            z = flat(_scaled(m, factor, records))
            # Addition rounds, so the order in which a family adds matters.
            if any(same(s, after) for s in (x + y + z, y + z + x, x + z + y)):
                return Composition(a, None, Term(m, factor), "parallel", None)
    return None


def _post(
    parts: Parts, a: Term, readers: Sequence[nn.Module], after: Tensor, factors: Sequence[Factor], records: Records
) -> Composition | None:
    for first in readers:
        mid = flat(_out(first, records))
        if parts.cross:
            for c, total in _crossed(parts, mid, factors, records):
                for second in _readers(parts, total, c.module if c else a.module, records):
                    found = _closing(parts, flat(_out(second, records)), after, factors, records)
                    if found is not None:
                        return Composition(a, c, found[0], "post", first, (second, found[1]))
        else:
            found = _closing(parts, mid, after, factors, records)
            if found is not None:
                return Composition(a, None, found[0], "post", first, (found[1],))
    return None


def _closing(
    parts: Parts, mid: Tensor, after: Tensor, factors: Sequence[Factor], records: Records
) -> tuple[Term, nn.Module] | None:
    """The MLP's write and the last norm: `after = N(mid + m)`."""
    ends = [m for m in parts.rest if same(_out(m, records), after) and records[m].inputs]
    for norm in ends:
        for m in parts.rest:
            for factor in factors:
                if m is not norm and same(mid + flat(_scaled(m, factor, records)), records[norm].inputs[0]):
                    return Term(m, factor), norm
    return None


Factor = Tensor | float | None


def _factors(block: nn.Module, config: object, width: int) -> Iterator[Factor]:
    yield None
    yield from (p for p in block.parameters(recurse=False) if p.shape == (width,))
    for name in _FACTORS:
        value = getattr(config, name, None)
        if isinstance(value, float) and value != 1.0:
            yield value


def _scaled(m: nn.Module, factor: Factor, records: Records) -> Tensor:
    out = _out(m, records)
    return out if factor is None else factor * out


def _readers(parts: Parts, stream: Tensor, writer: nn.Module, records: Records) -> list[nn.Module]:
    """Leaves outside the attentions that are fed a stream after `writer` has run, in order of computation.

    An attention whose weights are zero writes nothing: what it is given equals what it leaves.
    """
    found = [
        m
        for m in parts.block.modules()
        if m in records
        and m not in parts.inside
        and records[m].order > records[writer].order
        and not any(True for _ in m.children())
        and any(same(x, stream) for x in records[m].inputs)
    ]
    return sorted(found, key=lambda m: records[m].order)


def _stream(block: nn.Module, records: Records) -> Tensor:
    if not records[block].inputs:
        raise RoleError(f"{type(block).__name__} is given no tensor")
    return records[block].inputs[0]


def _out(m: nn.Module, records: Records) -> Tensor:
    output = records[m].output
    if output is None:
        raise RoleError(f"{type(m).__name__} returns no tensor")
    return output
