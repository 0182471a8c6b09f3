"""Small programs on the shipped indirect-object model, and running `cq` in this process or in its own."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from causalcircuit.tools.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"
CQ = Path(sys.executable).with_name("cq")

HEAD = f"""\
## Names and their movers
model gpt2 = hf("{EXAMPLES}/models/ioi")
data ioi = jsonl("{EXAMPLES}/data/ioi.jsonl") with prompt = row.clean cluster row.names sample 40 seed 1
node NM = gpt2.layer[1].head[3].out @ last
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
"""
ESTIMATE = HEAD + "let ate = E[LD | do(NM = 0)] - E[LD]\nestimate ate, E[LD] on ioi\n"
CLAIMS = (
    HEAD
    + """\
hypothesis right "The model is right" {{
  because "it was trained to be"
  expect E[LD] {right} logit
}}
test right on ioi
estimate E[LD] on ioi
"""
)
BAD = HEAD + "let a = E[LDX]\nestimate E[LD | do(MN = 0)] on ioi\n"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str


class Stream(io.TextIOWrapper):
    """A standard stream that is kept, as UTF-8."""

    def __init__(self, text: str = "") -> None:
        super().__init__(io.BytesIO(text.encode()), encoding="utf-8")

    def text(self) -> str:
        self.flush()
        self.seek(0)
        return self.read()


def cq(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path, stdin: str = "") -> Ran:
    """Run `cq` in this process, so that torch is loaded once for all tests."""
    out, err = Stream(), Stream()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", Stream(stdin))
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in arguments])
    assert isinstance(left.value.code, int)
    return Ran(left.value.code, out.text(), err.text())


def alone(*arguments: str | Path, **more: object) -> subprocess.CompletedProcess[str]:
    """Run `cq` in a process of its own."""
    return subprocess.run([str(CQ), *map(str, arguments)], capture_output=True, text=True, timeout=120, **more)


@contextlib.contextmanager
def on_terminal(arguments: Sequence[str | Path], **more: object) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`cq` with its standard error on a pseudo-terminal: the process and the terminal's other end."""
    theirs: int
    ours, theirs = os.openpty()
    # Where the tests themselves run in the background, Ctrl-C is ignored, and what they start would inherit that.
    process = subprocess.Popen(
        [str(CQ), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
        **more,
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.communicate()
        os.close(ours)
