"""Chats: text to noun and back, the place of the image, and what an assignment replaces."""

from __future__ import annotations

import pytest

from causalcircuit.query import Chat, Column, Estimation, Picture, Text, Turn, render
from tests.check.programs import checked, errors

MODEL = 'model lm = hf("./models/chat")\n'


def chat(text: str, file: str = "ioi.jsonl", more: str = "") -> Chat:
    program = checked(f'data d = jsonl("./data/{file}") with {more}chat = {text}\nestimate E[1] on d as population\n')
    (command,) = program.commands
    assert isinstance(command, Estimation)
    found = dict(command.data.feeds)["chat"]
    assert isinstance(found, Chat)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "none",
        "[user row.clean]",
        '[system "Be \\"brief\\".", user row.clean, assistant "It is"]',
        '[user [row.clean, "\\n", row.io], user "Who?"]',
        '[user [image, "Who is this?"], assistant row.io, user image]',
    ],
)
def test_what_is_written_is_what_is_meant(text: str) -> None:
    assert render(chat(text)) == text


def test_the_column_of_the_image_is_its_place() -> None:
    expected = (Turn("user", (Picture(), Text("Who?"))), Turn("assistant", (Column("gender"),)))
    text = '[user [row.kitchen, "Who?"], assistant row.gender]'
    assert chat(text, "scenes.jsonl", "image = row.kitchen, ").turns == expected
    turned = f"{text}, image = row.kitchen"  # in whatever order
    assert chat(turned, "scenes.jsonl").turns == expected


def test_the_column_called_image_is_its_place_too(tmp_path) -> None:
    from causalcircuit.runs import check_text

    (tmp_path / "d.jsonl").write_text('{"image": "a.png", "q": "Who?"}\n{"image": "b.png", "q": "What?"}\n')
    text = 'data d = jsonl("./d.jsonl") with chat = [user [row.image, row.q]]\nestimate E[1] on d as population\n'
    (command,) = check_text(text, "t.cq", tmp_path).commands
    assert dict(command.data.feeds)["chat"].turns == (Turn("user", (Picture(), Column("q"))),)


def test_an_assignment_takes_the_place_of_the_only_column() -> None:
    made = chat('[system "Go on.", user [row.clean, " or ", row.clean], user [image, "?"]]')
    asked = made.asking(Column("other"))
    assert render(asked) == '[system "Go on.", user [row.other, " or ", row.other], user [image, "?"]]'
    assert made.column == Column("clean")
    for none in ("none", '[user "Who?"]', "[user [row.clean, row.io]]"):
        with pytest.raises(ValueError, match="no single column"):
            chat(none).asking(Column("other"))


@pytest.mark.parametrize(
    ("feeds", "world", "found"),
    [
        ("prompt = row.clean", "", ["CQ465"]),
        ("prompt = row.clean", "do(lm.input = row.corrupt)", ["CQ465"]),
        ("prompt = row.clean, chat = none", "do(lm.input = row.corrupt)", []),
        ("chat = none", "", ["CQ305"]),
        ("chat = none", "do(lm.input = row.corrupt)", []),
        ("chat = [user row.clean]", "do(lm.input = row.corrupt)", []),
        ("chat = [user [row.io, row.clean]]", "", []),
        ("chat = [user [row.io, row.clean]]", "do(lm.input = row.corrupt)", ["CQ467"]),
        (
            "chat = [user [row.io, row.clean]]",
            "do(lm.embed @ all = (lm.embed @ all | do(lm.input = row.corrupt)))",
            ["CQ467"],
        ),
    ],
)
def test_a_model_with_a_template_is_told_what_it_is_fed(feeds: str, world: str, found: list[str]) -> None:
    data = f'data d = jsonl("./data/ioi.jsonl") with {feeds} cluster row.names\n'
    asked = f"E[lm.logit[row.io] @ last{' | ' if world else ''}{world}]"
    assert errors(f"{MODEL}{data}estimate {asked} on d\n") == found


@pytest.mark.parametrize("name", ["chat", "known", "image", "user"])
def test_the_words_are_names_elsewhere(name: str) -> None:
    data = 'data d = jsonl("./data/ioi.jsonl") with chat = [user row.clean]\n'
    assert errors(f"{data}let {name} = 2\nestimate {name} * E[row.length] on d\n") == []
