"""Statement by statement from trees to a `Program`; all errors of a file are found at once."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from causalcircuit.check import declarations, draws, families, graphs, hypotheses, loading, questions
from causalcircuit.check.expressions import Lowering
from causalcircuit.check.rules import examine
from causalcircuit.check.scope import Poisoned, Scope
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, Label, Source, Span, error, instead_of
from causalcircuit.query import (
    CircuitDecl,
    CircuitView,
    Command,
    DataRef,
    Estimation,
    Expr,
    Graph,
    GraphSaving,
    ModelRef,
    Number,
    Program,
    Saving,
    Testing,
    World,
)
from causalcircuit.query.circuits.formulas import asked_in
from causalcircuit.query.dictionary import Dictionary
from causalcircuit.query.hub import Online
from causalcircuit.query.identification import Identified
from causalcircuit.query.independence import Independent
from causalcircuit.query.locks import Freezing
from causalcircuit.query.saliency import Saliency
from causalcircuit.query.trials import Trial
from causalcircuit.syntax import Statement, cut, parse
from causalcircuit.syntax.trees import inner

# The name that a text declares, as far as it can be guessed where it does not parse.
_USED = re.compile(r'use\s+"[^"]*"\s+as\s+(\w+)')
_DECLARED = re.compile(r"(?:\w+\s+)?(\w+)")


_ROOMS = {"model": loading, "data": loading, "draw": draws, "graph": graphs, "family": families}
"""Where statements are read that are no plain declarations."""
_QUESTIONS = ("estimate", "test", "show", "identify", "check", "discover", "observe")


@dataclass(slots=True)
class Checker:
    """The state of a check: names so far, what they registered, and what was wrong.

    Attributes:
        folder: what relative paths are relative to.
        redefine: whether a name may be declared anew (at a prompt).
        asks: whether questions count; those of a file in use do not.
        online: what may be fetched of a model on the hub: nothing, its settings, or its weights too.
        chain: the files that are being read, outermost first.
        explored: the data of every question so far, at a prompt of earlier ones too, with the lock of a test under one.
    """

    folder: Path
    redefine: bool = False
    scope: Scope = field(default_factory=Scope)
    models: dict[str, ModelRef] = field(default_factory=dict)
    graphs: dict[str, Graph] = field(default_factory=dict)
    circuits: dict[str, CircuitDecl] = field(default_factory=dict)
    views: list[CircuitView] = field(default_factory=list)
    savings: list[Saving] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    maps: list[Saliency] = field(default_factory=list)
    identifications: list[Identified] = field(default_factory=list)
    independences: list[Independent] = field(default_factory=list)
    drawings: list[GraphSaving] = field(default_factory=list)
    names: dict[Expr | World, str] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)
    freezes: list[Freezing] = field(default_factory=list)
    explored: list[tuple[DataRef, Path | None]] = field(default_factory=list)
    asks: bool = True
    online: Online = ""
    chain: tuple[Path, ...] = ()
    used: dict[Path, Scope] = field(default_factory=dict)

    def read(self, source: Source) -> Program:
        """Check all statements of a text.

        Raises:
            DiagnosticError: everything that is wrong, in the order of the text.
        """
        statements, problems, trailing = parse(source)
        found = [*problems]
        self.scope.later = {name: span for s in statements for name, span in _declares(s)}
        self._poison(problems, source)
        header: tuple[str, ...] = ()
        waiting: tuple[str, ...] = ()  # `##` lines above declarations are read with the next question
        for at, statement in enumerate(statements):
            waiting = (*waiting, *statement.comments)
            if at == 0:
                header, waiting = waiting, ()
            found.extend(self._statement(statement, waiting))
            if statement.word in _QUESTIONS:
                waiting = ()
        self.found = sorted(dict.fromkeys([*self.found, *found]), key=_place)
        DiagnosticError.raise_if(self.found)
        return self.program(source, (*header, *waiting, *trailing))

    def program(self, source: Source | None = None, comments: tuple[str, ...] = ()) -> Program:
        """What has been checked so far."""
        data = {c.data.label: c.data for c in self.commands}
        return Program(
            dict(self.models),
            data,
            dict(self.graphs),
            dict(self.names),
            tuple(self.commands),
            comments,
            tuple(d for d in self.found if not d.is_error),
            source,
            dict(self.circuits),
            tuple(self.views),
            tuple(self.savings),
            tuple(self.trials),
            tuple(self.maps),
            tuple(self.identifications),
            tuple(self.independences),
            tuple(self.drawings),
            freezes=tuple(self._frozen(f) for f in self.freezes),
        )

    def _frozen(self, asked: Freezing) -> Freezing:
        """A freeze with all data whose rows were seen: those of every question, but of tests under its own lock."""
        seen = [ref for ref, lock in self.explored if lock != asked.path]
        attributed = [c.formula for c in self.circuits.values()]
        chosen = [found.data for formula in attributed for found in asked_in(formula)]
        tried, mapped = [t.data for t in self.trials], [m.data for m in self.maps]
        return replace(asked, seen=tuple(dict.fromkeys([asked.like, *seen, *chosen, *tried, *mapped])))

    def _statement(self, statement: Statement, comments: tuple[str, ...]) -> list[Diagnostic]:
        self.scope.folder, self.scope.models = self.folder, self.models
        low = Lowering(statement.span, self.scope)
        word, tree = statement.word, statement.tree
        before = len(self.found)
        try:
            if word == "identify":
                from causalcircuit.check import identifying  # most programs have none

                identifying.identify(self, tree, low, comments)
            elif word == "check":
                from causalcircuit.check import checking  # most programs have none

                checking.check(self, tree, low, comments)
            elif word == "discover":
                from causalcircuit.check import discovering  # most programs have none

                discovering.discover(self, tree, low, comments)
            elif word == "observe":
                from causalcircuit.check import logs  # most programs have none

                logs.observe(self, tree, low, comments)
            elif word == "fit":
                from causalcircuit.check import fitting  # most programs have none

                fitting.fit(self, tree, low)
            elif word in _QUESTIONS:
                getattr(questions, word)(self, tree, low, comments)
            elif word == "hypothesis":
                hypotheses.hypothesis(self, tree, low)
            elif word == "freeze":
                from causalcircuit.check import freezing  # most programs have none

                freezing.freeze(self, tree, low)
            elif word in ("circuit", "save"):
                from causalcircuit.check import circuits  # most programs have none

                getattr(circuits, word)(self, tree, low)
            else:
                getattr(_ROOMS.get(word, declarations), word)(self, tree, low)
        except DiagnosticError as problem:
            self._fail(statement)
            return [d.at(statement.span) for d in problem.diagnostics]
        except Poisoned:
            self._fail(statement)
        except RecursionError:
            self._fail(statement)
            deep = error(
                "CQ208", "this statement is nested too deeply", statement.span, help="name its parts with `let`"
            )
            return list(deep.diagnostics)
        finally:
            for name, _ in _declares(statement):
                self.scope.later.pop(name, None)
        if any(d.is_error for d in self.found[before:]):
            self._fail(statement)
        return []

    def _fail(self, statement: Statement) -> None:
        for name, _ in _declares(statement):
            if name not in self.scope.names or not self.redefine:
                self.scope.failed.add(name)

    def _poison(self, problems: list[Diagnostic], source: Source) -> None:
        """A statement that does not even parse may have declared a name: nothing more is said of its users."""
        places = [d.span.start for d in problems if d.span is not None]
        for chunk in cut(source)[0] if places else ():
            if any(chunk.span.start <= at <= chunk.span.end for at in places):
                name = _USED.search(chunk.span.text) or _DECLARED.search(chunk.span.text)
                if name is not None:
                    self.scope.failed.add(name.group(1))

    # ---- what declarations call

    def resolve(self, path: str) -> Path:
        """A path in this file as an absolute one."""
        return Path(os.path.realpath(self.folder / path))  # `Path.resolve` fails on links in a circle

    def register(self, ref: ModelRef) -> ModelRef:
        """Give a model a name of its own in the whole program: equal declarations share one."""
        bare = replace(ref, dictionaries=())
        twin = next((m for m in self.models.values() if replace(m, name=ref.name, dictionaries=()) == bare), None)
        if twin is not None and twin.name == ref.name:
            return twin
        name, k = ref.name, 2
        while name in self.models and not (self.redefine and name == ref.name):
            name, k = f"{ref.name}_{k}", k + 1
        made = replace(ref, name=name)
        self.models[name] = made
        return made

    def attach(self, host: ModelRef, made: Dictionary) -> tuple[ModelRef, str]:
        """Declare a dictionary on a model: equal ones share a name, which is unique on the model."""
        twin = next((d for d in host.dictionaries if replace(d, name=made.name) == made), None)
        if twin is not None and (twin.name == made.name or not self.redefine):
            return host, twin.name
        name, k = made.name, 2
        taken = {d.name for d in host.dictionaries}
        while name in taken and not (self.redefine and name == made.name):
            name, k = f"{made.name}_{k}", k + 1
        kept = tuple(d for d in host.dictionaries if d.name != name)
        self.models[host.name] = replace(host, dictionaries=(*kept, replace(made, name=name)))
        return self.models[host.name], name

    def remember(self, value: Expr | World, name: str) -> None:
        """A declared name of a node, value or world, for reports; numbers keep their figures."""
        if not isinstance(value, Number) and not (isinstance(value, World) and value.factual):
            self.names.setdefault(value, name)

    def command(self, command: Estimation | Testing, low: Lowering) -> None:
        """Hold a question against the rules, and keep it."""
        if not self.asks:
            return
        self.found.extend(d.at(low.statement) for d in examine(command, self.models))
        self.commands.append(command)
        self.explored.append((command.data, command.under if isinstance(command, Testing) else None))

    def use(self, file: Path, span: Span) -> Scope:
        """The names of another file.

        Raises:
            DiagnosticError: CQ230, no such file, or files that use each other in a circle; or what is wrong in it.
        """
        if file in self.chain:
            names = " -> ".join(p.name for p in (*self.chain, file))
            raise error(
                "CQ230", f"files use each other in a circle: {names}", span, help="move shared names to a third"
            )
        if file in self.used:
            return self.used[file]
        if not os.path.isfile(file):
            near = instead_of(file.name, (p.name for p in file.parent.glob("*.cq")))
            what = "is a folder" if os.path.isdir(file) else "does not exist"
            raise error(
                "CQ230",
                f"the file `{file.name}` {what}",
                span,
                "this file",
                help=(near, f"looked for {file}", "paths are relative to the file that names them"),
            )
        inside = Checker(
            file.parent,
            models=self.models,
            names=self.names,
            graphs={},
            asks=False,
            online=self.online,
            chain=(*self.chain, file),
            used=self.used,
        )
        try:
            inside.read(Source(file.name, file.read_text(encoding="utf-8")))
        except DiagnosticError as problem:
            used = Label(span, "used here")
            raise DiagnosticError(*(replace(d, labels=(*d.labels, used)) for d in problem.diagnostics)) from None
        except (UnicodeDecodeError, OSError) as problem:
            message = f"the file `{file.name}` cannot be read: {problem}"
            raise error("CQ230", message, span, "this file", help="a .cq file is text in UTF-8") from None
        self.found.extend(d for d in inside.found if not d.is_error)
        self.used[file] = inside.scope
        return inside.scope


def _declares(statement: Statement) -> list[tuple[str, Span]]:
    """The name that a statement declares, if it does."""
    if statement.word in (*_QUESTIONS, "save", "freeze"):
        return []
    parts = inner(statement.tree)
    found = [p for p in parts if not isinstance(p, str) and str(p.data) == "name"]
    if not found:
        return []
    name = found[0]
    start = statement.span.start + name.meta.start_pos
    return [(str(name.children[0]), Span(statement.span.source, start, statement.span.start + name.meta.end_pos))]


def _place(d: Diagnostic) -> tuple[str, int]:
    return ("", 0) if d.span is None else (d.span.source.name, d.span.start)
