"""The passes of a prepared plan as shapes: what the schedule will run, in the sizes that its cost depends on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from causalcircuit.engine.batches import Slot
from causalcircuit.engine.cost.shapes import PassShape, TowerPass
from causalcircuit.engine.prepared import Prepared, text_limit
from causalcircuit.engine.schedule import How, PassPlan, Schedule
from causalcircuit.models import LoadedModel, cacheable, needed, unsettled
from causalcircuit.query import Counterfactual, Distribution, Generated, Tower

_INSIDE = ("q", "k", "v", "pattern")
_BEFORE = ("attn.in", *_INSIDE, "z")
_PROVEN, _STEPS = 3, 4
"""Rows and steps by which a model's cache is proven."""


def passes_of(prepared: Prepared, limit: int, how: How = "full") -> Iterator[tuple[range, PassPlan, list[PassShape]]]:
    """Every pass that `execute` makes of a plan, other data of references aside: its chunk of rows, and its shape.

    A pass in which texts are written stands for one pass a token, as many as may be written.

    Args:
        prepared: of loaded or sketched models. limit, how: as of `execute`.
    """
    schedule = Schedule(prepared, limit, how)
    proven: set[object] = set()
    caches: set[str] = set()
    for stage in prepared.plan.stages:
        for chunk in schedule.chunks(stage):
            for plan in schedule.passes(stage, chunk):
                kind = (plan.model.ref.name, plan.start, bool(plan.first))
                # The first pass of a kind carries a witness: a row without assignments.
                witness = plan.base is not None and not plan.records and kind not in proven
                proven.add(kind)
                shapes = shapes_of(plan, witness=witness)
                name = plan.model.ref.name
                if len(shapes) > 1 and name not in caches and _keeps(plan):
                    caches.add(name)
                    shapes += list(_cache_proof(plan))
                yield chunk, plan, shapes


def shapes_of(plan: PassPlan, *, witness: bool = False) -> list[PassShape]:
    """The shape of a pass; of one that writes texts those of its steps."""
    written = plan.slots[0].setup.run.said
    if isinstance(written, Generated) and plan.base is None:
        return list(_steps(plan, written.tokens))
    return [_shape(plan, witness=witness)]


def _steps(plan: PassPlan, tokens: int) -> Iterator[PassShape]:
    """One pass over the prompt and one a further token, with the model's cache where it may be used."""
    keeps = _keeps(plan)
    for step in range(tokens):
        yield _shape(plan, more=step, only_new=keeps and step > 0)


def _keeps(plan: PassPlan) -> bool:
    """Whether texts are written with the model's cache, if that proves equal."""
    edits = {e.info.tensor.rpartition(".")[2] for slot in plan.slots for e in slot.setup.edits}
    return cacheable(plan.model) and not edits & set(_INSIDE)


def _cache_proof(plan: PassPlan) -> Iterator[PassShape]:
    """The passes by which a model proves its cache once: some steps with it, and the same anew."""
    slot = plan.slots[0]
    some = replace(plan, slots=(replace(slot, rows=slot.rows[:_PROVEN], items=slot.items[:_PROVEN]),))
    yield _shape(some, more=0)
    for step in range(_STEPS):
        yield _shape(some, more=step)
        yield _shape(some, more=step + 1, only_new=True)


def _shape(plan: PassPlan, *, more: int | None = None, only_new: bool = False, witness: bool = False) -> PassShape:
    """One pass.

    Args:
        plan: what is run. more: tokens that were written before; `None` in a pass that writes none.
        only_new: whether the last position alone is computed. witness: whether an item more is in it.
    """
    model, slots = plan.model, plan.slots
    lengths = [n for slot in slots for n in _lengths(slot, more)]
    items = len(lengths) + witness
    columns = plan.columns if plan.base is not None else max(lengths)
    resumes = plan.base is not None and not plan.records
    reads = _places(slots, columns) if model.sites.readout == "vocabulary" else None
    narrows = resumes and reads is not None and not _shown_at_the_end(model, slots)
    towers: list[TowerPass] = []
    for number, tower in enumerate(model.sites.towers):
        start = 0
        if resumes:
            start = tower.layers if number < plan.start.tower else plan.start.layer if number == plan.start.tower else 0
        if only_new and tower is not model.sites.readout_tower:
            start = tower.layers
        if tower.modality != "text":
            towers.append(_seen(tower, slots, start, items - len(lengths)))
        elif tower is model.sites.readout_tower:
            first = columns - 1 if only_new else plan.first
            narrowed = len(reads) + witness if narrows and reads is not None else None
            attended = resumes and number == plan.start.tower and _attended(plan, tower)
            towers.append(TowerPass(tower.name, items, columns, first, start, narrowed, attended))
        else:
            longest = max((len(s.setup.sources[r].ids) for s in slots if s.setup.sources for r in s.rows), default=0)
            towers.append(TowerPass(tower.name, items, longest, 0, start))
    last = towers[-1]
    kept = last.length - last.first
    if resumes and reads is not None and "logits_to_keep" in model.takes.names:
        kept = columns - min((c for _, c in reads), default=columns - 1)
    pictured = sum(len(s.setup.prompts[r].pictured) * len(own) for s in slots if s.setup.prompts for r, own in _rows(s))
    return PassShape(
        tuple(towers),
        last.items * kept if model.by_position else items,
        0 if only_new else pictured,
        len(reads or ()),
        plan.records,
        plan.records and plan.cache,
    )


