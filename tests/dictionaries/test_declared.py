"""Declarations that are wrong, and files that are no dictionary: what is said, before anything runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import GPT2LMHeadModel

from causalcircuit.diagnostics import Diagnostic, DiagnosticError
from causalcircuit.query import Program, render
from causalcircuit.query.dictionary import Activation
from causalcircuit.runs import check_text, run_program
from tests.dictionaries.conftest import HEAD, drawn, fitted, passed, save

ZERO = torch.zeros(24)
AT = "at = m.layer[0].resid"


def weights(features: int = 10, **more: Tensor) -> dict[str, Tensor]:
    made = {**drawn(features, seed=0), "W_dec": torch.randn(features, 24, dtype=torch.float64)}
    return {**made, **more}


def declared(folder: Path, text: str) -> Program:
    return check_text(HEAD + text + "\nestimate E[norm(s.error @ all)] on d\n", folder=folder)


def refused(folder: Path, text: str) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        declared(folder, text)
    (found,) = (d for d in caught.value.diagnostics if d.is_error)
    return found


@pytest.mark.parametrize(
    ("keys", "turned"),
    [
        (("W_enc", "W_dec", "b_enc"), False),
        (("encoder.weight", "decoder.weight", "encoder.bias"), True),
    ],
)
def test_common_names_and_both_ways_of_standing(folder: Path, keys: tuple[str, ...], turned: bool) -> None:
    w = weights(24)  # square: only the name tells
    parts = [w["W_enc"], w["W_dec"], w["b_enc"]]
    if turned:
        parts[:2] = [p.T.contiguous() for p in parts[:2]]
    save_file(dict(zip(keys, parts, strict=True)), folder / "named.safetensors", metadata={"activation": "relu"})
    program = declared(folder, f'model s = sae("./named.safetensors", {AT})')
    (found,) = program.models["m"].dictionaries
    assert found.features == 24
    assert {x.role: x.turned for x in found.weights} == {"encoder": turned, "decoder": turned, "encoder_bias": False}


def test_settings_beside_the_file_and_in_it(folder: Path) -> None:
    place = folder / "saelens"
    place.mkdir()
    save(place / "sae_weights.safetensors", **weights(12, b_dec=torch.zeros(24)))
    said = {"architecture": "topk", "activation_fn_kwargs": {"k": 4}, "apply_b_dec_to_input": True}
    (place / "cfg.json").write_text(json.dumps(said))
    program = declared(folder, f'model s = sae("./saelens/sae_weights.safetensors", {AT})')
    (found,) = program.models["m"].dictionaries
    assert (found.activation, found.centred) == (Activation("topk", 4), True)
    (place / "cfg.json").write_text(json.dumps({**said, "normalize_activations": "expected_average_only_in"}))
    assert "scaled" in refused(folder, f'model s = sae("./saelens/sae_weights.safetensors", {AT})').message


def test_a_threshold_makes_a_jumprelu(folder: Path) -> None:
    save(folder / "log.safetensors", **weights(log_threshold=torch.zeros(10)))
    program = declared(folder, f'model s = sae("./log.safetensors", {AT})')
    assert program.models["m"].dictionaries[0].activation == Activation("jumprelu")


WRONG: list[tuple[str, str, str, Callable[[], tuple[dict[str, Tensor], dict[str, str] | None]]]] = [
    ("CQ552", "", "nothing says what makes its features", lambda: (weights(), None)),
    ("CQ552", ", activation = relu", "it says `topk(3)`", lambda: (weights(), {"activation": "topk", "k": "3"})),
    ("CQ552", "", "not how many", lambda: (weights(), {"activation": "topk"})),
    ("CQ552", ", activation = topk(11)", "keeps more", lambda: (weights(), None)),
    ("CQ552", ", activation = jumprelu", "holds none", lambda: (weights(), None)),
    ("CQ552", "", "gated", lambda: (weights(), {"architecture": "gated"})),
    ("CQ553", ", activation = relu", "`b_dec` is subtracted", lambda: (weights(b_dec=torch.zeros(24)), None)),
    ("CQ551", ", activation = relu", "has 24 components", lambda: ({**weights(), "W_enc": torch.zeros(16, 10)}, None)),
    ("CQ551", ", activation = relu", "[10, 24] is needed", lambda: ({**weights(), "W_dec": torch.zeros(9, 24)}, None)),
    ("CQ550", ", activation = relu", "no decoder", lambda: (drawn(10, seed=0), None)),
    ("CQ550", ", activation = relu", "`r_mag`", lambda: (weights(r_mag=torch.zeros(10)), None)),
    (
        "CQ550",
        ", activation = relu",
        "both of which",
        lambda: (weights(bias=torch.zeros(24), b_dec=torch.zeros(24)), None),
    ),
    ("CQ554", ", activation = gelu", "`gelu` is no activation", lambda: (weights(), None)),
    ("CQ554", ", activation = relu, scale = 2", "takes no `scale`", lambda: (weights(), None)),
]


@pytest.mark.parametrize(("code", "more", "said", "made"), WRONG, ids=lambda x: x if isinstance(x, str) else "")
def test_files_that_are_no_dictionary(
    folder: Path,
    code: str,
    more: str,
    said: str,
    made: Callable[[], tuple[dict[str, Tensor], dict[str, str] | None]],
) -> None:
    tensors, metadata = made()
    save(folder / "wrong.safetensors", metadata=metadata, **tensors)
    found = refused(folder, f'model s = sae("./wrong.safetensors", {AT}{more})')
    assert found.code == code
    assert said in found.message
    assert found.help


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        ("CQ550", f'model s = sae("./none.safetensors", {AT})', "does not exist"),
        ("CQ550", f'model s = sae("./gpt2", {AT})', "is a folder"),
        ("CQ550", f'model s = sae("./prompts.jsonl", {AT})', "cut off"),
        ("CQ554", 'model s = sae("./good.safetensors")', "lacks `at = …`"),
        ("CQ554", f"model s = sae({AT})", "lacks its file"),
        ("CQ554", 'model s = sae("./good.safetensors", at = m.layer[*].resid)', "several sites"),
        ("CQ554", 'model s = sae("./good.safetensors", at = m.layer[0].head[0].pattern[0])', "attention pattern"),
        ("CQ554", 'model s = sae("./good.safetensors", at = m.layer[0].resid @ last)', "no site"),
        ("CQ554", f'model s = sae("./good.safetensors", {AT}) with dtype = float64', "takes no settings"),
        ("CQ506", 'model s = sae("./good.safetensors", at = m.layer[0].residue)', "not a site"),
        ("CQ504", 'model s = sae("./good.safetensors", at = m.layer[7].resid)', "layer 7"),
        (
            "CQ554",
            'model s = transcoder("./good.safetensors", from = m.layer[0].mlp.out, to = m.layer[0].mlp.in)',
            "after",
        ),
        (
            "CQ505",
            f'model s = sae("./good.safetensors", {AT})\nestimate E[norm(s.feature[10] @ last)] on d',
            "feature 10",
        ),
        (
            "CQ506",
            f'model s = sae("./good.safetensors", {AT})\nestimate E[norm(s.featur[1] @ last)] on d',
            "not a site",
        ),
        ("CQ202", f'model m = sae("./good.safetensors", {AT})', "declared twice"),
    ],
)
def test_declarations_that_are_wrong(folder: Path, code: str, text: str, said: str) -> None:
    save(folder / "good.safetensors", metadata={"activation": "relu"}, **weights())
    with pytest.raises(DiagnosticError) as caught:
        check_text(HEAD + text, folder=folder)
    found = next(d for d in caught.value.diagnostics if d.code == code)
    assert said in found.message, found.message


def test_numbers_that_are_none(folder: Path) -> None:
    broken = weights()
    broken["W_enc"][3, 4] = torch.nan
    save(folder / "nan.safetensors", metadata={"activation": "relu"}, **broken)
    program = declared(folder, f'model s = sae("./nan.safetensors", {AT})')
    with pytest.raises(DiagnosticError) as caught:
        run_program(program)
    assert [d.code for d in caught.value.diagnostics] == ["CQ550"]


def test_the_wrong_layer_is_refused_and_the_right_one_measured(
    folder: Path, hf: GPT2LMHeadModel, prompts: list[Tensor]
) -> None:
    w = drawn(60, seed=2)
    x = passed(hf, prompts, hf.transformer.h[0], "out")
    save(
        folder / "zero.safetensors",
        metadata={"activation": "relu", "centred": "false"},
        **fitted(w, lambda x: torch.relu(x @ w["W_enc"] + w["b_enc"]), x, x),
    )
    right = run_program(declared(folder, f'model s = sae("./zero.safetensors", {AT})'))
    (note,) = (d for d in right.diagnostics if d.code == "CQ556")
    errors, values = [], []
    for ids in prompts:
        own = passed(hf, [ids], hf.transformer.h[0], "out")[1:]
        errors.append(own - torch.relu(own @ w["W_enc"] + w["b_enc"]) @ w["W_dec"] - w["b_dec"])
        values.append(own)
    share = torch.cat(errors).square().sum() / (torch.cat(values) - torch.cat(values).mean(0)).square().sum()
    assert f"{float(share):.1%}" in note.message
    with pytest.raises(DiagnosticError) as caught:
        run_program(declared(folder, 'model s = sae("./zero.safetensors", at = m.embed)'))
    assert [d.code for d in caught.value.diagnostics] == ["CQ555"]


def test_nodes_are_written_as_they_are_declared(folder: Path) -> None:
    save(folder / "good.safetensors", metadata={"activation": "relu"}, **weights())
    text = "estimate E[norm(s.features @ last) | do(s.feature[1..3] @ all = 0)] on d"
    program = check_text(f'{HEAD}model s = sae("./good.safetensors", {AT})\n{text}', folder=folder)
    shown = render(program.commands[0].queries[0].expr)
    zeros = ", ".join(f"s.feature[{k}] @ all = 0" for k in (1, 2, 3))
    assert shown == f"E[norm(s.features @ last) | do({zeros})]"


def test_two_files_may_declare_one_name(folder: Path) -> None:
    """Each means its own: of two that differ the second is renamed inside the model they share."""
    for k, name in enumerate(("good", "other")):
        save(folder / f"{name}.safetensors", metadata={"activation": "relu"}, **weights(10 + k))
    for k, name in ((0, "good"), (1, "other"), (2, "good")):
        (folder / f"part{k}.cq").write_text(HEAD + f'model s = sae("./{name}.safetensors", {AT})\n')
    program = check_text(
        'use "./part0.cq" as a\nuse "./part1.cq" as b\nuse "./part2.cq" as c\n'
        "estimate E[norm(a.s.error @ all)], E[norm(b.s.feature[10] @ all)], E[norm(c.s.error @ all)] on a.d",
        folder=folder,
    )
    (model,) = program.models.values()
    assert [(d.name, d.features) for d in model.dictionaries] == [("s", 10), ("s_2", 11)]
    first, second, third = (q.expr for q in program.commands[0].queries)
    assert (render(first), render(second)) == ("E[norm(s.error @ all)]", "E[norm(s_2.feature[10] @ all)]")
    assert first == third
