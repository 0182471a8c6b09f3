"""What is known of every row and world before the first forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from causalcircuit.diagnostics import Diagnostic
from causalcircuit.engine.shapes import Shape
from causalcircuit.models import LoadedModel, Prompt
from causalcircuit.query import Counterfactual, Draw, Expr, Generated, Input, Output, Readout, Site, SiteInfo, Statistic
from causalcircuit.query.plan import Plan, Run
from causalcircuit.rows import Dataset

Tokens = tuple[int, ...]
Positions = Sequence[tuple[int, ...]]
"""For each row its positions, in its own prompt or image; `NEW` for those that are generated."""
Continuations = tuple[tuple[Tokens, ...], ...] | Mapping[int, tuple[Tokens, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """An assignment in one world: what `value` gives takes the place of a slice of a tensor."""

    site: Site
    info: SiteInfo
    positions: Positions
    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class SiteRead:
    """A site that is kept."""

    site: Site
    info: SiteInfo
    positions: Positions


@dataclass(frozen=True, slots=True, eq=False)
class ReadoutRead:
    """A readout that is kept.

    Attributes:
        positions: [rows] where its (first) token is predicted from.
        answers: for each row the tokens of each answer of the set; a single answer is a set of one.
    """

    readout: Readout
    positions: Sequence[int]
    answers: tuple[tuple[Tokens, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class OutputRead:
    """Another output that is kept.

    Attributes:
        output: a score of a class, a similarity, or a whole distribution.
        places: [rows] the number of the class, or the position; zeros where the output has neither.
    """

    output: Output
    places: Sequence[int]


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """One world of one model, for all rows.

    Attributes:
        prompts, images: what feeds each row; `None` where the model has no such input. sources: what an encoder reads
            where the prompts are the decoder's. `None`, too, where they are written while it runs (see `late`).
        continuations: for each row the answers' tokens, less the last one, that are appended to its prompt, one
            item of a batch each; `((),)` where no answer has several tokens. Of a text: its tokens so far.
        edits: in order of application: where two overlap, the wider comes first.
        naturals: the positions of bare sites in the edits' values.
    """

    run: Run
    model: LoadedModel
    prompts: Sequence[Prompt] | None
    sources: Sequence[Prompt] | None
    images: tuple[Path, ...] | None
    continuations: Continuations
    edits: tuple[Edit, ...]
    naturals: Mapping[Site, Positions]
    sites: tuple[SiteRead, ...]
    readouts: tuple[ReadoutRead, ...]
    outputs: tuple[OutputRead, ...] = ()

    def cost(self, row: int) -> int:
        """Positions that a row takes in a batch, over all towers."""
        seen = sum(t.extent for t in self.model.sites.towers)
        if self.sources is not None:
            seen += len(self.sources[row].ids)
        waits, text = awaited(self.run), text_limit(self.run)
        if waits:  # a text in another model's tokens: what it takes in this one's is a guess
            seen += 2 * waits + 16
        if self.prompts is None:
            return sum(seen + len(c) + text for c in self.continuations[row]) if waits else seen
        seen = max(seen, self.prompts[row].seen)
        return sum(len(self.prompts[row].ids) + len(c) + seen + text for c in self.continuations[row])


def awaited(run: Run) -> int:
    """Tokens of the text that a run is fed where another run writes it, at most; 0 where none does."""
    values = (v for t, v in zip(run.targets, run.values, strict=True) if isinstance(t, Input))
    texts = (v.value for v in values if isinstance(v, Counterfactual))
    return sum(text.tokens for text in texts if isinstance(text, Generated))


def text_limit(run: Run) -> int:
    """Tokens of the text that a run writes, or is forced to say, at most; 0 for a pass over the prompt."""
    said = run.said
    while isinstance(said, Counterfactual):
        said = said.value
    return said.tokens if isinstance(said, Generated) else 0


@dataclass(frozen=True, slots=True, eq=False)
class Spelling:
    """A readout whose answer may be written in the wrong spelling, and the world where this is looked at.

    Attributes:
        run: the least-assigned world that it is read in. answer: which of its answers.
        other: for each row the one token of the other spelling, `None` where it is none.
    """

    run: int
    read: ReadoutRead
    answer: int
    other: tuple[int | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A plan with its models and rows, checked: nothing that can be known before a forward pass is wrong.

    Attributes:
        plan: what runs. models: by name. data: the rows.
        setups: one for each run of the plan. spellings: what is looked at while running.
        shapes: of the plan's references. elsewhere: its references over other data, prepared on those.
        notes: for the report: how many patches the masks hold.
        donors: for each draw the places of the rows' donors.
    """

    plan: Plan
    models: Mapping[str, LoadedModel]
    data: Dataset
    setups: tuple[Setup, ...]
    spellings: tuple[Spelling, ...]
    shapes: Mapping[Statistic, Shape]
    elsewhere: tuple[Prepared, ...]
    notes: tuple[Diagnostic, ...] = ()
    donors: Mapping[Draw, tuple[int, ...]] = field(default_factory=dict)
