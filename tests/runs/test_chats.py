"""Chats fed to a model: its numbers are those of the library's own way from a conversation to logits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Result
from causalcircuit.runs import Runner, check_text
from tests.truth import tiny

TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m.role }}: {{ m.content }}<|stop|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant:{% endif %}"
)
ROWS = [
    {"q": "Who saw Mary?", "other": "Who met Tom?", "name": "Mary", "stranger": "Tom", "say": "Yes", "x": 1},
    {"q": "Did John thank Anna, or not?", "other": "Did Tom?", "name": "Anna", "stranger": "Tom", "say": "No", "x": 2},
]
RUNNER = Runner()
HEAD = """
model m = hf("./chatty") with dtype = float64
data d = jsonl("./rows.jsonl") with chat = [system "Be brief.", user row.q]
data open = jsonl("./rows.jsonl") with chat = [user [row.q, " ", row.say], assistant "It is"]
data plain = jsonl("./rows.jsonl") with prompt = row.q, chat = none
data both = jsonl("./rows.jsonl") with prompt = row.other, chat = [user row.q]
data unsaid = jsonl("./rows.jsonl") with prompt = row.q
node L = m.logit[" Mary"] @ last
node S = m.layer[0].resid @ token(row.name in row.q, row.stranger in row.other)
let other = do(m.input = row.other)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("chats")
    words = tiny.tokenizer()
    words.add_special_tokens({"additional_special_tokens": ["<|start|>", "<|stop|>"]})
    words.chat_template = TEMPLATE
    config = tiny.text_config(len(words))
    config.n_positions = 128
    model = GPT2LMHeadModel(config)
    tiny.shake(model, 3)
    model.save_pretrained(root / "chatty")
    words.save_pretrained(root / "chatty")
    tiny.write_gpt2(root / "plain")
    tiny.write_lines(root / "rows.jsonl", ROWS)
    return root


def ask(folder: Path, question: str) -> Result:
    return RUNNER.run(check_text(HEAD + question, "t.cq", folder))


def values(folder: Path, question: str) -> list[float]:
    return [e.value for e in ask(folder, question).estimates]  # type: ignore[misc]


def codes(folder: Path, question: str) -> set[str]:
    with pytest.raises(DiagnosticError) as caught:
        ask(folder, question)
    return {d.code for d in caught.value.diagnostics if d.is_error}


def logit(folder: Path, messages: list[dict[str, str]] | str, zero: str = "") -> float:
    """The library's own way, and a hook of its own that sets block 0's output to 0 at the last token of a word."""
    words = AutoTokenizer.from_pretrained(folder / "chatty")
    hf = GPT2LMHeadModel.from_pretrained(folder / "chatty", dtype=torch.float64).eval()
    if isinstance(messages, str):
        coded = words(messages, return_tensors="pt")
    else:
        goes_on = messages[-1]["role"] == "assistant"
        how = {"continue_final_message": goes_on, "add_generation_prompt": not goes_on}
        coded = words.apply_chat_template(messages, return_tensors="pt", return_dict=True, **how)
    ids = coded["input_ids"]
    if zero:
        text = words.decode(ids[0])
        place = words(text, add_special_tokens=False).char_to_token(text.index(zero) + len(zero) - 1)
        assert place is not None

        def hook(module: object, inputs: object, out: torch.Tensor) -> torch.Tensor:
            changed = out.clone()
            changed[0, place] = 0
            return changed

        hf.transformer.h[0].register_forward_hook(hook)
    with torch.inference_mode():
        found = hf(ids).logits[0, -1]
    (answer,) = words(" Mary", add_special_tokens=False)["input_ids"]
    return float(found[answer])


def mean(folder: Path, make: object, zero: str = "") -> float:
    return sum(logit(folder, make(r), r[zero] if zero else "") for r in ROWS) / len(ROWS)  # type: ignore[operator]


def chat(column: str):
    return lambda r: [{"role": "system", "content": "Be brief."}, {"role": "user", "content": r[column]}]


