"""A model that reads what another one wrote: as if the texts had been written to a file and the judge asked on that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from transformers import BertConfig, BertForSequenceClassification, GPT2LMHeadModel, PreTrainedTokenizerFast

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Result, is_text
from causalcircuit.runs import Runner, check_text
from tests.truth import tiny

TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m.role }}: {{ m.content }}<|stop|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant:{% endif %}"
)
RUNNER = Runner()
HEAD = """
model lm = hf("./lm") with dtype = DTYPE
model bert = hf("./bert") with dtype = DTYPE
model judge = hf("./judge") with dtype = DTYPE
model chatty = hf("./chatty") with dtype = DTYPE
data d = jsonl("./FILE.jsonl") with prompt = row.clean, chat = none
data talk = jsonl("./FILE.jsonl") with prompt = row.clean, chat = [system "Be brief.", user row.clean]
node S = lm.layer[0].resid @ [last, new]
let steered = do(S = -0.8 * S)
let cut = do(lm.layer[1].head[1].out @ all = 0)
"""
GREEDY, DRAWN = "lm.text(tokens = 7)", "lm.text(tokens = 7, temperature = 0.9, seed = 5)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("judges")
    tiny.write_gpt2(root / "lm")
    tiny.write_gpt2(root / "judge", "left", seed=4)
    _write_bert(root / "bert")
    _write_chatty(root / "chatty")
    tiny.write_lines(root / "prompts.jsonl", tiny.PROMPTS)
    return root


def _write_bert(path: Path) -> None:
    words = tiny.tokenizer()
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=40,
        max_position_embeddings=40,
        pad_token_id=0,
        id2label={0: "calm", 1: "toxic"},
        problem_type="single_label_classification",
    )
    model = BertForSequenceClassification(config)
    tiny.shake(model, 8)
    model.save_pretrained(path)
    words.save_pretrained(path)


def _write_chatty(path: Path) -> None:
    words = tiny.tokenizer()
    words.add_special_tokens({"additional_special_tokens": ["<|start|>", "<|stop|>"]})
    words.chat_template = TEMPLATE
    config = tiny.text_config(len(words))
    config.n_positions = 128
    model = GPT2LMHeadModel(config)
    tiny.shake(model, 3)
    model.save_pretrained(path)
    words.save_pretrained(path)


def ask(folder: Path, question: str, file: str = "prompts", dtype: str = "float64") -> Result:
    head = HEAD.replace("FILE", file).replace("DTYPE", dtype)
    return RUNNER.run(check_text(head + question, "t.cq", folder))


def cells(result: Result) -> list[NDArray[Any]]:
    """The numbers of each row, cell by cell."""
    (table,) = result.tables.values()
    return [v for c, v in table.cells.items() if not is_text(c.readout)]


def texts(folder: Path, text: str, world: str, data: str = "d") -> list[str]:
    found = ask(folder, f'estimate P(({text} | {world}) = "x") on {data} as population')
    (table,) = found.tables.values()
    (written,) = (v for c, v in table.cells.items() if is_text(c.readout))
    return [str(t) for t in written]


def filed(folder: Path, name: str, written: list[str], column: str = "said") -> None:
    rows = [{**row, column: text} for row, text in zip(tiny.PROMPTS, written, strict=True)]
    tiny.write_lines(folder / f"{name}.jsonl", rows)


READOUTS = {
    "a class": ("bert", 'bert.class["toxic", softmax]'),
    "a logit": ("judge", 'judge.logit[" Mary"] @ last - judge.logit[" Tom"] @ last'),
    "answers of several tokens": ("judge", 'judge.logprob["Elisabeth"] @ last + judge.logprob[row.answer] @ last'),
    "a site": ("judge", "norm(judge.layer[1].resid @ all)"),
    "an assignment": ("judge", "judge.logit[row.answer] @ last"),
    "a divergence": ("judge", "kl(judge.logits @ last, (judge.logits @ last | do()))"),
}


@pytest.mark.parametrize("text", [GREEDY, DRAWN])
@pytest.mark.parametrize("world", ["do()", "steered", "cut"])
@pytest.mark.parametrize("readout", READOUTS)
def test_it_is_as_if_the_texts_came_from_a_file(folder: Path, text: str, world: str, readout: str) -> None:
    judge, value = READOUTS[readout]
    more = ", do(judge.layer[0].resid @ all = 0.5 * judge.layer[0].resid @ all)" if readout == "an assignment" else ""
    live = ask(folder, f"estimate E[{value} | do({judge}.input = ({text} | {world})){more}] on d as population")
    filed(folder, "filed", texts(folder, text, world))
    later = ask(folder, f"estimate E[{value} | do({judge}.input = row.said){more}] on d as population", "filed")
    for now, then in zip(cells(live), cells(later), strict=True):
        assert len(set(now.tolist())) > 1
        np.testing.assert_allclose(now, then, rtol=0, atol=1e-12)


@pytest.mark.parametrize("text", [GREEDY, DRAWN])
def test_in_float32(folder: Path, text: str) -> None:
    value = 'bert.class["toxic", softmax]'
    live = ask(folder, f"estimate E[{value} | do(bert.input = ({text} | steered))] on d as population", dtype="float32")
    (table,) = ask(folder, f'estimate P(({text} | steered) = "x") on d as population', dtype="float32").tables.values()
    (written,) = (v for c, v in table.cells.items() if is_text(c.readout))
    filed(folder, "filed32", list(written))
    later = ask(folder, f"estimate E[{value} | do(bert.input = row.said)] on d as population", "filed32", "float32")
    np.testing.assert_allclose(cells(live)[0], cells(later)[0], rtol=0, atol=1e-6)


def test_a_bare_text_is_written_in_the_world_itself(folder: Path) -> None:
    """Assignments of the writer hold for it, those at new positions among them; the judge's own do not."""
    value = 'bert.class["toxic", softmax]'
    bare = ask(folder, f"estimate E[{value} | do(bert.input = {GREEDY}), steered] on d as population")
    named = ask(folder, f"estimate E[{value} | do(bert.input = ({GREEDY} | steered))] on d as population")
    other = ask(folder, f"estimate E[{value} | do(bert.input = {GREEDY})] on d as population")
    assert cells(bare)[0].tolist() == cells(named)[0].tolist() != cells(other)[0].tolist()
    assert not [d for d in bare.remarks if d.code == "CQ486"]


