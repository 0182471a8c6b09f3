"""Texts: written token by token in a world, or forced on another one.

By meaning each step runs the whole sequence, prompt and text so far, with the world's assignments. No position sees
later ones, so the prompt gets the values that it had, and what is assigned there persists. Where a model's cache of
keys and values proves equal to that on prompts of the data, it is used instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.engine.batches import Slot
from causalcircuit.engine.passes import Pass, feeds_of, forward
from causalcircuit.engine.prepared import ReadoutRead, Tokens
from causalcircuit.engine.reads import Reads
from causalcircuit.models import (
    Cached,
    LoadedModel,
    as_rows,
    cache_holds,
    cacheable,
    choose,
    end_tokens,
    no_text,
    written,
)
from causalcircuit.query import Counterfactual, Generated, render


@dataclass(eq=False)
class _Text:
    """The text of one slot's rows so far."""

    slot: Slot
    said: Generated
    tokens: dict[int, list[int]]
    open: set[int] = field(default_factory=set)

    def grown(self, first: int) -> Slot:
        """The slot with its text as continuations; its items start at `first`."""
        rows = self.slot.rows
        setup = replace(self.slot.setup, continuations={row: (tuple(self.tokens[row]),) for row in rows})
        return replace(self.slot, setup=setup, items=tuple((first + k,) for k in range(len(rows))))


def write(model: LoadedModel, slots: Sequence[Slot], reads: Reads) -> int:
    """Let the rows of slots write their texts, and keep these in `reads`.

    Returns:
        The number of forward passes of single rows.

    Raises:
        DiagnosticError: CQ730, the logits are no numbers.
    """
    ends, never, first = end_tokens(model), no_text(model), no_text(model, first=True)
    texts = [_text(slot) for slot in slots]
    way = _Kept(model, texts, reads) if _keeps(model, slots, reads) else _Anew(model, texts, reads)
    passes = step = 0
    while any(t.open for t in texts):
        for text, logits in way.step():
            numbers = [reads.number(row, text.slot.setup.run.world.donor) for row in text.slot.rows]
            found = choose(logits, text.said.temperature, text.said.seed, numbers, step, never if step else first)
            if found is None:
                raise _no_numbers(text)
            _take(text, found, ends)
            passes += len(numbers)
        step += 1
    for text in texts:
        reads.add_texts(text.slot.index, [written(model, text.tokens[row]) for row in text.slot.rows])
    return passes


@dataclass(eq=False)
class _Anew:
    """Each step runs the whole sequence, prompt and text so far."""

    model: LoadedModel
    texts: list[_Text]
    reads: Reads

    def step(self) -> Iterator[tuple[_Text, Tensor]]:
        """The logits that the next token of each row is chosen from."""
        going = [t for t in self.texts if t.open]
        grown = _grown(going)
        logits, left, _ = forward(self.model, grown, self.reads)
        for text, slot in zip(going, grown, strict=True):
            items = [i for own in slot.items for i in own]
            places = [left[i] + _length(slot, row) - 1 for row, i in zip(slot.rows, items, strict=True)]
            yield text, as_rows(logits, items, places)


class _Kept:
    """The prompt runs once, each step one token: keys and values of what went before are kept."""

    def __init__(self, model: LoadedModel, texts: list[_Text], reads: Reads) -> None:
        self._model, self._texts, self._reads = model, texts, reads
        slots = _grown(texts)
        self._batch = model.batch([f for s in slots for row in s.rows for f in feeds_of(model, s, row, reads)])
        self._lengths = [_length(s, row) for s in slots for row in s.rows]
        self._run = Cached(model, self._batch, self._lengths)
        self._started = False

    def step(self) -> Iterator[tuple[_Text, Tensor]]:
        """As of `_Anew`; rows that have ended stay in the batch, and nothing is made of them."""
        slots = _grown(self._texts)
        if self._started:
            batch = self._run.feed([self._token(t, row) for t in self._texts for row in t.slot.rows])
            work = Pass(self._model, slots, self._reads, batch, step=True)
            logits = self._model.forward(batch, work.tensors, work.visit)
            places = [0] * len(self._lengths)
        else:
            work = Pass(self._model, slots, self._reads, self._batch)
            logits = self._run.first(work.tensors, work.visit)
            places = [left + n - 1 for left, n in zip(self._batch.left, self._lengths, strict=True)]
        self._started = True
        for text, slot in zip(self._texts, slots, strict=True):
            items = [i for own in slot.items for i in own]
            if text.open:
                yield text, as_rows(logits, items, [places[i] for i in items])

    def _token(self, text: _Text, row: int) -> int:
        return text.tokens[row][-1] if text.tokens[row] else self._model.pad


