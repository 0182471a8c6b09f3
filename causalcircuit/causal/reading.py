"""Diagrams from text: the language's own form, DOT and dagitty, in one grammar, since they differ in little."""

from __future__ import annotations

import re
from collections.abc import Iterator

from causalcircuit.causal.diagram import Diagram
from causalcircuit.diagnostics import DiagnosticError, error

_TOKEN = re.compile(
    r"""\s+|//[^\n]*|\#[^\n]*|/\*.*?\*/
    |(?P<circle>(?<!\w)[o@]-[>o@]|<-[o@](?!\w))|(?P<edge><->|->|<-|--)
    |(?P<mark>[{}\[\],;=:])|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<word>[\w.']+)""",
    re.VERBOSE | re.DOTALL,
)
_NAMES = {"word", "quoted"}
_LATENT = {"latent", "unobserved", "hidden"}
Token = tuple[str, str]
_DEFAULTS: set[Token] = {("word", "node"), ("word", "edge"), ("word", "graph")}


def read(text: str) -> Diagram:
    """The diagram that a text describes.

    Three forms: `X -> M, M -> Y, X <-> Y, Z`; `digraph { X -> Y; U [latent]; X -> Y [dir=both] }`, in which an edge
    with `dir=both` is bidirected and a vertex with `latent`, `unobserved`, `hidden` or `observed=no` is latent; and
    `dag { X [exposure] U [latent] X -> { Y Z } A <- B X <-> Y }`. A vertex with `selection` is a population, and
    its arrows lead to the variables whose mechanisms differ there. Positions, colours and labels are passed over.

    Raises:
        DiagnosticError: CQ834 a text that is none of these, and what the diagram itself raises.
    """
    return _Reader(list(_tokens(text))).diagram()


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _unread(text[at])
        at = found.end()
        kind = found.lastgroup
        if kind == "circle":  # ends of edges in graphs of equivalence classes: they are no causal diagrams
            raise _unread(found[kind])
        if kind == "quoted":
            yield kind, re.sub(r"\\(.)", r"\1", found["quoted"])
        elif kind is not None:
            yield kind, found[kind]


def _unread(what: str) -> DiagnosticError:
    return error(
        "CQ834",
        f"a diagram cannot have `{what}` here",
        help="write edges as `X -> Y, X <-> Y`, or a `digraph { … }` of DOT, or a `dag { … }` of dagitty",
    )


class _Reader:
    """A walk over the tokens that collects vertices and edges."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.vertices: dict[str, None] = {}
        self.directed: list[tuple[str, str]] = []
        self.bidirected: list[tuple[str, str]] = []
        self.latents: set[str] = set()
        self.populations: set[str] = set()

    def diagram(self) -> Diagram:
        framed = self._header()
        self._statements(closing=framed)
        if self.at < len(self.tokens):
            raise _unread(self.tokens[self.at][1])
        return self._made()

    def _made(self) -> Diagram:
        """The diagram; arrows out of a population say where it differs."""
        for a, b in (*self.directed, *self.bidirected):
            if b in self.populations or (a in self.populations and (a, b) in self.bidirected):
                raise _unread(f"{a} into a population" if b in self.populations else f"{a} <-> {b}")
        return Diagram(
            tuple(v for v in self.vertices if v not in self.populations),
            tuple((a, b) for a, b in self.directed if a not in self.populations),
            tuple(self.bidirected),
            frozenset(self.latents - self.populations),
            tuple((a, b) for a, b in self.directed if a in self.populations),
        )

    def _peek(self, ahead: int = 0) -> Token:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ("end", "the end")

    def _take(self, value: str) -> bool:
        if self._peek() == ("mark", value):
            self.at += 1
            return True
        return False

    def _header(self) -> bool:
        """Pass over `digraph G {`, `strict digraph {`, `dag {`."""
        words = 0
        while self._peek(words)[0] in _NAMES:
            words += 1
        if self._peek(words) != ("mark", "{"):
            return False
        kinds = {self._peek(i)[1].casefold() for i in range(words) if self._peek(i)[0] == "word"}
        if words and not kinds & {"digraph", "dag", "admg", "mag", "graph"}:
            return False
        self.at += words + 1
        return True

    def _statements(self, closing: bool) -> None:
        while True:
            kind, value = self._peek()
            if kind == "end":
                if closing:
                    raise _unread(value)
                return
            if self._take("}"):
                if not closing:
                    raise _unread("}")
                return
            if self._take(";") or self._take(","):
                continue
            self._statement()

    def _statement(self) -> None:
        if self._peek()[0] in _NAMES and self._peek(1) == ("mark", "="):  # rankdir = LR
            self.at += 3
            return
        if self._peek() in _DEFAULTS and self._peek(1) == ("mark", "["):
            self.at += 1
            self._settings()
            return
        sides = [self._side()]
        arrows: list[str] = []
        while self._peek()[0] == "edge":
            arrows.append(self._peek()[1])
            self.at += 1
            sides.append(self._side())
        settings = self._settings()
        both = settings.get("dir", "") == "both" or settings.get("kind", "") == "bidirected"
        for left, arrow, right in zip(sides, arrows, sides[1:], strict=False):
            self._edges(left, "<->" if both else arrow, right)
        if not arrows and (_LATENT & settings.keys() or settings.get("observed", "yes").casefold() in {"no", "false"}):
            self.latents.update(sides[0])
        if not arrows and "selection" in settings:
            self.populations.update(sides[0])

    def _edges(self, left: list[str], arrow: str, right: list[str]) -> None:
        if arrow == "--":
            raise _unread("--")
        for a in left:
            for b in right:
                if arrow == "<->":
                    self.bidirected.append((a, b))
                else:
                    self.directed.append((a, b) if arrow == "->" else (b, a))

    def _side(self) -> list[str]:
        """A vertex, or several in braces."""
        if self._take("{"):
            found = []
            while not self._take("}"):
                if not (self._take(",") or self._take(";")):
                    found.append(self._name())
            return found
        return [self._name()]

    def _name(self) -> str:
        kind, value = self._peek()
        if kind not in _NAMES or (kind, value) == ("word", "subgraph"):
            raise _unread(value)
        self.at += 1
        self.vertices.setdefault(value)
        return value

    def _settings(self) -> dict[str, str]:
        """`[latent, pos="0,1"]` as a dictionary; a flag is its own value."""
        found: dict[str, str] = {}
        while self._take("["):
            while not self._take("]"):
                kind, key = self._peek()
                if kind == "end":
                    raise _unread(key)
                self.at += 1
                if kind not in _NAMES:
                    continue
                if self._take("="):
                    found[key.casefold()] = self._peek()[1]
                    self.at += 1
                else:
                    found[key.casefold()] = key
        return found
