"""Texts: written token by token in a world, or forced on another one.

Each step runs the whole sequence anew, prompt and text so far, with the world's assignments. No position sees later
ones, so the prompt gets the values that it had, and what is assigned there persists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.engine.batches import Slot
from causalcircuit.engine.passes import forward
from causalcircuit.engine.prepared import ReadoutRead, Tokens
from causalcircuit.engine.store import Store
from causalcircuit.models import LoadedModel, as_rows, choose, end_tokens, written
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


def write(model: LoadedModel, slots: Iterable[Slot], store: Store) -> int:
    """Let the rows of slots write their texts, and keep these in `store`.

    Returns:
        The number of forward passes of single rows.

    Raises:
        DiagnosticError: CQ730, the logits are no numbers.
    """
    ends = end_tokens(model)
    texts = [_text(slot) for slot in slots]
    passes = step = 0
    while going := [t for t in texts if t.open]:
        grown: list[Slot] = []
        for text in going:
            grown.append(text.grown(sum(len(s.rows) for s in grown)))
        logits, batch = forward(model, grown, store)
        for text, slot in zip(going, grown, strict=True):
            items = [i for own in slot.items for i in own]
            places = [batch.left[i] + _length(slot, row) - 1 for row, i in zip(slot.rows, items, strict=True)]
            numbers = [store.number(row) for row in slot.rows]
            found = choose(as_rows(logits, items, places), text.said.temperature, text.said.seed, numbers, step)
            if found is None:
                raise _no_numbers(text)
            _take(text, found, ends)
        passes += sum(len(s.rows) for s in grown)
        step += 1
    for text in texts:
        store.add_texts(text.slot.index, [written(model, text.tokens[row]) for row in text.slot.rows])
    return passes


def forced(slot: Slot, store: Store) -> Slot:
    """A slot whose readouts score a text that was written in another world, row by row."""
    said = slot.setup.run.said
    if not isinstance(said, Counterfactual):
        raise TypeError("a slot without a text to score")
    texts = store.texts(said)[slot.low : slot.low + len(slot.rows)]
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
