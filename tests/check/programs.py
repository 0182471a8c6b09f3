"""Small programs over `tests/fixtures`, and what the check says of them."""

from __future__ import annotations

from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.query import Estimation, Program, Query, Testing
from causalcircuit.runs import check_text
from repotools.fixtures import FIXTURES

MODEL = 'model gpt2 = hf("./models/ioi")\n'
DATA = 'data ioi = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names\n'
NODES = """\
node NM = gpt2.layer[1].head[3].out @ last
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
"""
IOI = MODEL + DATA + NODES
SCENES = """\
model cap = hf("./models/captioner")
data scenes = jsonl("./data/scenes.jsonl") with prefix = "a" cluster row.figure
node A = cap.decoder.layer[1].cross.head[3].out @ all
node W = cap.logit["woman"] @ last - cap.logit["man"] @ last
let kitchen = do(cap.image = row.kitchen)
let office = do(cap.image = row.office)
"""


def checked(text: str) -> Program:
    """The program of a text whose paths start in `tests/fixtures`."""
    return check_text(text, "t.cq", FIXTURES)


def said(text: str) -> tuple[Diagnostic, ...]:
    """Everything that the check says of a text, in its order."""
    try:
        return checked(text).warnings
    except DiagnosticError as problem:
        return problem.diagnostics


def errors(text: str) -> list[str]:
    """The codes of the errors."""
    return [d.code for d in said(text) if d.is_error]


def warnings(text: str) -> list[str]:
    """The codes of the warnings."""
    return [d.code for d in said(text) if not d.is_error]


def query(text: str, before: str = IOI) -> Query:
    """The only query of `estimate TEXT on ioi`."""
    command = checked(f"{before}estimate {text} on ioi\n").commands[-1]
    assert isinstance(command, Estimation)
    (only,) = command.queries
    return only


def asked(text: str, before: str = IOI) -> Testing:
    """The command of a `test` statement."""
    command = checked(before + text + "\n").commands[-1]
    assert isinstance(command, Testing)
    return command
