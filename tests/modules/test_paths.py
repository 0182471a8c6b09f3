"""Modules of a transformers model by their path, against hooks written here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import GPT2LMHeadModel

from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.query import render
from causalcircuit.runs import check_text
from causalcircuit.runs.execute import Runner
from tests.truth import tiny

torch.set_num_threads(1)
HEAD = """
model m = hf("./gpt2") with dtype = float64
data d = jsonl("./prompts.jsonl") with prompt = row.clean
"""
RUNNER = Runner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("modules")
    tiny.write_gpt2(root / "gpt2")
    tiny.write_lines(root / "prompts.jsonl", tiny.PROMPTS)
    return root


@pytest.fixture(scope="module")
def hf(folder: Path) -> GPT2LMHeadModel:
    return GPT2LMHeadModel.from_pretrained(folder / "gpt2", dtype=torch.float64).eval()


def ask(folder: Path, text: str) -> list[np.ndarray]:
    """The values on each row of what is asked by one `estimate` of expectations."""
    program = check_text(HEAD + text, folder=folder)
    result = RUNNER.run(program)
    cells = {render(c.readout) + render(c.world): v for c, v in result.tables["d"].cells.items()}
    return [cells[render(q.expr.value) + render(q.expr.world)] for c in program.commands for q in c.queries]


def refused(folder: Path, text: str) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        ask(folder, text)
    (found,) = (d for d in caught.value.diagnostics if d.is_error)
    return found


def truth(hf: GPT2LMHeadModel, module: nn.Module, side: str, change: Callable[[Tensor], Tensor]) -> list[float]:
    """The logit of " Mary" at the end of each prompt, with a module's tensor changed."""
    words = tiny.tokenizer()
    answer = words(" Mary")["input_ids"][0]

    def before(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (change(args[0]), *args[1:])

    def after(_: nn.Module, _args: object, output: Tensor) -> Tensor:
        return change(output)

    handle = module.register_forward_pre_hook(before) if side == "in" else module.register_forward_hook(after)
    out = []
    with torch.no_grad():
        for row in tiny.PROMPTS:
            ids = torch.tensor([words(row["clean"])["input_ids"]])
            out.append(float(hf(input_ids=ids, use_cache=False).logits[0, -1, answer]))
    handle.remove()
    return out


def doubled_at_the_end(x: Tensor) -> Tensor:
    return torch.cat([x[:, :-1], 2 * x[:, -1:]], dim=1)


@pytest.mark.parametrize(
    ("path", "side"),
    [
        ("transformer.drop", "out"),
        ("transformer.wte", "out"),
        ("transformer.h.1.ln_2", "out"),
        ("transformer.h.0.mlp.act", "out"),
        ("transformer.h.0.mlp.act", "in"),
        ("transformer.h.1.attn.c_attn", "out"),
        ("lm_head", "in"),
    ],
)
def test_an_assignment_is_a_hook(folder: Path, hf: GPT2LMHeadModel, path: str, side: str) -> None:
    site = f'm.module("{path}")' + (".in" if side == "in" else "")
    asked = f"""
node A = {site} @ all
node B = {site} @ last
estimate E[m.logit[" Mary"] @ last | do(A = 0)], E[m.logit[" Mary"] @ last | do(B = 2 * B)],
  E[m.logit[" Mary"] @ last], E[norm(A)] on d
"""
    zero, double, plain, norms = ask(folder, asked)
    module = hf.get_submodule(path)
    np.testing.assert_allclose(zero, truth(hf, module, side, torch.zeros_like), atol=1e-9)
    np.testing.assert_allclose(double, truth(hf, module, side, doubled_at_the_end), atol=1e-9)
    assert np.abs(double - plain).max() > 1e-4
    kept: list[float] = []
    truth(hf, module, side, lambda x: kept.append(float(x.norm())) or x)
    np.testing.assert_allclose(norms, kept, atol=1e-9)


def test_a_module_that_has_an_address_is_the_same_site(folder: Path) -> None:
    """So that assignments to both in one world are found to overlap."""
    by_path, by_address = ask(
        folder,
        """
estimate E[m.logit[" Mary"] @ last | do(m.module("transformer.h.0") @ all = 0)],
  E[m.logit[" Mary"] @ last | do(m.layer[0].resid @ all = 0)] on d
""",
    )
    np.testing.assert_array_equal(by_path, by_address)
    same = 'do(m.module("transformer.h.1.attn") @ last = 0, m.layer[1].attn.out @ last = 1)'
    assert refused(folder, f'estimate E[m.logit[" Mary"] @ last | {same}] on d').code == "CQ351"


def test_an_unknown_path_names_the_nearest(folder: Path) -> None:
    near = refused(folder, 'estimate E[norm(m.module("transformer.h.0.mlp.akt") @ last)] on d')
    assert near.code == "CQ560"
    assert "transformer.h.0.mlp.act" in near.help[0]
    far = refused(folder, 'estimate E[norm(m.module("transformer.h.7.mlp") @ last)] on d')
    assert far.code == "CQ560"


def test_a_module_without_a_line_a_position_is_no_site(folder: Path) -> None:
    found = refused(folder, 'estimate E[norm(m.module("transformer") @ last)] on d')
    assert found.code == "CQ561"
    assert "no tensor" in found.message


def test_what_depends_on_its_target_is_found_once_the_order_is_known(folder: Path) -> None:
    early, late = 'm.module("transformer.h.0.mlp.act") @ last', 'm.module("transformer.h.1.mlp.act") @ last'
    found = refused(folder, f'estimate E[m.logit[" Mary"] @ last | do({early} = {late})] on d')
    assert found.code == "CQ303"
    ask(folder, f'estimate E[m.logit[" Mary"] @ last | do({late} = {early})] on d')  # the other way round is none


def test_words_about_modules_are_checked(folder: Path) -> None:
    for text, code in (
        ("m.module @ last", "CQ506"),
        ("m.module(3) @ last", "CQ207"),
        ('m.module("transformer.drop").out @ last', "CQ506"),
        ('m.module("transformer.drop")', "CQ209"),
    ):
        with pytest.raises(DiagnosticError) as caught:
            check_text(f"{HEAD}estimate E[norm({text})] on d", folder=folder)
        assert [d.code for d in caught.value.diagnostics] == [code], text
