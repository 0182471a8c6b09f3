"""Answers of all rows: tokens, what is appended for those of several tokens, other spellings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from causalcircuit.diagnostics import error
from causalcircuit.engine.prepared import ReadoutRead, Tokens
from causalcircuit.engine.problems import Problems
from causalcircuit.models import (
    LoadedModel,
    Prompt,
    check_answers,
    check_tokens,
    encode_answer,
    other_spelling,
)
from causalcircuit.query import Column, Expr, Items, Readout, Text, render
from causalcircuit.rows import Dataset

Rows = tuple[tuple[Tokens, ...], ...]


class Answers:
    """The tokens of readouts, worked out once for each."""

    def __init__(self, data: Dataset, problems: Problems) -> None:
        """Take answers from `data`; what is wrong goes to `problems`."""
        self._data, self._problems = data, problems
        self._known: dict[Readout, Rows | None] = {}
        self._coded: dict[tuple[str, str], Tokens] = {}

    def of(self, model: LoadedModel, readout: Readout) -> Rows | None:
        """For each row the tokens of each answer; `None` where something is wrong (a problem is kept)."""
        if readout not in self._known:
            self._known[readout] = None
            with self._problems.keep():
                self._known[readout] = self._tokens(model, readout)
        return self._known[readout]

    def _tokens(self, model: LoadedModel, readout: Readout) -> Rows | None:
        texts = [self._texts(part, readout) for part in _parts(readout)]
        found: list[tuple[Tokens, ...]] = []
        for i in range(self._data.n):
            with self._problems.at(i, readout.answer.span or readout.span):
                words = [column[i] for column in texts]
                coded = tuple(self._encode(model, w) for w in words)
                check_answers(model, readout.kind, words, coded, readout.position.kind == "last")
                found.append(coded)
        return tuple(found) if len(found) == self._data.n else None

    def _texts(self, part: Expr, readout: Readout) -> list[str]:
        if isinstance(part, Text):
            return [part.value] * self._data.n
        if isinstance(part, Column):
            values = self._data.column(part.name, part.span)
            if all(isinstance(v, str) for v in values):
                return list(values)
            bad = next(i for i, v in enumerate(values) if not isinstance(v, str))
            raise error(
                "CQ453",
                f"`row.{part.name}`, the answer of `{render(readout)}`, holds no string in row {self._data.rows[bad]}",
                part.span or readout.span,
                where=self._data.place(bad),
                help="leave such rows out with `where`, or write the numbers as strings",
            )
        raise error(
            "CQ508",
            f"`{render(part)}` is no answer",
            part.span or readout.span,
            help='an answer is a string or a column of strings: `m.logit["yes"]`, `m.logit[row.answer]`',
        )

    def _encode(self, model: LoadedModel, text: str) -> Tokens:
        key = (model.ref.name, text)
        if key not in self._coded:
            self._coded[key] = encode_answer(model, text)
        return self._coded[key]

    def continuations(
        self, model: LoadedModel, prompts: Sequence[Prompt | None] | None, reads: Sequence[ReadoutRead]
    ) -> tuple[tuple[Tokens, ...], ...]:
        """For each row what is appended to its prompt, each once; an answer's last token is never read from.

        What begins another continuation is read from that one: a causal model gives the same numbers there.
        """
        out: list[tuple[Tokens, ...]] = []
        for i in range(self._data.n):
            wanted = sorted({a[:-1] for read in reads for a in read.answers[i]}, key=lambda c: (-len(c), c))
            kept: list[Tokens] = []
            for c in wanted:
                if not any(k[: len(c)] == c for k in kept):
                    kept.append(c)
            out.append(tuple(kept) or ((),))
            prompt = prompts[i] if prompts is not None else None
            if prompt is not None:
                with self._problems.at(i):
                    for c in kept:
                        check_tokens(model, [*prompt.ids, *c])
        return tuple(out)

    def other_spellings(self, model: LoadedModel, read: ReadoutRead) -> Iterator[tuple[int, tuple[int | None, ...]]]:
        """For each answer that has one, the single token of its other spelling in each row.

        A row counts where both spellings are one token and the other is no answer of the set.
        """
        for j, part in enumerate(_parts(read.readout)):
            texts = self._texts(part, read.readout)
            other: list[int | None] = []
            for text, answers in zip(texts, read.answers, strict=True):
                token = other_spelling(model, text) if len(answers[j]) == 1 else None
                other.append(None if (token,) in answers else token)
            if any(o is not None for o in other):
                yield j, tuple(other)


def _parts(readout: Readout) -> tuple[Expr, ...]:
    """The answers of a readout: a set, or one.

    Raises:
        DiagnosticError: CQ508, the logit of a set.
    """
    if not isinstance(readout.answer, Items):
        return (readout.answer,)
    if readout.kind == "logit":
        raise error(
            "CQ508",
            f"`{render(readout)}` asks for the logit of a set, which is none",
            readout.span,
            help="`prob[[…]]` adds probabilities, `logprob[[…]]` is the log of that sum",
        )
    if not readout.answer.items:
        raise error("CQ508", f"`{render(readout)}` has no answers", readout.span, help="name at least one")
    return readout.answer.items
