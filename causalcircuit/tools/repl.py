"""`cq repl`: one statement at a time, answered at once; names and loaded models stay."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from causalcircuit.diagnostics import did_you_mean
from causalcircuit.runs import Outcome, Progress, Session
from causalcircuit.tools import exits, streams
from causalcircuit.tools.internal import report
from causalcircuit.tools.progress import progress_bar

HELP = """\
A statement is answered as soon as it is whole. Enter in an unfinished one goes
on in the next line, and an empty line ends it in any case. Alt-Enter begins a
further line of a statement that could end here.

  let effect = E[LD | do(NM = 0)] - E[LD]
  estimate effect on ioi

A name may be declared anew; statements that used it before keep what it was.

  :names        what is declared
  :plan TEXT    what a statement would cost, before it is asked
  :explain NAME a code, a function declared here, or a definition such as NIE
  :load FILE    read a program as if it were typed
  :help         this text
  :quit         leave, as Ctrl-D does
  Ctrl-C        stop a run and keep its finished rows"""


@dataclass(slots=True)
class Talk:
    """A session with its screen.

    Attributes:
        session: what is declared and loaded.
        greeting: whether someone is there to be told what was declared.
        debug: show the traceback of an internal failure.
        failed: whether anything has gone wrong so far.
        over: whether `:quit` was said.
    """

    session: Session
    greeting: bool = True
    debug: bool = False
    failed: bool = False
    over: bool = False

    def listen(self, statements: Iterator[str]) -> None:
        """Answer statements until they end or `:quit` comes."""
        for text in statements:
            self.hear(text)
            if self.over:
                return

    def hear(self, text: str) -> None:
        """Answer a statement or a command."""
        stripped = text.strip()
        if stripped.startswith(":"):
            self._command(*stripped[1:].split(maxsplit=1))
        elif stripped:
            self._answer(lambda heard: self.session.execute(text, heard))

    def load(self, path: Path) -> None:
        """Answer a file."""
        self._answer(lambda heard: self.session.load(path, heard))

    def _answer(self, ask: Callable[[Progress | None], Outcome]) -> None:
        """Ask the session; Ctrl-C and faults end the question, not the session."""
        try:
            with progress_bar(wanted=True) as heard:
                outcome = ask(heard)
        except KeyboardInterrupt:
            streams.say("interrupted: nothing was computed yet")
            return
        except Exception as problem:
            self.failed = True
            report(problem, debug=self.debug, machine=False)
            return
        if outcome.result is not None:
            streams.show(outcome.result)
        streams.complain(outcome.diagnostics)
        self.failed = self.failed or any(d.is_error for d in outcome.diagnostics)
        if self.greeting and outcome.declared:
            kinds = self.session.names()
            streams.say(", ".join(f"{name}: {kinds.get(name, '')}" for name in outcome.declared))

    def _command(self, word: str = "", rest: str = "") -> None:
        match word:
            case "help" | "h" | "?":
                streams.write(HELP + "\n")
            case "names":
                kinds = self.session.names()
                longest = max(map(len, kinds), default=0)
                lines = [f"{name:<{longest}}  {kind}\n" for name, kind in kinds.items()]
                streams.write("".join(lines) or "nothing is declared\n")
            case "plan" if rest:
                self._plan(rest)
            case "explain":
                self._explain(rest.strip() or None)
            case "load" if rest:
                self.load(Path(rest))
            case "quit" | "q" | "exit":
                self.over = True
            case _:
                known = [":help", ":names", ":plan TEXT", ":explain NAME", ":load FILE", ":quit"]
                streams.say(f"`:{word}` is no command; {did_you_mean(':' + word, known)}")

    def _explain(self, name: str | None) -> None:
        """Show a page; a function that is declared here hides a definition of its name."""
        from causalcircuit.tools.explain import explain

        text = self.session.function(name) if name else None
        if text is not None:
            streams.write(text + "\n")
        elif explain(name) != exits.OK:
            self.failed = True

    def _plan(self, text: str) -> None:
        """Say what a statement would cost."""
        from causalcircuit.tools.planning import show

        try:
            outcome = self.session.plan(text)
        except Exception as problem:
            self.failed = True
            report(problem, debug=self.debug, machine=False)
            return
        if outcome.forecast is not None:
            show(outcome.forecast)
        streams.complain(outcome.diagnostics)
        self.failed = self.failed or any(d.is_error for d in outcome.diagnostics)


def repl(file: Path | None, debug: bool = False, online: bool = False) -> int:
    """Talk until the input ends; return the exit code. With `online`, models of the hub are downloaded.

    From a pipe, statements are read as they are written in a file, and a mistake shows in the exit code.
    """
    terminal = sys.stdin.isatty()
    talk = Talk(Session(online="all" if online else ""), greeting=terminal, debug=debug)
    if file is not None:
        talk.load(file)
    if terminal:
        from causalcircuit.tools.prompt import typed

        streams.say(":help tells more, Ctrl-D leaves")
        talk.listen(typed(lambda: list(talk.session.names())))
        return exits.OK
    from causalcircuit.tools.piped import piped

    talk.listen(piped(sys.stdin))
    return exits.BEFORE if talk.failed else exits.OK
