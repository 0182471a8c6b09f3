"""The corpora of the language: what the check says of each file in `tests/fixtures/{good,bad}`.

`python -m repotools.fixtures` writes the expected text beside every file anew (and removes texts without a file), so
that a change of a message shows as a difference to be read and committed.
"""

from __future__ import annotations

import re
from pathlib import Path

from causalcircuit.check import Checker
from causalcircuit.check.hypotheses import region_text
from causalcircuit.diagnostics import DiagnosticError, Source, render_all
from causalcircuit.query import Claim, DataRef, Estimation, Graph, Program, Query, Testing, render, unit_of
from causalcircuit.query.discovery import Discovering
from causalcircuit.query.identification import Identified
from causalcircuit.query.independence import Independent
from causalcircuit.query.logs import Logging
from causalcircuit.query.regimes import Observing
from causalcircuit.runs.check import check_program

FIXTURES = Path(__file__).resolve().parent.parent / "tests" / "fixtures"


def programs(kind: str) -> list[Path]:
    """The files of a corpus, `good` or `bad`, in order."""
    return sorted((FIXTURES / kind).glob("*.cq"))


def check(path: Path) -> Program:
    """A file of a corpus, checked; messages name it without its folder.

    Raises:
        DiagnosticError: what is wrong with it.
    """
    return check_program(Checker(path.parent, chain=(path,)).read(Source(path.name, path.read_text(encoding="utf-8"))))


def outcome(path: Path) -> str:
    """What stands in the text beside a file: its estimands and warnings, or everything that is wrong."""
    try:
        text = describe(check(path))
    except DiagnosticError as problem:
        text = render_all(problem.diagnostics)
    # A long path is moved to a line of its own: where the tree lies must not show.
    return re.sub(r"looked for\s+FIXTURES", "looked for FIXTURES", text.replace(str(FIXTURES), "FIXTURES")) + "\n"


def describe(program: Program) -> str:
    """Every question of a program in canonical text: first by the declared names, then in full."""
    parts = ["\n".join(_command(c, program)) for c in program.commands]
    parts += ["\n".join(_identified(i)) for i in program.identifications]
    parts += ["\n".join(_independent(i)) for i in program.independences]
    parts += [_graph(g) for g in program.graphs.values()]
    if program.warnings:
        parts.append(render_all(program.warnings))
    return "\n\n".join(parts)


def _identified(found: Identified) -> list[str]:
    comments = [f"## {c}" for c in found.comments]
    head = f"identify {found.name} in {found.graph}" + "".join(f", from {g}" for g in found.given)
    effects = [f"  {e.effect} {f'= {e.estimand} (by {e.by})' if e.identified else e.verdict}" for e in found.effects]
    return [*comments, head, f"  {found.query}", *effects]


def _independent(found: Independent) -> list[str]:
    said = "implied" if found.implied else f"not implied: {found.path}"
    return [*(f"## {c}" for c in found.comments), f"check {found} in {found.graph}", f"  {said}"]


def _graph(graph: Graph) -> str:
    more = [f"latent {sorted(graph.latents)}"] if graph.latents else []
    more += [f"selections {sorted(graph.selections)}"] if graph.selections else []
    return " ".join([f"graph {graph.name}:", str(sorted(graph.directed)), str(sorted(graph.bidirected)), *more])


def _command(command: Estimation | Testing, program: Program) -> list[str]:
    comments = [f"## {c}" for c in command.comments]
    if isinstance(command, Discovering):
        over = ", ".join(f"{name} = {render(value)}" for name, value in command.nodes)
        how = f"{command.method}, alpha {command.alpha:g}, {command.resamples} resamples, seed {command.seed}"
        out = [f"  ruled out {a} -> {b}" for a, b in command.forbidden] + [f"  to {p.name}" for p in command.saves]
        head = f"discover {command.name} on {_data(command.data)}"
        return [*comments, head, f"  {how}", f"  over {over}", *out]
    if isinstance(command, Observing):
        return [*comments, *_observing(command, program)]
    if isinstance(command, Logging):
        nodes = [f"  {name} = {render(value)}" for name, value in command.nodes]
        return [*comments, f"observe on {_data(command.data)} to {command.path.name}", *nodes]
    until = [f"  {command.options.until}"] if command.options.until is not None else []
    if isinstance(command, Estimation):
        per = [f"  per {render(command.per)}"] if command.per is not None else []
        queries = [line for q in command.queries for line in _query(q, program)]
        return [*comments, f"estimate on {_data(command.data)}", f"  {command.options}", *until, *per, *queries]
    head = f"test {command.name or '(unnamed)'}, {command.correction}, alpha {command.alpha}, on {_data(command.data)}"
    return [*comments, head, f"  {command.options}", *until, *(x for c in command.claims for x in _claim(c, program))]


def _observing(command: Observing, program: Program) -> list[str]:
    by = ", ".join(map(str, command.regimes))
    wished = [f"  assume linear: {command.linear}, bounds: {command.bounds}, sensitivity: {command.sensitivity}"]
    chosen = [f"  {command.chosen}"] if command.chosen else []
    head = f"estimate in {command.graph.name} on {_data(command.data)} by {by}"
    nodes = [
        f"  {name} = {render(value)}{' (of a model)' if name in command.reads else ''}" for name, value in command.nodes
    ]
    asked = [line for q in (*command.asked, *command.interventions) for line in _query(q, program)]
    return [head, f"  {command.options}", *wished, *chosen, *nodes, *asked]


def _query(query: Query, program: Program, region: str = "") -> list[str]:
    at = "".join(f" [{name} = {value}]" for name, value in query.at)
    unit = unit_of(query.expr) or "no unit"
    shown = {
        "": render(query.expr, {k: v for k, v in program.names.items() if k != query.expr}),
        "in full ": render(query.expr),
    }
    return [f"  {query.name}{at} ({unit})", *(f"    {how}{text}{region}" for how, text in shown.items())]


def _claim(claim: Claim, program: Program) -> list[str]:
    lines = _query(claim.query, program, f" {region_text(claim)}")
    said = [f"    {word} {text!r}" for word, text in (("title", claim.title), ("because", claim.because)) if text]
    said += [f"    stage {claim.stage + 1}"] if claim.stage else []
    return [*lines, *said]


def _data(data: DataRef) -> str:
    parts = [f"{data.label} = {data.format} {data.path.name}"]
    parts += [f"{channel} = {render(e)}" for channel, e in data.feeds]
    parts += [
        f"{word} {render(e)}"
        for word, e in (("cluster", data.cluster), ("weight", data.weight), ("where", data.where))
        if e is not None
    ]
    if data.sample is not None:
        parts.append(f"sample {data.sample[0]} seed {data.sample[1]}")
    if data.split is not None:
        parts.append(f"split {data.split.train:g} seed {data.split.seed}")
    return ", ".join(parts)


def renew() -> list[Path]:
    """Write every expected text anew; the files that changed."""
    changed = []
    for kind in ("good", "bad"):
        files = programs(kind)
        for path in files:
            beside, text = path.with_suffix(".txt"), outcome(path)
            if not beside.is_file() or beside.read_text(encoding="utf-8") != text:
                beside.write_text(text, encoding="utf-8")
                changed.append(beside)
        for orphan in set((FIXTURES / kind).glob("*.txt")) - {p.with_suffix(".txt") for p in files}:
            orphan.unlink()
            changed.append(orphan)
    return changed


if __name__ == "__main__":
    for path in renew():
        print(path.relative_to(FIXTURES))