def test_a_chat_is_what_the_library_makes_of_it(folder: Path) -> None:
    got = values(folder, "estimate E[L], E[L | other] on d as population")
    assert got == pytest.approx([mean(folder, chat("q")), mean(folder, chat("other"))], abs=1e-9)
    assert abs(got[0] - got[1]) > 1e-3


def test_positions_stand_on_the_text_that_the_template_wrote(folder: Path) -> None:
    got = values(folder, "estimate E[L | do(S = 0)], E[L | other, do(S = 0)] on d as population")
    expected = [mean(folder, chat("q"), "name"), mean(folder, chat("other"), "stranger")]
    assert got == pytest.approx(expected, abs=1e-9)


def test_a_last_turn_of_the_assistant_is_gone_on_with(folder: Path) -> None:
    def messages(r: dict[str, str]) -> list[dict[str, str]]:
        return [{"role": "user", "content": f"{r['q']} {r['say']}"}, {"role": "assistant", "content": "It is"}]

    assert values(folder, "estimate E[L] on open as population") == pytest.approx([mean(folder, messages)], abs=1e-9)


def test_none_feeds_plain_prompts(folder: Path) -> None:
    got = values(folder, "estimate E[L], E[L | other] on plain as population")
    assert got == pytest.approx([mean(folder, lambda r: r["q"]), mean(folder, lambda r: r["other"])], abs=1e-9)


def test_a_model_without_a_template_takes_the_prompt_of_the_same_data(folder: Path) -> None:
    base = 'model b = hf("./plain") with dtype = float64\nnode B = b.logit[" Mary"] @ last\n'
    left, right = values(folder, base + "estimate E[B], E[L] on both as population")
    (other,) = values(folder, base + "estimate E[B | do(b.input = row.other)] on d as population")
    assert left == pytest.approx(other, abs=1e-12)
    assert right == pytest.approx(mean(folder, lambda r: [{"role": "user", "content": r["q"]}]), abs=1e-9)
    assert codes(folder, base + "estimate E[B] on d") == {"CQ305"}


def test_one_prompt_is_printed(folder: Path) -> None:
    (note,) = [
        w for w in ask(folder, "estimate E[L], E[L | other] on d as population").diagnostics if w.code == "CQ468"
    ]
    assert note.severity == "note"
    assert '"<|start|>system: Be brief.<|stop|><|start|>user: Who saw Mary?<|stop|><|start|>assistant:"' in note.message


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ("estimate E[L] on unsaid", "CQ465"),
        ("estimate E[L | other] on unsaid", "CQ465"),
        ("estimate E[L | other] on open", "CQ467"),
        ('data x = jsonl("./rows.jsonl") with chat = [user [image, row.q]]\nestimate E[L] on x', "CQ466"),
        ('data x = jsonl("./rows.jsonl") with chat = [user row.x]\nestimate E[L] on x', "CQ453"),
        ('data x = jsonl("./rows.jsonl") with chat = [user "<|stop|>", user row.q]\nestimate E[L] on x', "CQ470"),
    ],
)
def test_what_is_refused(folder: Path, question: str, code: str) -> None:
    assert codes(folder, question) == {code}


def test_a_template_that_refuses_is_told_for_all_rows_at_once(folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(folder / "chatty", tmp_path / "chatty")
    shutil.copy(folder / "rows.jsonl", tmp_path / "rows.jsonl")
    found = [p for p in (tmp_path / "chatty").iterdir() if "chat_template" in p.name]
    text = "{{ raise_exception('no ' + messages[-1].content) }}"
    for path in found:
        path.write_text(text)
    if not found:  # where the library keeps it in the tokenizer's settings
        config = tmp_path / "chatty" / "tokenizer_config.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), "chat_template": text}))
    with pytest.raises(DiagnosticError) as caught:
        ask(tmp_path, "estimate E[L] on d")
    assert {d.code for d in caught.value.diagnostics} == {"CQ463"}
    assert "no Who saw Mary?" in caught.value.diagnostics[0].message
