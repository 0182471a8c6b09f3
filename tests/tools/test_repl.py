"""The session at a prompt: what is a whole statement, what is remembered, what is answered."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from causalcircuit.tools import prompt
from causalcircuit.tools.piped import piped
from causalcircuit.tools.prompt import history_path, submits, typed
from tests.tools.programs import ESTIMATE, HEAD, cq


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def keys(text: str, names: tuple[str, ...] = ()) -> list[str]:
    """The statements that come of typing `text`; Enter is \\r, Alt-Enter \\x1b\\r, Ctrl-D \\x04."""
    with create_pipe_input() as given, create_app_session(input=given, output=DummyOutput()):
        given.send_text(text)
        return list(typed(lambda: names))


def test_enter_goes_on_until_a_statement_is_whole(state: Path) -> None:
    assert keys("let a =\r1\rnode N\x1b\r= 2\r\x04") == ["let a =\n  1", "node N\n  = 2"]


def test_an_empty_line_submits_in_any_case(state: Path) -> None:
    assert keys("let a = (1\r\x7f\x7f\r\x04") == ["let a = (1\n"]


def test_ctrl_c_drops_what_was_being_typed(state: Path) -> None:
    assert keys("let a = (\x03let b = 1\r\x04") == ["let b = 1"]


def test_completion_knows_names_and_at_the_margin_opening_words() -> None:
    def offered(text: str) -> list[str]:
        words = prompt._Names(lambda: ["effect", "ioi"])
        return [c.text for c in words.get_completions(Document(text), CompleteEvent())]

    assert offered("est") == ["estimate"]
    assert offered("estimate e") == ["effect"]
    assert {"effect", "estimate"} <= set(offered("e"))
    assert offered("estimate z") == []


def test_history_outlives_the_session_and_is_private(state: Path) -> None:
    keys("let a = 1\r\x04")
    assert "+let a = 1" in history_path().read_text()
    assert history_path().is_relative_to(state)
    assert history_path().stat().st_mode & 0o077 == 0
    assert keys("\x1b[A\r\x04") == ["let a = 1"]


def test_a_home_that_cannot_be_written_has_no_history_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert keys("let a = 1\r\x04") == ["let a = 1"]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("let a = 1", True),
        ("let a =", False),
        ("graph g {", False),
        ("graph g { A -> B }", True),
        ("estimate a on", False),
        (":names", True),
        ("", True),
        ("let a = (\n", True),
        ("let a = (\n  ", True),
        ("let a = (\n  b", False),
    ],
)
def test_when_enter_submits(text: str, whole: bool) -> None:
    assert submits(text) == whole


def test_statements_of_a_pipe_end_as_in_a_file() -> None:
    text = """\
## About a
let a = 1
let b =
  2

hypothesis h {

# inside
  expect a < 1
}
:names
let c = 3
  + 4
"""
    assert [s.strip() for s in piped(text.splitlines(keepends=True))] == [
        "## About a\nlet a = 1",
        "let b =\n  2",
        "hypothesis h {\n\n# inside\n  expect a < 1\n}",
        ":names",
        "let c = 3\n  + 4",
    ]


def test_a_pipe_is_read_no_further_than_a_statement_needs() -> None:
    read: list[str] = []

    def lines() -> Iterator[str]:
        for line in ("let a = 1\n", "\n", "let b = 2\n"):
            read.append(line)
            yield line

    assert next(piped(lines())) == "let a = 1\n"
    assert len(read) == 2


def test_a_session_from_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    done = cq(monkeypatch, "repl", stdin=ESTIMATE + "estimate E[LDX] on ioi\n:names\n:nmes\nestimate E[LD] on ioi\n")
    assert done.code == 2
    assert re.search(r"ate +-\d", done.out)
    assert "CQ201" in done.err
    assert "did you mean `:names`?" in done.err
    assert re.search(r"(?m)^gpt2 +a model$", done.out)
    assert done.out.count("on ioi · 40 rows") == 2
    assert done.out.rindex("E[LD]") > done.out.index("gpt2 ")


def test_a_file_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "head.cq"
    path.write_text(HEAD)
    done = cq(monkeypatch, "repl", path, stdin="estimate E[LD] on ioi\n:quit\nnonsense\n")
    assert done.code == 0
    assert re.search(r"E\[LD\] +\d\.\d+ +logit", done.out)
    assert done.err == ""


def test_a_prompt_opens_definitions_and_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    done = cq(monkeypatch, "repl", stdin=":explain PNS\nlet PNS(x) = E[x]\n:explain PNS\n:explain CQ201\n")
    assert "probability of necessity and sufficiency" in done.out
    assert "\nlet PNS(x) = E[x]\n" in done.out
    assert "# CQ201" in done.out


def test_load_and_help(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "head.cq"
    path.write_text(HEAD)
    done = cq(monkeypatch, "repl", stdin=f":help\n:load {path}\n:names\n:load nono.cq\n")
    assert done.code == 2
    assert ":names" in done.out
    assert re.search(r"(?m)^NM +", done.out)
    assert "CQ230" in done.err


def test_the_prompt_is_as_wide_as_its_continuation() -> None:
    assert len(prompt.PROMPT) == len(prompt.FURTHER)