def test_a_chain_of_readers(folder: Path) -> None:
    """The judge goes on from the writer's text, and the classifier reads that."""
    second = f"(judge.text(tokens = 5) | do(judge.input = ({GREEDY} | cut)))"
    live = ask(folder, f'estimate E[bert.class["toxic", softmax] | do(bert.input = {second})] on d as population')
    filed(folder, "first", texts(folder, GREEDY, "cut"))
    found = ask(
        folder, 'estimate P((judge.text(tokens = 5) | do(judge.input = row.said)) = "x") on d as population', "first"
    )
    (table,) = found.tables.values()
    (written,) = (v for c, v in table.cells.items() if is_text(c.readout))
    filed(folder, "second", [str(t) for t in written])
    later = ask(
        folder, 'estimate E[bert.class["toxic", softmax] | do(bert.input = row.said)] on d as population', "second"
    )
    np.testing.assert_allclose(cells(live)[0], cells(later)[0], rtol=0, atol=1e-12)


def test_a_model_may_read_its_own_text_of_another_world(folder: Path) -> None:
    live = ask(folder, f'estimate E[lm.logit[" Mary"] @ last | do(lm.input = ({GREEDY} | cut))] on d as population')
    filed(folder, "own", texts(folder, GREEDY, "cut"))
    later = ask(folder, 'estimate E[lm.logit[" Mary"] @ last | do(lm.input = row.said)] on d as population', "own")
    np.testing.assert_allclose(cells(live)[0], cells(later)[0], rtol=0, atol=1e-12)


def test_a_chat_takes_the_text_in_the_place_of_its_column(folder: Path) -> None:
    value = 'chatty.logit[" Mary"] @ last'
    live = ask(folder, f"estimate E[{value} | do(chatty.input = ({GREEDY} | steered))] on talk as population")
    filed(folder, "chats", texts(folder, GREEDY, "steered", "talk"))
    later = ask(folder, f"estimate E[{value} | do(chatty.input = row.said)] on talk as population", "chats")
    plain = ask(folder, f"estimate E[{value} | do(chatty.input = row.said)] on d as population", "chats")
    np.testing.assert_allclose(cells(live)[0], cells(later)[0], rtol=0, atol=1e-12)
    assert not np.allclose(cells(live)[0], cells(plain)[0])


def test_small_passes_change_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are cut into chunks by a guess of the text's length; numbers do not depend on it."""
    question = f'estimate E[judge.logprob["Elisabeth"] @ last | do(judge.input = ({DRAWN} | cut))] on d as population'
    whole = cells(ask(folder, question))[0]
    monkeypatch.setattr("causalcircuit.runs.execute.PASS_POSITIONS", 40)
    np.testing.assert_allclose(cells(ask(folder, question))[0], whole, rtol=0, atol=1e-12)


