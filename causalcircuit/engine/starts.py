"""Where a world begins to differ from the bare pass over what it is fed: the first block, and the first position."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from causalcircuit.engine.prepared import Edit, Positions, Prepared, Setup
from causalcircuit.models import NEW, LoadedModel, moments_of
from causalcircuit.query import Counterfactual, Site

NEVER = 1 << 40
"""A position beyond all others."""


@dataclass(frozen=True, slots=True, order=True)
class Start:
    """The first block of a pass: the number of its tower in order of computation, and of the block in that."""

    tower: int = 0
    layer: int = 0


WHOLE = Start()
"""A pass that shares nothing."""


def start_of(setup: Setup) -> Start:
    """The first block whose output an assignment or a read of a world needs; after all blocks where there is none."""
    model = setup.model
    last = len(model.stacks) - 1
    end = Start(last, len(model.stacks[last].blocks)) if model.stacks else WHOLE
    seen = moments_of(model, tensors_of(setup))
    return min((WHOLE if m is None else Start(m.tower, m.layer) for m in seen), default=end)


def tensors_of(setup: Setup) -> set[str]:
    """The tensors that a world assigns or reads."""
    return {e.info.tensor for e in setup.edits} | {setup.model.read_at(s.info.tensor) for s in setup.sites}


def attention_is_known(model: LoadedModel, start: Start, tensors: Iterable[str]) -> bool:
    """Whether all that is seen in a pass comes after the attention of its first block, up to the output projection."""
    early = ("", "attn.in", "q", "k", "v", "pattern")
    here = (start.tower, start.layer)
    seen = moments_of(model, tensors)
    return all(m is not None and ((m.tower, m.layer) > here or m.part not in early) for m in seen)


class Firsts:
    """The first position of each row at which a world may differ from the bare pass over its prompt."""

    def __init__(self, prepared: Prepared) -> None:
        """Look at the worlds of `prepared`."""
        self._prepared = prepared
        self._known: dict[tuple[int, int], int] = {}
        self._reads: dict[int, dict[Site, Positions]] = {}

    def needed(self, index: int, row: int) -> int:
        """The first position of the text that must be computed: something differs there, or is read."""
        setup = self._prepared.setups[index]
        natural = (min(p[row], default=NEVER) for p in setup.naturals.values())
        return min(self.changed(index, row), *_read(setup, row), *natural, NEVER)

    def changed(self, index: int, row: int) -> int:
        """The first position at which something differs; `NEVER` where nothing is assigned; 0 where that is unknown."""
        key = (index, row)
        if key not in self._known:
            self._known[key] = 0  # a circle of values is no world, but if there were one it would end here
            setup = self._prepared.setups[index]
            self._known[key] = min((self._edited(setup, e, row) for e in setup.edits), default=NEVER)
        return self._known[key]

    def _edited(self, setup: Setup, edit: Edit, row: int) -> int:
        own = edit.positions[row]
        if edit.site.address.module is not None:
            return 0
        if edit.info.stand != setup.model.sites.readout_tower.name or NEW in own:
            return 0
        same = self._alike(setup, edit, row)
        return min((p for p in own if p >= same), default=NEVER)

    def _alike(self, setup: Setup, edit: Edit, row: int) -> int:
        """How many positions of an assigned value are what they were: it comes from a world that is so far alike."""
        value, plan = edit.value, self._prepared.plan
        if not (isinstance(value, Counterfactual) and isinstance(value.value, Site)):
            return 0
        if value.value.address != edit.site.address:
            return 0
        index = plan.prompted(setup.run.model, value.world)
        other = None if index is None else self._prepared.setups[index]
        if index is None or other is None or other.model is not setup.model:
            return 0
        if index not in self._reads:
            self._reads[index] = {s.site: s.positions for s in other.sites}
        read = self._reads[index].get(value.value)
        if read is None or read[row] != edit.positions[row]:
            return 0
        return min(_common(setup, other, row), self.changed(index, row))


def _read(setup: Setup, row: int) -> Iterator[int]:
    """The first positions of the text that a world's reads need."""
    tower = setup.model.sites.readout_tower.name
    for read in setup.sites:
        away = read.info.stand != tower or read.site.address.module is not None
        yield 0 if away else min(read.positions[row], default=NEVER)
    for readout in setup.readouts:
        yield readout.positions[row]
    for output in setup.outputs:
        yield output.places[row] if getattr(output.output, "position", None) is not None else 0


def _common(a: Setup, b: Setup, row: int) -> int:
    """How many tokens of two prompts are the same from the start; 0 where anything else that is fed may differ."""
    if a.prompts is None or b.prompts is None or (a.sources, a.images) != (b.sources, b.images):
        return 0
    one, two = a.prompts[row], b.prompts[row]
    if (one.marks, one.pictured) != (two.marks, two.pictured):
        return 0
    pairs = zip(one.ids, two.ids, strict=False)
    return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(one.ids), len(two.ids)))


def fed_alike(setups: Iterable[tuple[int, Setup]]) -> dict[int, int]:
    """For each world the first one that is fed the same in all rows, with the same answers appended."""
    first: dict[object, int] = {}
    out: dict[int, int] = {}
    for index, setup in setups:
        out[index] = first.setdefault(_fed(setup), index)
    return out


def _fed(setup: Setup) -> object:
    def ids(prompts: object) -> object:
        return None if prompts is None else tuple((p.ids, p.pictured) for p in prompts)  # type: ignore[attr-defined]

    answers = setup.continuations
    return (
        setup.run.model,
        ids(setup.prompts),
        ids(setup.sources),
        setup.images,
        tuple(answers) if isinstance(answers, tuple) else id(setup),
    )