def _keeps(model: LoadedModel, slots: Sequence[Slot], reads: Reads) -> bool:
    """Whether keys and values can be kept: what is assigned leaves them alone, and the model has proved it once.

    Keys and values are kept as they come, before an assignment to them; so those, and what is seen beside them inside
    the attention function, are run anew.
    """
    assigned = {edit.info.tensor.rpartition(".")[2] for slot in slots for edit in slot.setup.edits}
    if not cacheable(model) or assigned & {"q", "k", "v", "pattern"}:
        return False
    if model.ref.name not in reads.cached:
        slot = slots[0]
        by_length = sorted(slot.rows, key=lambda row: _length(slot, row))
        rows = dict.fromkeys((by_length[0], by_length[len(by_length) // 2], by_length[-1]))
        feeds = [f for row in rows for f in feeds_of(model, slot, row, reads)]
        reads.cached[model.ref.name] = not any(f.marks for f in feeds) and cache_holds(model, feeds)
    return reads.cached[model.ref.name]


def _grown(texts: Sequence[_Text]) -> list[Slot]:
    """The slots of a batch, each with its text so far."""
    grown: list[Slot] = []
    for text in texts:
        grown.append(text.grown(sum(len(s.rows) for s in grown)))
    return grown


def forced(slot: Slot, reads: Reads) -> Slot:
    """A slot whose readouts score a text that was written in another world, row by row."""
    said = slot.setup.run.said
    if not isinstance(said, Counterfactual):
        raise TypeError("a slot without a text to score")
    texts = reads.texts(said)[slot.low : slot.low + len(slot.rows)]
    own = {row: t.tokens for row, t in zip(slot.rows, texts, strict=True)}
    setup = replace(
        slot.setup,
        continuations={row: (tokens[:-1],) for row, tokens in own.items()},
        readouts=tuple(replace(read, answers=_answered(read, own)) for read in slot.setup.readouts),
    )
    return replace(slot, setup=setup)


def _answered(read: ReadoutRead, own: Mapping[int, Tokens]) -> tuple[tuple[Tokens, ...], ...]:
    """The answers of a readout with those of some rows filled in."""
    answers = list(read.answers)
    for row, tokens in own.items():
        answers[row] = (tokens,)
    return tuple(answers)


def _text(slot: Slot) -> _Text:
    said = slot.setup.run.said
    if not isinstance(said, Generated):
        raise TypeError("a slot without a text to write")
    return _Text(slot, said, {row: [] for row in slot.rows}, set(slot.rows))


def _take(text: _Text, found: list[int], ends: frozenset[int]) -> None:
    """Append each row's next token; rows end at an end token, or when the text is as long as was asked."""
    for row, token in zip(text.slot.rows, found, strict=True):
        if row not in text.open:
            continue
        if token not in ends:
            text.tokens[row].append(token)
        if token in ends or len(text.tokens[row]) == text.said.tokens:
            text.open.discard(row)


def _length(slot: Slot, row: int) -> int:
    prompts = slot.setup.prompts
    return (0 if prompts is None else len(prompts[row].ids)) + len(slot.setup.continuations[row][0])


def _no_numbers(text: _Text) -> DiagnosticError:
    return error(
        "CQ730",
        f"`{render(text.said)}` cannot go on: its logits are no numbers in the world "
        f"`{render(text.slot.setup.run.world)}`",
        text.said.span,
        help=("an assigned value may be out of the model's range", "dtype = float64 tells overflow from error"),
    )
