"""Functions in Python as readouts: what they are given, what they may give, and that a check runs none of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import transformers

import causalcircuit as cq
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.runs import AfterPass, check_text
from tests.readouts.asking import ask, native, refused, rows, values

HEAD = """
model m = hf("./gpt2") with dtype = float64
data d = jsonl("./prompts.jsonl") with prompt = row.clean
use "./mine.py" as mine
let other = do(m.input = row.other)
"""
MINE = '''
"""Readouts of one's own."""
from pathlib import Path

import numpy as np
import causalcircuit as cq
from causalcircuit import readout

Path(__file__).with_name("ran").touch()


@readout("spread")
def spread(values):
    assert values.ndim == 2
    return np.abs(values).max() - np.abs(values).min()


@cq.readout("mixed")
def mixed(values, word, dose, said, plus=1):
    return len(values) + len(word) + dose + said + plus


@readout("letters")
def letters(text, other):
    return len(text) - len(other)


@readout("silent")
def silent(values):
    return None


@readout("picky")
def picky(word):
    if word == " Anna":
        raise ValueError("not her")
    return True
'''


@pytest.fixture(autouse=True)
def _mine(folder: Path) -> None:
    (folder / "mine.py").write_text(MINE)
    (folder / "ran").unlink(missing_ok=True)


def test_a_function_of_a_site_in_two_worlds(folder: Path) -> None:
    words = transformers.AutoTokenizer.from_pretrained(folder / "gpt2")
    model = transformers.GPT2LMHeadModel.from_pretrained(folder / "gpt2").double().eval()
    want = []
    for column in ("clean", "other"):
        each = []
        for r in rows(folder, "prompts.jsonl"):
            out = model(**words(r[column], return_tensors="pt"), output_hidden_states=True)
            x = np.abs(out.hidden_states[1][0].detach().numpy())
            each.append(x.max() - x.min())
        want.append(np.mean(each))
    site = "m.layer[0].resid @ all"
    found = values(folder, "d", f"E[mine.spread({site})]", f"E[mine.spread({site}) | other]", head=HEAD)
    assert found == pytest.approx(want, abs=1e-6)


def test_it_is_given_arrays_strings_and_numbers(folder: Path) -> None:
    words = transformers.AutoTokenizer.from_pretrained(folder / "gpt2")
    data = rows(folder, "prompts.jsonl")
    want = np.mean([len(words(r["clean"])["input_ids"]) + len(r["answer"]) + r["dose"] + 0.5 for r in data])
    given = "m.embed @ all, row.answer, row.dose"
    three, four = values(
        folder, "d", f"E[mine.mixed({given}, 0.5)] - 1", f"E[mine.mixed({given}, abs(-0.5), 2) - 2]", head=HEAD
    )
    assert [three, four] == pytest.approx([want, want])


def test_it_reads_generated_texts(folder: Path) -> None:
    """Another model, or anything else, may judge what a model writes in each world."""
    words = transformers.AutoTokenizer.from_pretrained(folder / "gpt2")
    model = native(folder / "gpt2", "GPT2LMHeadModel")
    written: dict[str, list[str]] = {"clean": [], "other": []}
    for r in rows(folder, "prompts.jsonl"):
        for column, texts in written.items():
            ids = words(r[column], return_tensors="pt")
            out = model.generate(**ids, max_new_tokens=4, do_sample=False)[0, ids["input_ids"].shape[1] :]
            texts.append(words.decode(out, skip_special_tokens=True).strip())
    want = [len(a) - len(b) for a, b in zip(*written.values(), strict=True)]
    text = "m.text(tokens = 4)"
    (found,) = values(folder, "d", f"E[mine.letters({text}, ({text} | other))]", head=HEAD)
    assert found == pytest.approx(sum(want) / len(want))


def test_it_is_a_row_value_like_others(folder: Path) -> None:
    """In arithmetic, in conditions, in events."""
    (share,) = values(folder, "d", "P(mine.mixed(m.embed @ last, row.answer, row.dose, 0, 0) > 6)", head=HEAD)
    assert share == np.mean([1 + len(r["answer"]) + r["dose"] > 6 for r in rows(folder, "prompts.jsonl")])
    assert 0 < share < 1


def test_a_check_warns_and_runs_nothing(folder: Path) -> None:
    program = check_text(HEAD + "estimate E[mine.spread(m.embed @ last)] on d", "t.cq", folder)
    assert "CQ495" in [d.code for d in program.warnings]
    assert not (folder / "ran").exists()


def test_a_run_says_that_code_ran(folder: Path) -> None:
    (folder / "mine.cq").write_text(HEAD + "estimate E[mine.spread(m.embed @ last)] on d as population\n")
    command = [sys.executable, "-m", "causalcircuit", "run", "mine.cq", "--format", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert "CQ495" in [d["code"] for d in said["diagnostics"]]
    assert said["estimates"][0]["value"] > 0
    assert (folder / "ran").exists()


@pytest.mark.parametrize(
    ("y", "why"), [("silent(m.embed @ last)", "gives no number but NoneType"), ("picky(row.answer)", "not her")]
)
def test_a_row_without_a_number(folder: Path, y: str, why: str) -> None:
    with pytest.raises(AfterPass, match=why) as caught:
        ask(folder, f"estimate E[mine.{y}] on d", HEAD)
    (d,) = caught.value.diagnostics
    assert d.code == "CQ497"
    assert "prompts.jsonl" in d.where


@pytest.mark.parametrize(
    ("code", "question"),
    [
        ("CQ207", "estimate E[mine.spread()] on d"),
        ("CQ207", "estimate E[mine.spread(m.layer[*].resid @ last)] on d"),
        ("CQ214", "estimate E[mine.spread(E[row.dose])] on d"),
        ("CQ201", "estimate E[mine.spraed(m.embed @ last)] on d"),
        ("CQ216", "estimate E[row.dose | do(m.embed @ last = mine.spread(m.embed @ last))] on d"),
        ("CQ402", "estimate E[mine.picky(row.nothing)] on d"),
    ],
)
def test_refused_before_any_code_runs(folder: Path, code: str, question: str) -> None:
    assert code in refused(folder, question, HEAD)
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("def f(x):\n    return 1\n", "CQ496"),
        ("def f(x:\n", "CQ496"),
        ("from causalcircuit import readout\n@readout('f')\ndef f(x):\n    return 1\n1 / 0\n", "CQ496"),
        ("def readout(name):\n    return lambda f: f\n@readout('f')\ndef f(x):\n    return 1\n", "CQ496"),
    ],
    ids=["no readout", "no Python", "fails", "registers nothing"],
)
def test_files_that_give_no_readout(folder: Path, text: str, code: str) -> None:
    (folder / "bad.py").write_text(text)
    head = HEAD.replace("mine.py", "bad.py")
    with pytest.raises(DiagnosticError) as caught:
        ask(folder, "estimate E[mine.f(m.embed @ last)] on d", head)
    assert not isinstance(caught.value, AfterPass)
    assert code in [d.code for d in caught.value.diagnostics]


def test_a_missing_file(folder: Path) -> None:
    assert refused(folder, 'use "./absent.py" as a\n', HEAD) == {"CQ496"}


def test_registered_in_this_process(folder: Path) -> None:
    @cq.readout("largest")
    def largest(values: np.ndarray) -> float:
        return values.max()

    assert largest(np.array([[1.0, 3.0]])) == 3
    m = cq.model(str(folder / "gpt2"), name="m", dtype="float64")
    d = cq.data(folder / "prompts.jsonl", name="d", prompt=cq.row.clean)
    (mine,) = cq.estimate(cq.E[largest(m.embed @ cq.last)], on=d, population=True).estimates
    text = HEAD.replace('use "./mine.py" as mine\n', "")
    assert values(folder, "d", "E[largest(m.embed @ last)]", head=text) == [mine.value]


def test_the_same_nouns_from_python(folder: Path) -> None:
    v = cq.model(str(folder / "vit"), name="vit")
    m = cq.model(str(folder / "gpt2"), name="m")
    said = {
        'vit.class["cat", softmax]': v.class_["cat", "softmax"],
        "vit.class[1, logit]": v.class_[1, "logit"],
        "vit.class[row.label, sigmoid]": v.class_[cq.row.label, "sigmoid"],
        "kl(m.logits @ last, (m.logits @ last | do(m.input = row.other)))": cq.kl(
            m.logits @ cq.last, (m.logits @ cq.last) | cq.do({m.input: cq.row.other})
        ),
        "cosine(m.embed @ last, m.embed @ first)": cq.cosine(m.embed @ cq.last, m.embed @ cq.first),
        'm.logprob[" a b", per_token] @ last': m.logprob[" a b", "per_token"] @ cq.last,
    }
    head = 'model vit = hf("./vit")\nmodel m = hf("./gpt2")\n'
    for text, quantity in said.items():
        assert repr(quantity) == text
        program = check_text(head + f"node A = {text}\n", "t.cq", folder)
        assert quantity.expr in program.names
