"""Meaning 6, `on = other`: references of other data, end to end."""

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

import causalcircuit as cq
from causalcircuit import E, do, last, mean, row
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import DataRef, Estimation
from causalcircuit.rows import load
from causalcircuit.runs import AfterPass, check_text
from tests.runs.asking import EXAMPLES, HEAD, RUNNER, ask, value

torch.set_num_threads(1)
PLAIN = 'data plain = jsonl("./data/ioi.jsonl") with prompt = row.clean where row.template = "plain"\n'


def refs() -> dict[str, DataRef]:
    """The parts of the split."""
    commands = check_text(HEAD + "estimate E[LD] on d.train\nestimate E[LD] on d.test\n", "t.cq", EXAMPLES).commands
    return {c.data.label: c.data for c in commands if isinstance(c, Estimation)}


def test_a_mean_over_train_used_on_test_by_hand() -> None:
    """One row at a time through plain hooks: the mean over `d.train`, then the effect on `d.test`."""
    model = GPT2LMHeadModel.from_pretrained(EXAMPLES / "models/ioi").eval()
    words = AutoTokenizer.from_pretrained(EXAMPLES / "models/ioi")
    width = model.config.n_embd // model.config.n_head
    head = slice(3 * width, 4 * width)
    seen: list[torch.Tensor] = []
    written: list[torch.Tensor] = []

    def hook(module: torch.nn.Module, args: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        x = args[0].clone()
        seen.append(x[0, -1, head].clone())
        if written:
            x[0, -1, head] = written[0]
        return (x,)

    def answer(text: str) -> torch.Tensor:
        with torch.no_grad():
            return model(**words(text, return_tensors="pt")).logits[0, -1]

    handle = model.transformer.h[1].attn.c_proj.register_forward_pre_hook(hook)
    train, test = (load(refs()[f"d.{part}"]) for part in ("train", "test"))
    for text in train.column("clean"):
        answer(text)
    written.append(torch.stack(seen).double().mean(0).float())
    differences = []
    for text, io, subj in zip(*(test.column(c) for c in ("clean", "io", "subj")), strict=True):
        logits = answer(text)
        (a,), (b,) = words(io).input_ids, words(subj).input_ids
        differences.append(float(logits[a] - logits[b]))
    handle.remove()
    assert value("E[LD | do(NM = mean(NM, on = d.train))]", "d.test") == pytest.approx(np.mean(differences), abs=1e-5)


def test_the_mean_is_that_of_a_run_on_the_other_data() -> None:
    """Component by component: a number measured on `d.train`, assigned on `d.test`."""
    neuron = "gpt2.layer[1].mlp.neuron[7] @ last"
    number = value(f"E[avg({neuron})]", "d.train")
    there = value(f"E[avg({neuron}) | do({neuron} = mean({neuron}, on = d.train))]", "d.test")
    assert there == pytest.approx(number, abs=1e-6)
    assert there != pytest.approx(value(f"E[avg({neuron})]", "d.test"), abs=1e-4)
    assigned = value(f"E[LD | do({neuron} = {number!r})]", "d.test")
    assert value(f"E[LD | do({neuron} = mean({neuron}, on = d.train))]", "d.test") == pytest.approx(assigned, abs=1e-6)


def test_the_questions_own_data_are_no_other_data() -> None:
    own = ask("estimate E[LD | do(NM = mean(NM, on = d))], E[LD | do(NM = mean(NM))] on d")
    one, two = own.estimates
    assert one.value == two.value
    assert one.interval == two.interval
    part = ask("estimate E[LD | do(NM = mean(NM, on = d.test))], E[LD | do(NM = mean(NM))] on d.test").estimates
    assert part[0].value == part[1].value
    assert own.tables["d"].elsewhere == {}


def test_the_report_says_over_how_many_rows_of_which_data() -> None:
    text = "E[LD | do(NM = mean(NM, on = d.train))] - E[LD | do(NM = mean(NM))]"
    result = ask(f"estimate {text} on d.test\ntest {text} > 0 logit on d.test")
    train, test = (load(refs()[f"d.{part}"]).n for part in ("train", "test"))
    assert train != test
    for answered in (*result.estimates, *result.hypotheses):
        lines = [line for line in answered.assumptions if "held fixed" in line]
        assert lines == [
            f"mean(gpt2.layer[1].head[3].out @ last, on = d.train) is computed once over all {train} rows of d.train "
            "and held fixed",
            f"mean(gpt2.layer[1].head[3].out @ last) is computed once over all {test} rows of d.test and held fixed",
        ]
    assert "on = d.train" in result.estimates[0].estimand


def test_progress_and_cost_hold_the_other_rows() -> None:
    heard: list[tuple[int, int]] = []
    text = HEAD + "estimate E[LD | do(NM = mean(NM, on = d.train))] on d.test"
    result = RUNNER.run(check_text(text, "t.cq", EXAMPLES), progress=lambda d, n, _: heard.append((d, n)))
    train, test = (load(refs()[f"d.{part}"]).n for part in ("train", "test"))
    assert heard[-1] == (train + test, train + test)
    assert result.estimates[0].cost["row_passes"] == train + test


@pytest.mark.parametrize(
    ("code", "question"),
    [
        ("CQ526", "E[LD | do(gpt2.embed @ all = mean(gpt2.embed @ all, on = plain))] on d"),
        ("CQ527", "E[LD | do(gpt2.embed @ all = mean(gpt2.embed @ all, on = d))] on plain"),
        ("CQ353", "E[LD | do(NM = mean(gpt2.embed @ last, on = plain))] on d"),
        ("CQ509", "E[LD | do(NM = mean((NM | do(gpt2.embed @ 40 = 0)), on = plain))] on d"),
    ],
)
def test_refused_before_any_pass(code: str, question: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        ask(f"{PLAIN}estimate {question}")
    assert not isinstance(caught.value, AfterPass)
    assert [d.code for d in caught.value.diagnostics] == [code]
    assert all(d.span is not None and d.help for d in caught.value.diagnostics)


def test_one_length_fits_another_and_pooled_fits_all() -> None:
    ask(f"{PLAIN}estimate E[LD | do(gpt2.embed @ all = mean(gpt2.embed @ all, on = plain))] on plain")
    ask(f"{PLAIN}estimate E[LD | do(gpt2.embed @ all = mean(gpt2.embed @ all, pooled, on = plain))] on d")


def test_python_asks_the_same() -> None:
    model = cq.model(str(EXAMPLES / "models/ioi"), name="gpt2")
    d = cq.data(EXAMPLES / "data/ioi.jsonl", name="d", prompt=row.clean, cluster=row.names, split=(70, 30), seed=7)
    head = model.layer[1].head[3].out @ last
    difference = model.logit[row.io] @ last - model.logit[row.subj] @ last
    (e,) = cq.estimate(E[difference | do({head: mean(head, on=d.train)})], on=d.test).estimates
    assert e.value == value("E[LD | do(NM = mean(NM, on = d.train))]", "d.test")
    assert "mean(gpt2.layer[1].head[3].out @ last, on = d.train)" in e.estimand
