"""Queries built in Python, without a text: the rules must hold them to the same."""

from __future__ import annotations

from causalcircuit.check import examine
from causalcircuit.query import (
    ALL,
    FACTUAL,
    LAST,
    Address,
    Assignment,
    Binary,
    Column,
    Counterfactual,
    DataRef,
    Estimation,
    Expect,
    Expr,
    Input,
    ModelRef,
    Number,
    Part,
    Position,
    Query,
    Readout,
    Site,
    Text,
    World,
    world_of,
)
from repotools.fixtures import FIXTURES

GPT2 = ModelRef("gpt2", "./models/ioi", FIXTURES / "models/ioi")
CAP = ModelRef("cap", "./models/captioner", FIXTURES / "models/captioner")
IOI = DataRef("ioi", "jsonl", FIXTURES / "data/ioi.jsonl", (("prompt", Column("clean")),), cluster=Column("names"))
SCENES = DataRef("scenes", "jsonl", FIXTURES / "data/scenes.jsonl", (("prefix", Text("a")),), cluster=Column("figure"))


def site(*parts: str | tuple[str, int], at: Position = LAST, model: str = "gpt2") -> Site:
    """`site(("layer", 1), "resid")`."""
    return Site(Address(model, tuple(Part(p) if isinstance(p, str) else Part(*p) for p in parts)), at)


HEAD = site(("layer", 1), ("head", 3), "out")
EARLY, LATE = site(("layer", 0), "resid"), site(("layer", 1), "resid")
LOGIT = Readout("gpt2", "logit", Column("io"), LAST)
LD = Binary("-", LOGIT, Readout("gpt2", "logit", Column("subj"), LAST))
WOMAN = Binary("-", Readout("cap", "logit", Text("woman"), LAST), Readout("cap", "logit", Text("man"), LAST))


def do(*pairs: tuple[Expr, Expr | float]) -> World:
    """A world; plain numbers are wrapped."""
    return world_of(Assignment(t, Number(v) if isinstance(v, int | float) else v) for t, v in pairs)


def codes(estimand: Expr, data: DataRef = IOI) -> list[str]:
    """What the rules say of an estimation of `estimand`: the codes, errors and warnings alike."""
    command = Estimation((Query("q", estimand),), data)
    return [d.code for d in examine(command, {m.name: m for m in (GPT2, CAP)})]


__all__ = [
    "ALL",
    "CAP",
    "EARLY",
    "FACTUAL",
    "GPT2",
    "HEAD",
    "IOI",
    "LATE",
    "LD",
    "LOGIT",
    "SCENES",
    "WOMAN",
    "Binary",
    "Column",
    "Counterfactual",
    "Expect",
    "Input",
    "Number",
    "Position",
    "codes",
    "do",
    "site",
]
