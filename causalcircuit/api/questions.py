"""Data, estimates, hypotheses and tests from Python; `run` and `program` for files and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, overload

import causalcircuit.runs as rooms
from causalcircuit.api.addresses import trust_told
from causalcircuit.api.diagrams import Drawing
from causalcircuit.api.families import Family
from causalcircuit.api.quantities import Models, Quantity, claim_of, merge, quantity
from causalcircuit.api.regimes import Said, observations, wishes_of
from causalcircuit.api.stated import Hypothesis, Stated, tried
from causalcircuit.api.sweeps import Sweep, reached
from causalcircuit.check import examine, turn, with_pictures
from causalcircuit.check.families import check_family
from causalcircuit.check.sweeps import spread
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, error
from causalcircuit.query import (
    Chat,
    Column,
    Command,
    DataRef,
    Estimation,
    Expr,
    Items,
    ModelRef,
    Options,
    Program,
    Query,
    Result,
    Split,
    Testing,
    Text,
    is_estimand,
    render,
)
from causalcircuit.query.families import Correction
from causalcircuit.query.forecast import Forecast
from causalcircuit.query.power import Power
from causalcircuit.query.program import Format
from causalcircuit.query.until import Until
from causalcircuit.rows import Dataset, cached_folder, load, peek
from causalcircuit.runs import Progress

_SETTINGS = "method, resamples, level, seed, per, population, until, progress, diagram, by, assume, bounds, sensitivity"
_FORMATS: dict[str, Format] = {".jsonl": "jsonl", ".csv": "csv", ".parquet": "parquet"}


@dataclass(frozen=True, eq=False)
class Data:
    """A declared data set; `train` and `test` are the parts of its split."""

    ref: DataRef

    @property
    def train(self) -> Data:
        """The first part of the split."""
        return self._part("train")

    @property
    def test(self) -> Data:
        """The second part of the split."""
        return self._part("test")

    def _part(self, part: Literal["train", "test"]) -> Data:
        if self.ref.split is None:
            raise error("CQ206", f"`{self.ref.name}` has no `split`", help="declare it: `split=(70, 30), seed=7`")
        return Data(replace(self.ref, split=replace(self.ref.split, part=part)))

    def rows(self) -> Dataset:
        """The rows, read."""
        return load(self.ref)


def data(
    path: str | Path,
    *,
    name: str | None = None,
    prompt: Any = None,
    image: Any = None,
    audio: Any = None,
    prefix: Any = None,
    chat: Sequence[tuple[str, Any]] | Literal["none"] | None = None,
    format: Literal["images", "datasets"] | None = None,
    part: str | None = None,
    config: str | None = None,
    cluster: Quantity | None = None,
    weight: Quantity | None = None,
    where: Quantity | None = None,
    sample: int | None = None,
    split: tuple[float, float] | None = None,
    seed: int | None = None,
) -> Data:
    """Rows from a `.jsonl`, `.csv` or `.parquet` file, a folder of images, or Hugging Face `datasets` on this machine.

    Args:
        path: the file or folder; with `format="datasets"` also a name on the hub that is in the local cache.
        name: how results call it, by default after the file.
        prompt, image, audio, prefix: what feeds a model: a column or a string.
        chat: turns for a model with a chat template, `[("user", [picture, "What is this?"])]`, or "none".
        format: what a folder is. part, config: the split of a saved data set, and the configuration of one of the hub.
        cluster: the sampling unit. weight: row weights. where: a condition on columns.
        sample: so many rows at random. split: parts in proportion, whole clusters. Both need `seed`.

    Raises:
        DiagnosticError: CQ401 to CQ410 and CQ460 to CQ466, the file, a column, a chat or a selection is not as said.
    """
    file = Path(path).resolve()
    form = format or _FORMATS.get(file.suffix)
    if form is None:
        way = "files end in .jsonl, .csv or .parquet; for a folder say format='images' or format='datasets'"
        raise error("CQ226", f"`{file.name}` is no data file", help=way)
    arguments = [(key, said) for key, said in (("split", part), ("config", config)) if said is not None]
    if format == "datasets" and isinstance(path, str) and path[:1] not in "./":
        file = cached_folder(path, config)
        arguments.append(("name", path))
    if (sample is not None or split is not None) and seed is None:
        raise error("CQ410", "`sample` and `split` are random and need a seed", help="add `seed=7`")
    feeds: list[tuple[str, Expr]] = []
    for channel, value in (("prompt", prompt), ("image", image), ("audio", audio), ("prefix", prefix)):
        if value is not None:
            expr = quantity(value).expr
            if not isinstance(expr, Column | Text):
                raise error("CQ224", f"`{channel}` is fed by a column or a string", help=f"`{channel}=row.name`")
            feeds.append((channel, expr))
    if chat is not None:
        feeds.append(("chat", chat_of(chat)))
    ref = DataRef(
        name or (Path(path).name if format == "datasets" else file.stem),
        form,
        file,
        tuple(feeds),
        column_of(cluster),
        column_of(weight),
        None if where is None else where.expr,
        None if sample is None or seed is None else (sample, seed),
        None if split is None or seed is None else Split(split[0] / sum(split), seed),
        tuple(arguments),
    )
    known = peek(ref)
    ref = with_pictures(ref, known)
    for column in (*(e for _, e in feeds), ref.cluster, ref.weight):
        if isinstance(column, Column):
            known.column(column.name)
    return Data(ref)


def chat_of(turns: Sequence[tuple[str, Any]] | Literal["none"]) -> Chat:
    """A chat from pairs of who speaks and what: a string, a column, or a list of these and `picture`."""
    if turns == "none":
        return Chat()
    pairs = [(role, quantity(said).expr) for role, said in turns]
    return Chat(tuple(turn(role, e.items if isinstance(e, Items) else (e,)) for role, e in pairs))


def column_of(q: Quantity | None) -> Column | None:
    """The column that a quantity is, where one is given."""
    if q is None:
        return None
    if not isinstance(q.expr, Column):
        raise TypeError(f"a column is needed, such as `row.figure`, not `{q!r}`")
    return q.expr


@overload
def hypothesis(name: str, expect: Quantity, *, title: str = "", because: str = "") -> Hypothesis: ...
@overload
def hypothesis(name: str, expect: Stated, *, title: str = "", because: str = "") -> Stated: ...
def hypothesis(name: str, expect: Quantity | Stated, *, title: str = "", because: str = "") -> Hypothesis | Stated:
    """A claim that an estimand lies in a region: `hypothesis("mover", ate < logit(-0.5))`.

    Raises:
        DiagnosticError: CQ214, CQ227, CQ311: the comparison claims nothing that can be tested.
    """
    if isinstance(expect, Stated):
        return expect.called(name, title, because)
    made = replace(claim_of(name, expect), title=title, because=because, named=True)
    return Hypothesis(made, expect.models)


def estimate(
    *estimands: Quantity | Sweep,
    on: Data,
    method: str = "default",
    resamples: int | None = None,
    level: float = 0.95,
    seed: int | None = None,
    per: Quantity | None = None,
    population: bool = False,
    until: Until | None = None,
    progress: Progress | None = None,
    diagram: Drawing | None = None,
    by: Said | Sequence[Said] = (),
    assume: Literal["linear"] | None = None,
    bounds: bool | str = False,
    sensitivity: bool = False,
    **named: Quantity | Sweep,
) -> Result:
    """Estimates with intervals; named arguments name their estimands: `estimate(total=total, on=scenes)`.

    Args:
        estimands, named: `E` and `P` and arithmetic of them. on: the data.
        method, resamples, level, seed: the estimator; the default is analytic and needs no seed.
        per: a column whose values are row groups. population: these rows exactly, no interval.
        until: `cq.Until(width=0.05, most=500)`: rows in random order, by `seed`, until intervals are so narrow.
        progress: hears how many rows × worlds are done.
        diagram: made by `graph`; the estimands are over its variables then, and regimes answer.
        by: regimes, `"adjustment"`, `["intervention", "iv(Z)"]`, a model of `cq.fit`; without them the first that is
            right.
        assume: `linear`, for an instrument. bounds: whether an effect that is not identified is bounded, or by which
            instrument. sensitivity: how strong an unmeasured cause would have to be.

    Raises:
        DiagnosticError: what is wrong with the question, before any forward pass; `AfterPass` after one.
    """
    check_asked(on, *estimands, **named)
    if diagram is not None:
        wishes = wishes_of(by, assume == "linear", bounds, sensitivity)
        options = Options(method, resamples, level, seed, population, until)
        single = [q for q in estimands if isinstance(q, Quantity)]
        called = {name: q for name, q in named.items() if isinstance(q, Quantity)}
        if per is not None or len(single) + len(called) < len(estimands) + len(named):
            way = "ask one by one, and for one group at a time: `E[Y | do({X: 1}), Z == 1]`"
            raise error("CQ863", "sweeps and groups are not answered by regimes", help=way)
        asked = [*((render(q.expr), q) for q in single), *called.items()]
        commands = observations(asked, diagram, on.ref, options, wishes)
        return answers(commands, merge(diagram.models, *(q.models for _, q in asked)), progress, diagram.remarks)
    if by or assume or bounds or sensitivity:
        raise error("CQ286", "this says not in which diagram", help="add `diagram=cq.graph(…)`")
    queries, models, _, notes = asked_of(estimands, named)
    options = Options(method, resamples, level, seed, population, until)
    return answer(Estimation(queries, on.ref, options, column_of(per)), models, progress, notes)


def asked_of(
    estimands: Sequence[Quantity | Sweep], named: Mapping[str, Quantity | Sweep]
) -> tuple[tuple[Query, ...], dict[str, ModelRef], tuple[str, ...], list[Diagnostic]]:
    """The queries of estimands and sweeps, their models, the members without a path, and a warning that names them."""
    queries: list[Query] = []
    asked = [*((q.name if isinstance(q, Sweep) else render(q.expr), q) for q in estimands), *named.items()]
    for name, q in asked:
        queries += q.queries(name) if isinstance(q, Sweep) else spread(_query(name, q))
    models = merge(*(q.models for _, q in asked))
    kept, left, notes = reached(queries, models)
    return kept, models, left, notes


def test(
    *claims: Hypothesis | Quantity | Sweep | Stated | Family,
    on: Data,
    correct: Correction | None = None,
    alpha: float | None = None,
    method: str = "default",
    resamples: int | None = None,
    seed: int | None = None,
    until: Until | None = None,
    name: str = "",
    under: str | Path | None = None,
    progress: Progress | None = None,
) -> Result:
    """Verdicts on claims: a family, hypotheses, or bare comparisons; several need a correction, `correct="holm"`.

    Claims about circuits (`cq.claim`, `cq.aligned`) are tested by themselves; `method` and `resamples` are not theirs.
    A family has its own correction and alpha, unless others are named. `under` names the lock that `cq.freeze` wrote.
    A family has its own correction and alpha, unless others are named. `until=cq.Until()` takes rows in random order,
    by `seed`, until every claim is decided.

    Raises:
        DiagnosticError: as `estimate`; CQ228, a family among other claims; CQ229, several claims without a correction;
            CQ272, claims of both kinds; CQ926, CQ928, a correction that is none of them; CQ932 to CQ936 and CQ938,
            what is tested is not what was frozen, or not on new rows.
    """
    check_asked(on)
    asked, name, correct, alpha = _opened(claims, name, correct, alpha)
    stated = [c for c in asked if isinstance(c, Stated)]
    if stated and until is not None:
        raise error("CQ951", "`until` ends no test of claims about circuits", help="leave `until` out")
    if stated:
        if under is not None:
            raise error("CQ938", "claims about circuits are not frozen", help="test them without `under`")
        others = [h.claim for c in asked if not isinstance(c, Stated) for h in _hypotheses(c)]
        check_family([*(s.claim for s in stated), *others], [None] * len(asked), "test", correct)
        return tried(stated, on.ref, correct, alpha, seed, name, progress)
    plain = [c for c in asked if not isinstance(c, Stated)]
    options = Options(method, resamples, seed=seed, until=until)
    command, models, notes = _testing(plain, on, correct, alpha, options, name)
    if under is not None:
        if not name and not (len(command.claims) == 1 and command.claims[0].named):
            way = "`cq.hypothesis`, or `cq.family`"
            raise error("CQ938", "only a family or a hypothesis is frozen, and this is neither", help=way)
        command = replace(command, under=Path(under).resolve())
    return answer(command, models, progress, notes)


def power(
    *claims: Hypothesis | Quantity | Sweep | Family,
    on: Data,
    pilot: int = 20,
    power: float = 0.8,
    correct: Correction | None = None,
    alpha: float | None = None,
    progress: Progress | None = None,
) -> tuple[Power, ...]:
    """How likely each claim is to be decided by these data, how many rows are enough, and what they could show.

    Args:
        claims, on, correct, alpha: as of `test`. pilot: so many rows are run, whole clusters of them.
        power: the chance of a verdict that is wanted. progress: hears how far the pilot is.

    Raises:
        DiagnosticError: as `test`; CQ763, a pilot of one row; CQ945, a power that is none.
    """
    check_asked(on)
    plain, _, correct, alpha = _opened(claims, "", correct, alpha)
    command, models, notes = _testing(plain, on, correct, alpha, Options(), "")
    made = _checked_alone([command], models, notes)
    found = rooms.plan_program(made, rooms.PlanWishes(pilot=pilot, power=power), progress)
    return tuple(q.power for each in found.data for q in each.questions if q.power is not None)


Asked = Hypothesis | Quantity | Sweep | Stated


def _opened(
    claims: Sequence[Asked | Family], name: str, correct: Correction | None, alpha: float | None
) -> tuple[list[Asked], str, Correction | None, float]:
    """The claims of a family, or those that are not in one, with what holds them together.

    Raises:
        DiagnosticError: CQ228, a family among other claims.
    """
    families = [c for c in claims if isinstance(c, Family)]
    if families and len(claims) > 1:
        raise error("CQ228", "a family is tested alone", help="give it a `test` of its own")
    out = [c for c in claims if not isinstance(c, Family)]
    for whole in families:
        out, name = list(whole.claims), name or whole.name
        correct, alpha = correct or whole.correct, whole.alpha if alpha is None else alpha
    return out, name, correct, 0.05 if alpha is None else alpha


def _testing(
    claims: Sequence[Asked],
    on: Data,
    correct: Correction | None,
    alpha: float,
    options: Options,
    name: str,
) -> tuple[Testing, Models, list[Diagnostic]]:
    """The command that tests claims about estimands, its models, and what is to be said of members left out.

    Raises:
        DiagnosticError: CQ229, several claims without a correction; CQ926, a correction that is none of them.
    """
    made = [h for c in claims if not isinstance(c, Stated) for h in _hypotheses(c)]
    check_family([h.claim for h in made], [None] * len(made), "test", correct)
    models = merge(*(h.models for h in made))
    kept, _, notes = reached([h.claim.query for h in made], models)
    meant = set(map(id, kept))
    made = [h for h in made if id(h.claim.query) in meant]
    if len(made) > 1 and correct is None:
        raise error("CQ229", f"{len(made)} claims are tested together without a correction", help='`correct="holm"`')
    testing = Testing(tuple(h.claim for h in made), on.ref, name, correct or "none", alpha, options)
    return testing, models, notes


def _hypotheses(claim: Hypothesis | Quantity | Sweep) -> list[Hypothesis]:
    if isinstance(claim, Sweep):
        return [Hypothesis(c, claim.models) for c in claim.claims()]
    return [claim if isinstance(claim, Hypothesis) else Hypothesis(claim_of(repr(claim), claim), claim.models)]


def check_asked(on: object, *estimands: object, **named: object) -> None:
    """Tell a value of the wrong type, above all a setting that `estimate` does not know."""
    for name, q in (*(("an estimand", q) for q in estimands), *((f"`{n}`", q) for n, q in named.items())):
        if not isinstance(q, Quantity | Sweep):
            raise TypeError(f"{name} is {q!r}, and estimands are made of `E[…]` and `P(…)`; settings: {_SETTINGS}")
    if not isinstance(on, Data):
        raise TypeError(f"`on` takes data, made by `cq.data(…)`, not {on!r}")


def _query(name: str, q: Quantity) -> Query:
    if not is_estimand(q.expr):
        raise error("CQ214", f"`{q}` has a value on each row", help=f"write `E[{q}]` for its mean")
    return Query(name, q.expr)


def answer(command: Command, models: Models, progress: Progress | None, notes: Sequence[Diagnostic] = ()) -> Result:
    """The answer to one command, held against the rules first."""
    return rooms.run_program(_checked_alone([command], models, notes), progress=progress)


def answers(
    commands: Sequence[Command], models: Models, progress: Progress | None, notes: Sequence[Diagnostic] = ()
) -> Result:
    """The answers to some commands, held against the rules first."""
    return rooms.run_program(_checked_alone(commands, models, notes), progress=progress)


def _checked_alone(commands: Sequence[Command], models: Models, notes: Sequence[Diagnostic]) -> Program:
    """A program of nothing else, held against the rules."""
    found = [*trust_told(models), *notes, *(d for command in commands for d in examine(command, models))]
    DiagnosticError.raise_if(found)
    data = {command.data.label: command.data for command in commands}
    made = Program(models, data, commands=tuple(commands), warnings=tuple(dict.fromkeys(found)))
    return rooms.check_program(made)


def program(path_or_text: str | Path) -> Program:
    """A checked program from a `.cq` file, or from a text.

    A string with a line break, or one that does not end in `.cq`, is a text; its paths are relative to the
    current folder.

    Raises:
        DiagnosticError: everything that is wrong with it.
    """
    if isinstance(path_or_text, Path) or ("\n" not in path_or_text and path_or_text.endswith(".cq")):
        return rooms.check(Path(path_or_text))
    return rooms.check_text(path_or_text)


def run(
    path_or_text: str | Path | Program,
    *,
    plan: Literal["full", "naive"] = "full",
    max_memory: int | None = None,
    progress: Progress | None = None,
) -> Result:
    """Answer everything that a `.cq` file, or a text, asks (see `program`).

    Args:
        path_or_text: as of `program`, or what that returned.
        plan: `naive` shares nothing between worlds; its numbers are those of `full`, but for rounding.
        max_memory: bytes that weights and passes may take.
        progress: hears how many rows × worlds are done.

    Raises:
        DiagnosticError: what is wrong, before any forward pass (CQ761, the limit holds no row); `AfterPass` after one.
    """
    return rooms.run_program(_checked(path_or_text), progress=progress, how=plan, limit=max_memory)


def plan(
    path_or_text: str | Path | Program,
    *,
    pilot: int = 0,
    power: float | None = None,
    analyze: bool = False,
    max_memory: int | None = None,
    plan: Literal["full", "naive"] = "full",
    progress: Progress | None = None,
) -> Forecast:
    """What answering a program will cost: worlds, passes, operations, memory, time, the width of intervals.

    No weights are read and no pass is made, unless `pilot` or `analyze` asks for it.

    Args:
        path_or_text: as of `program`, or what that returned.
        pilot: so many rows are run, and their intervals scaled to all. analyze: everything is run.
        power: the chance of each verdict is said, and what it takes to have this one.
        max_memory: bytes that weights and passes may take. plan: `naive` shares nothing between worlds.
        progress: hears how many rows × worlds of a pilot, or of the run, are done.

    Raises:
        DiagnosticError: what is wrong with the program; CQ761, the limit holds no row; CQ762, a plan that needs
            weights which are not there; CQ763, a pilot of one row; CQ945, a power that is none.
    """
    wishes = rooms.PlanWishes(plan, max_memory, pilot, analyze, power)
    return rooms.plan_program(_checked(path_or_text), wishes, progress)


def _checked(asked: str | Path | Program) -> Program:
    return asked if isinstance(asked, Program) else program(asked)
