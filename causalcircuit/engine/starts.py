"""Where a world begins to differ from the bare pass over what it is fed: the first block, and the first position."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from causalcircuit.engine.prepared import Edit, Positions, Prepared, Setup
from causalcircuit.models import NEW, LoadedModel, Prompt, moments_of
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


def start_of(model: LoadedModel, tensors: Iterable[str]) -> Start:
    """The first block whose output is needed where a world sees some tensors; after all blocks where it sees none."""
    last = len(model.stacks) - 1
    end = Start(last, len(model.stacks[last].blocks)) if model.stacks else WHOLE
    seen = moments_of(model, tensors)
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


@dataclass(frozen=True, slots=True, eq=False)
class _Edited:
    """An assignment, as far as it says where a world begins to differ.

    Attributes:
        positions: `None` where they are not those of the text that is read out: all may differ.
        source: the number of the world that the value is read in, and where, if what it replaces is read there.
    """

    positions: Positions | None
    source: tuple[int, Positions] | None

    @property
    def form(self) -> object:
        """What it has in common with the assignments of other worlds: all that is asked of it."""
        return id(self.positions), self.source and (self.source[0], id(self.source[1]))


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """Worlds that differ from what they are fed at the same positions, and read the same ones, in every row."""

    setup: Setup
    edits: tuple[_Edited, ...]
    changed: dict[int, int] = field(default_factory=dict)
    needed: dict[int, int] = field(default_factory=dict)


class Firsts:
    """The first position of each row at which a world may differ from the bare pass over its prompt."""

    def __init__(self, prepared: Prepared) -> None:
        """Look at the worlds of `prepared`."""
        self._prepared = prepared
        self._forms: dict[int, Form] = {}
        self._alike: dict[object, Form] = {}
        self._reads: dict[int, dict[Site, Positions]] = {}

    def form(self, index: int) -> Form:
        """What is known of a world; the same object for worlds of which the same is known in every row."""
        if index not in self._forms:
            setup = self._prepared.setups[index]
            edits = tuple(self._looked_at(setup, e) for e in setup.edits)
            # Worlds hold the same objects where they are fed, and stand, alike: `prepare` sees to it.
            fed = (setup.prompts, setup.sources, setup.images, *setup.naturals.values())
            reads = tuple(id(p) for p in _reads(setup))
            key = (setup.run.model, tuple(map(id, fed)), tuple(e.form for e in edits), reads)
            self._forms[index] = self._alike.setdefault(key, Form(setup, edits))
        return self._forms[index]

    def needed(self, index: int, row: int) -> int:
        """The first position of the text that must be computed: something differs there, or is read."""
        form = self.form(index)
        if row not in form.needed:
            setup = form.setup
            natural = (min(p[row], default=NEVER) for p in setup.naturals.values())
            form.needed[row] = min(self.changed(index, row), *_first_reads(setup, row), *natural, NEVER)
        return form.needed[row]

    def changed(self, index: int, row: int) -> int:
        """The first position at which something differs; `NEVER` where nothing is assigned; 0 where that is unknown."""
        form = self.form(index)
        if row not in form.changed:
            form.changed[row] = 0  # a circle of values is no world, but if there were one it would end here
            form.changed[row] = min((self._first(form.setup, e, row) for e in form.edits), default=NEVER)
        return form.changed[row]

    def _looked_at(self, setup: Setup, edit: Edit) -> _Edited:
        away = edit.site.address.module is not None or edit.info.stand != setup.model.sites.readout_tower.name
        return _Edited(None if away else edit.positions, None if away else self._source(setup, edit))

    def _first(self, setup: Setup, edit: _Edited, row: int) -> int:
        if edit.positions is None or NEW in edit.positions[row]:
            return 0
        own = edit.positions[row]
        same = 0
        if edit.source is not None and edit.source[1][row] == own:  # it comes from a world that is so far alike
            index = edit.source[0]
            same = min(_common(setup, self._prepared.setups[index], row), self.changed(index, row))
        return min((p for p in own if p >= same), default=NEVER)

    def _source(self, setup: Setup, edit: Edit) -> tuple[int, Positions] | None:
        """The world that an assigned value is read in, and where, if it is the same site of the same model."""
        value, plan = edit.value, self._prepared.plan
        if not (isinstance(value, Counterfactual) and isinstance(value.value, Site)):
            return None
        if value.value.address != edit.site.address:
            return None
        index = plan.prompted(setup.run.model, value.world)
        other = None if index is None else self._prepared.setups[index]
        if index is None or other is None or other.model is not setup.model:
            return None
        if index not in self._reads:
            self._reads[index] = {s.site: s.positions for s in other.sites}
        read = self._reads[index].get(value.value)
        return None if read is None else (index, read)


def _reads(setup: Setup) -> Iterator[Sequence[int] | Positions | None]:
    """The positions of the text that a world's reads stand on; `None` where that is not where they stand."""
    tower = setup.model.sites.readout_tower.name
    for read in setup.sites:
        away = read.info.stand != tower or read.site.address.module is not None
        yield None if away else read.positions
    for readout in setup.readouts:
        yield readout.positions
    for output in setup.outputs:
        yield output.places if getattr(output.output, "position", None) is not None else None


def _first_reads(setup: Setup, row: int) -> Iterator[int]:
    """The first positions of the text that a world's reads need."""
    for positions in _reads(setup):
        at = 0 if positions is None else positions[row]
        yield at if isinstance(at, int) else min(at, default=NEVER)


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
    seen: dict[int, int] = {}
    numbers: dict[object, int] = {}

    def number(part: Sequence[Any] | None, content: Callable[[Any], object] = lambda x: x) -> int:
        """The same for parts with the same content; one that worlds have in common is looked at once."""
        if id(part) not in seen:
            found = None if part is None else tuple(map(content, part))
            seen[id(part)] = numbers.setdefault(found, len(numbers))
        return seen[id(part)]

    for index, setup in setups:
        answers = setup.continuations
        fed = (
            setup.run.model,
            number(setup.prompts, _text),
            number(setup.sources, _text),
            number(setup.images),
            number(answers) if isinstance(answers, tuple) else id(setup),
        )
        out[index] = first.setdefault(fed, index)
    return out


def _text(prompt: Prompt) -> object:
    return prompt.ids, prompt.pictured