def _rows(slot: Slot) -> Iterator[tuple[int, tuple[int, ...]]]:
    return zip(slot.rows, slot.items, strict=True)


def _lengths(slot: Slot, more: int | None) -> Iterator[int]:
    """Positions of each item in the tower that is read from."""
    setup = slot.setup
    said = text_limit(setup.run) if more is None else more
    if isinstance(setup.run.said, Counterfactual):
        said = max(0, said - 1)  # the last token of a text is predicted, never fed
    for row in slot.rows:
        own = setup.prompts[row].ids if setup.prompts is not None else ()
        for c in setup.continuations[row]:
            yield len(own) + len(c) + said


def _seen(tower: Tower, slots: Sequence[Slot], start: int, more: int) -> TowerPass:
    """The share of a tower that looks at images or listens: tiles of one size, or all of an image in one line."""
    lines = length = 0
    for slot in slots:
        for row, own in _rows(slot):
            prompts = slot.setup.prompts
            seen = (prompts[row].seen if prompts is not None else 0) or tower.extent
            lines += len(own) * max(1, seen // tower.extent if tower.extent else 1)
            length = max(length, tower.extent or seen)
    return TowerPass(tower.name, lines + more, length, 0, start)


def _places(slots: Sequence[Slot], columns: int) -> list[tuple[int, int]] | None:
    """The (item, column) that logits are read at; `None` where an output has no positions."""
    found: dict[tuple[int, int], None] = {}
    for slot in slots:
        setup = slot.setup
        for row, own in _rows(slot):
            at = [r.positions[row] for r in setup.readouts]
            for output in setup.outputs:
                if not isinstance(output.output, Distribution) or output.output.position is None:
                    return None
                at.append(output.places[row])
            if setup.prompts is None:
                return None
            for item, answer in zip(own, setup.continuations[row], strict=True):
                length = len(setup.prompts[row].ids) + len(answer)
                shift = columns - length if setup.model.side == "left" else 0
                found.update({(item, p + k + shift): None for p in at for k in range(len(answer) + 1)})
    return list(found)


def _attended(plan: PassPlan, tower: Tower) -> bool:
    """Whether nothing is seen in a pass before the output projection of its first block's attention."""
    lead = f"{tower.prefix}layer[{plan.start.layer}]."
    early = {f"{tower.prefix}resid[{plan.start.layer}]", *(f"{lead}{x}" for x in ("attn.in", *_INSIDE))}
    names = {e.info.tensor for s in plan.slots for e in s.setup.edits}
    names |= {r.info.tensor for s in plan.slots for r in s.setup.sites}
    return not early & {unsettled(n) for n in needed(plan.model.taps, names)}


def _shown_at_the_end(model: LoadedModel, slots: Sequence[Slot]) -> bool:
    """Whether something is seen in the last block behind its attention, so that all of it must be computed."""
    tower = model.sites.readout_tower
    lead, end = f"{tower.prefix}layer[{tower.layers - 1}].", f"{tower.prefix}resid[{tower.layers}]"
    names = {e.info.tensor for s in slots for e in s.setup.edits} | {
        r.info.tensor for s in slots for r in s.setup.sites
    }
    inside = {n.removeprefix(lead) for n in names if n.startswith(lead)}
    return bool(inside - set(_BEFORE)) or any(n == end or n.endswith("final_norm") for n in names)