def test_values_travel_from_one_reading_to_the_other(folder: Path) -> None:
    """A stream of the judge on the same text, put back, changes nothing; that on another text does."""
    world = f"do(judge.input = ({GREEDY} | cut))"
    site = "judge.layer[0].resid @ all"
    value = 'judge.logit[" Mary"] @ last'
    same, plain = (
        cells(ask(folder, f"estimate E[{value} | {world}{more}] on d as population"))[-1]
        for more in (f", do({site} = ({site} | {world}))", "")
    )
    np.testing.assert_allclose(same, plain, rtol=0, atol=1e-12)
    end = "judge.layer[0].resid @ last"
    moved = f"do({end} = ({end} | do(judge.input = {GREEDY})))"
    assert not np.allclose(cells(ask(folder, f"estimate E[{value} | {world}, {moved}] on d as population"))[-1], plain)


def codes(folder: Path, question: str) -> list[str]:
    """The codes of what is said before anything runs, or while it does."""
    with pytest.raises(DiagnosticError) as found:
        ask(folder, question)
    return [d.code for d in found.value.diagnostics]


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ('E[judge.logit[" Mary"] @ last | do(judge.input = judge.text(tokens = 3))]', "CQ303"),
        (
            'E[judge.logit[" Mary"] @ last | do(judge.input = lm.text(tokens = 3), lm.input = judge.text(tokens = 3))]',
            "CQ303",
        ),
        (f'E[judge.logit["Elisabeth"] @ last | do(judge.input = {GREEDY})]', "CQ511"),
        (f'E[bert.class["rude", softmax] | do(bert.input = {GREEDY})]', "CQ491"),
        (f"E[norm(judge.layer[7].resid @ last) | do(judge.input = {GREEDY})]", "CQ504"),
        (
            f'E[judge.logit[" Mary"] @ last | do(judge.input = {GREEDY}), do(judge.layer[0].resid @ all = '
            f"(judge.layer[0].resid @ all | do(judge.input = ({GREEDY} | cut))))]",
            "CQ580",
        ),
        (
            f'E[judge.logit[" Mary"] @ last | do(judge.layer[0].resid @ all = '
            f"(judge.layer[0].resid @ all | do(judge.input = ({GREEDY} | cut))))]",
            "CQ580",
        ),
        (f"E[bert.class[0, softmax] | do(bert.input = {GREEDY}, bert.layer[0].resid @ token(row.name) = 0)]", "CQ5"),
    ],
)
def test_what_can_be_known_is_said(folder: Path, question: str, code: str) -> None:
    assert any(c.startswith(code) for c in codes(folder, f"estimate {question} on d"))


def _told(folder: Path, question: str) -> str:
    with pytest.raises(DiagnosticError) as found:
        ask(folder, question)
    (problem,) = found.value.diagnostics
    return f"{problem.code} {problem.message} {' '.join(problem.help)}"


def test_an_empty_text_is_told_with_its_rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first token of row 1 is made an end."""
    words = PreTrainedTokenizerFast.from_pretrained(folder / "lm")
    model = GPT2LMHeadModel.from_pretrained(folder / "lm")
    ids = words(tiny.PROMPTS[1]["clean"], return_tensors="pt")["input_ids"]
    first = int(model(ids).logits[0, -1].argmax())
    ask(folder, f'estimate P({GREEDY} = "x") on d')
    (loaded,) = (m for ref, m in RUNNER.models.items() if ref.name == "lm" and "64" in str(ref.dtype))
    monkeypatch.setattr(loaded.hf.generation_config, "eos_token_id", [0, first])
    said = _told(folder, f'estimate E[judge.logit[" Mary"] @ last | do(judge.input = {GREEDY})] on d')
    assert said.startswith("CQ528")
    assert "row 1" in said
    assert "lm.text(tokens = 7)" in said


def test_a_text_too_long_is_told_with_its_rows(folder: Path) -> None:
    """A judge of few positions: the room is known, the text is not."""
    (folder / "short").mkdir()
    config = tiny.text_config(len(tiny.tokenizer()))
    config.n_positions = 12
    GPT2LMHeadModel(config).save_pretrained(folder / "short")
    tiny.tokenizer().save_pretrained(folder / "short")
    said = _told(
        folder,
        'model short = hf("./short") with dtype = float64\n'
        'estimate E[short.logit[" Mary"] @ last | do(short.input = lm.text(tokens = 16))] on d',
    )
    assert said.startswith("CQ528")
    assert "row 0" in said
    assert "lm.text(tokens = 16)" in said
